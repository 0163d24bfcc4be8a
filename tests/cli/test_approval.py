"""What waits for approval: told as such everywhere, left alone by a retry, and settled by one word."""

import json
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from bare_hub import Bare

from swarm.engine.claims import Failure
from swarm.plan.model import TaskSpec
from swarm.repo.hub.hub import Hub
from swarm.repo.hub.refs import attempt_ref
from swarm.states import FailureKind

Swarm = Callable[..., Any]
Task = Callable[..., TaskSpec]

REASON = "changes uv.lock, which is a lockfile"
UNAPPROVED = Failure(FailureKind.APPROVAL, REASON, retryable=False)
FATAL = Failure(FailureKind.TASK_ERROR, "exit code 1", retryable=False)


@pytest.fixture
def run(bench: Any, task: Task) -> str:
    """A run in which `pin` waits for approval, `after` for `pin`, and `bad` has failed."""
    name: str = bench.submit(task("pin"), task("bad"), task("after", "pin"))
    bench.engine.fail(bench.claim(), UNAPPROVED)
    bench.engine.fail(bench.claim(), FATAL)
    return name


def test_a_report_tells_waiting_from_failing(swarm: Swarm, run: str) -> None:
    """In every form, and with the words that a person may say; what failed by itself is told beside it."""
    text = swarm("report").out
    data, md, junit = (swarm("report", "--format", form).out for form in ("json", "md", "junit"))

    rows = {row["id"]: row for row in json.loads(data)["tasks"]}
    cases = {case.get("name"): case.find("failure") for case in ET.fromstring(junit).iter("testcase")}  # noqa: S314  # our own
    waiting = md.partition("## What waits for approval\n\n")[2].partition("\n## ")[0]
    assert "1 failed, 1 upstream_failed, 1 waits for approval\n" in text
    assert f"swarm approve {run} pin\n" in text
    assert f"swarm retry {run}\n" in text
    assert (rows["pin"]["waits_for_approval"], rows["bad"]["waits_for_approval"]) == (True, False)
    assert f"`swarm approve {run} pin`" in waiting
    assert "bad" not in waiting
    assert "pin" not in md.partition("## What failed\n\n")[2].partition("\n- `after`")[0]
    assert cases["pin"] is not None
    assert cases["pin"].get("message") == f"waits for approval: {REASON}"


def test_why_and_status_name_the_word_to_say(swarm: Swarm, run: str) -> None:
    """Of the task, and of what waits for it: a retry would do the work again for nothing."""
    own, below = swarm("why", "pin").out, swarm("why", "after", "--json").json()
    events = swarm("watch").err

    assert "waits for approval since " in own
    assert "failed" not in own.partition("\n")[2]
    assert below["next"] == [f"swarm approve {run} pin", f"swarm reject {run} pin --message WHY"]
    assert f"then `swarm approve {run} pin` or `swarm reject`, retry or skip" in swarm("status").out
    assert "waits for approval: changes uv.lock" in swarm("tasks").out
    assert f"pin waits for approval: {REASON}" in events
    assert "pin failed" not in events


@pytest.mark.parametrize("how", [(), ("--failed",)])
def test_a_retry_of_the_run_leaves_alone_what_waits(
    swarm: Swarm, bench: Any, run: str, how: tuple[str, ...]
) -> None:
    """The attempt is kept for a person's word; one that is named is tried again."""
    told = swarm("retry", run, *how)
    states = {record.spec.id: record.state.value for record in bench.engine.tasks(run)}
    named = swarm("retry", run, "pin", "--json").json()

    assert told.out.startswith("1 task of run")
    assert f"pin waits for approval, and nothing was done about that: `swarm approve {run} pin`" in told.err
    assert states == {"pin": "failed", "bad": "queued", "after": "upstream_failed"}
    assert named["queued"] == 2


def test_a_retry_brings_back_what_was_cancelled_beside_what_waits(
    swarm: Swarm, bench: Any, task: Task
) -> None:
    """A plain retry is about that too; what waits for both stays where it is."""
    run = bench.submit(task("pin"), task("off"), task("both", "pin", "off"), task("one", "off"))
    bench.engine.fail(bench.claim(), UNAPPROVED)
    swarm("cancel", run, "--task", "off")

    swarm("retry", run)

    states = {record.spec.id: record.state.value for record in bench.engine.tasks(run)}
    assert states == {"pin": "failed", "off": "queued", "both": "upstream_failed", "one": "pending"}


def test_one_number_names_an_attempt_and_another_is_refused(
    swarm: Swarm, bench: Any, task: Task, folder: Any
) -> None:
    """Work that was put back and claimed again, as `tasks` counts it; nobody approves what he did not see."""
    bare = Bare(Hub.open_or_create(folder / ".swarm" / "repo.git"))
    run = bench.submit(task("pin"))
    commit = bare.commit({"uv.lock": b"one\n"})
    bare.hub.create_refs({attempt_ref(run, "pin", 1): commit, f"refs/heads/swarm/{run}": commit})
    bench.engine.release(bench.claim(), reason="drained")
    claim = bench.claim()
    bench.engine.fail(claim, UNAPPROVED)

    refused = [swarm("approve", run, "pin", "--attempt", other) for other in ("1", "f" * 12, commit[:3])]
    approved = swarm("approve", run, "pin", "--attempt", commit[:10], "--json").json()

    assert claim.attempt == 2
    assert [ended.code for ended in refused] == [6, 6, 6]
    assert (
        f"it is attempt 2 of pin that waits, at {commit[:12]}, and not 1\nhelp: `swarm diff" in refused[0].err
    )
    assert (approved["attempt"], approved["commit"]) == (2, commit)
