"""Runs that Redis has forgotten: commands that look find them in the archive, and say so."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from swarm.archive.archiver import Archiver
from swarm.engine.claims import Failure
from swarm.plan.model import TaskSpec
from swarm.settings import load_settings
from swarm.states import FailureKind

from .conftest import Ended, Workbench

Run = Callable[..., Ended]
Task = Callable[..., TaskSpec]


@pytest.fixture
def archived(folder: Path, bench: Workbench, task: Task, swarm: Run) -> tuple[str, dict[str, Ended]]:
    """A run that was archived and forgotten, and what commands said of it before."""
    run = bench.submit(task("api"), task("docs", "api"))
    bench.land()
    bench.land()
    before = {
        "events": swarm("events", run),
        "tasks": swarm("tasks", run, "--json"),
        "report": swarm("report", run, "--json"),
        "show": swarm("show", run, "--format", "dot"),
        "cost": swarm("cost", run, "--json"),
    }
    Archiver(bench.engine, load_settings(folder)).step()
    assert bench.engine.forget(run)
    return run, before


@pytest.mark.parametrize(
    "words",
    [
        ("tasks", "--json"),
        ("events",),
        ("report", "--json"),
        ("show", "--format", "dot"),
        ("cost", "--json"),
    ],
    ids=lambda words: words[0],
)
def test_what_is_told_of_an_archived_run_is_what_was_told_before(
    swarm: Run, archived: tuple[str, dict[str, Ended]], words: tuple[str, ...]
) -> None:
    """The same on stdout; on stderr, where it comes from."""
    run, before = archived
    verb, *rest = words

    told = swarm(verb, run[:6], *rest)

    assert told.code == 0
    assert told.out.startswith(before[verb].out)
    assert told.out.removeprefix(before[verb].out).count("\n") == (verb == "events")  # `run_removed`
    assert "is read from its archive" in told.err


def test_an_archived_run_is_listed_as_such(
    swarm: Run, archived: tuple[str, dict[str, Ended]], bench: Workbench, task: Task
) -> None:
    """Before those that Redis has; `latest` is one of these while there is any."""
    live = bench.submit(task("one"))

    listed = json.loads(swarm("runs", "--json").out)

    assert [(one["run"], one["is_archived"]) for one in listed] == [(archived[0], True), (live, False)]
    assert "done (archived)" in swarm("runs").out
    assert json.loads(swarm("status", "--json").out)["run"]["run"] == live


def test_latest_is_an_archived_run_when_there_is_no_other(
    swarm: Run, archived: tuple[str, dict[str, Ended]]
) -> None:
    """Whoever comes back after weeks still sees how it ended."""
    told = swarm("status")

    assert told.code == 0
    assert archived[0] in told.out


def test_why_and_wait_answer_of_an_archived_run(swarm: Run, archived: tuple[str, dict[str, Ended]]) -> None:
    """It ended, and the exit code is that of its end."""
    assert "landed as cccccccccccc" in swarm("why", "docs", "--run", archived[0]).out
    assert swarm("wait", archived[0]).code == 0


def test_an_archived_run_is_simulated_by_its_recorded_durations(
    swarm: Run, archived: tuple[str, dict[str, Ended]]
) -> None:
    """`simulate --events` needs no Redis that remembers."""
    found = json.loads(swarm("simulate", "--events", archived[0], "--workers", "2", "--json").out)

    assert (found["run"], found["tasks"], found["unmeasured"]) == (archived[0], 2, 0)


def test_an_unknown_run_is_unknown_in_the_archive_too(
    swarm: Run, archived: tuple[str, dict[str, Ended]]
) -> None:
    """A name that nobody has."""
    assert archived[0] != "ffff"

    told = swarm("tasks", "zzzz")

    assert told.code == 2
    assert "no run 'zzzz'" in told.err


@pytest.fixture(params=[True, False], ids=["beside a live run", "alone"])
def _neighbour(
    request: pytest.FixtureRequest, archived: tuple[str, dict[str, Ended]], bench: Workbench, task: Task
) -> None:
    """What Redis has beside the archived run: another one, or nothing."""
    if request.param and archived:
        bench.submit(task("one"))


@pytest.mark.usefixtures("_neighbour")
@pytest.mark.parametrize(
    "words",
    [
        ("retry", "RUN"),
        ("retry", "RUN", "api"),
        ("skip", "RUN", "api"),
        ("cancel", "RUN"),
        ("pause", "RUN"),
        ("resume", "RUN"),
        ("watch", "RUN"),
    ],
    ids=" ".join,
)
def test_steering_an_archived_run_says_where_it_is_and_what_to_do(
    swarm: Run, archived: tuple[str, dict[str, Ended]], folder: Path, words: tuple[str, ...]
) -> None:
    """Not that there is no such run: it is there, but nothing of it can be done any more."""
    run = archived[0]

    told = swarm(*(run[:6] if word == "RUN" else word for word in words), "--json")

    error = json.loads(told.out)["error"]
    assert (told.code, error["code"]) == (2, "SW005")
    assert error["message"] == f"run {run} is archived: Redis has forgotten it"
    assert str(folder / ".swarm" / "runs" / run) in error["hint"]
    assert "`swarm run PLAN`" in error["hint"]


def test_the_latest_run_cannot_be_steered_when_it_is_archived(
    swarm: Run, archived: tuple[str, dict[str, Ended]]
) -> None:
    """Also when it is not named."""
    told = swarm("retry")

    assert told.code == 2
    assert f"run {archived[0]} is archived" in told.err


def test_the_hint_names_the_plan_that_an_archived_run_was_of(
    swarm: Run, archived: tuple[str, dict[str, Ended]], folder: Path
) -> None:
    """Where it was submitted from here, the plan lies beside the archive."""
    plan = folder / ".swarm" / "runs" / archived[0] / "plan.json"
    plan.write_text("[]")

    assert f"`swarm run {plan}`" in swarm("retry", archived[0]).err


def test_a_task_that_is_named_as_an_archived_run_begins_is_found(
    swarm: Run, archived: tuple[str, dict[str, Ended]], bench: Workbench, task: Task
) -> None:
    """What is there goes before what is not."""
    live = bench.submit(task(archived[0][:4]))

    told = swarm("skip", archived[0][:4], "--json")

    assert (json.loads(told.out)["run"], told.code) == (live, 0)


def test_why_goes_to_the_end_of_a_long_chain_in_the_archive(
    swarm: Run, folder: Path, bench: Workbench, task: Task
) -> None:
    """A failure a hundred and more tasks before the one that is asked about."""
    names = [f"t{number}" for number in range(130)]
    run = bench.submit(task("t0"), *(task(name, before) for before, name in pairwise(names)))
    bench.engine.fail(bench.claim(), Failure(FailureKind.TASK_ERROR, "exit code 1", retryable=False))
    Archiver(bench.engine, load_settings(folder)).step()
    assert bench.engine.forget(run)

    links = swarm("why", "t129", "--run", run, "--json").json()

    assert isinstance(links, dict)
    assert any(link["task"] == "t0" and "exit code 1" in link["text"] for link in links["chain"])


def test_what_to_type_next_works_on_a_run_that_redis_has_forgotten(
    swarm: Run, folder: Path, bench: Workbench, task: Task
) -> None:
    """`why`, `status`, `report` and `wait` offer to begin it anew: a retry or a skip would be refused."""
    run = bench.submit(task("api"), task("docs", "api"))
    refused = Failure(FailureKind.POLICY, "not allowed", retryable=False)
    bench.engine.fail(bench.claim(), refused)
    Archiver(bench.engine, load_settings(folder)).step()
    assert bench.engine.forget(run)
    plan = folder / ".swarm" / "runs" / run / "plan.json"
    plan.write_text("[]")

    shown = [swarm(*words).out for words in (("why", "api"), ("why", "docs"), ("status",), ("report",))]
    shown.append(swarm("wait").err)

    for said in shown[:4]:
        assert f"swarm run {plan}" in said
    for said in shown:
        assert "retry" not in said
        assert "skip" not in said
    assert "the run is archived, `swarm run PLAN` begins it anew" in shown[4]
