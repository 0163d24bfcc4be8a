"""`wait` and `watch`: see a run to its end, from elsewhere."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from swarm.engine.claims import Failure
from swarm.plan.model import TaskSpec
from swarm.states import FailureKind

# Any: these are the fixtures' own types, and a test cannot import from its conftest.
Swarm = Callable[..., Any]
Bench = Any
Task = Callable[..., TaskSpec]

FATAL = Failure(FailureKind.TASK_ERROR, "exit code 1", retryable=False)


def test_wait_exits_0_for_a_run_that_is_done(swarm: Swarm, bench: Bench, task: Task) -> None:
    """A CI job goes on."""
    run = bench.submit(task("a"))
    bench.land()

    ended = swarm("wait", run, "--json")

    assert (ended.code, ended.json()["state"]) == (0, "done")


def test_wait_exits_1_for_a_run_that_failed(swarm: Swarm, bench: Bench, task: Task) -> None:
    """A CI job stops."""
    bench.submit(task("a"))
    bench.engine.fail(bench.claim(), FATAL)

    assert swarm("wait").code == 1


def test_wait_exits_7_for_a_run_that_a_limit_stopped(swarm: Swarm, bench: Bench, task: Task) -> None:
    """Money that is gone is no task's failure: whoever raises the limit may go on."""
    bench.submit(task("a"), task("b", "a"))
    bench.engine.fail(bench.claim(), Failure(FailureKind.LIMIT, "no credit left", retryable=False))

    ended = swarm("wait")

    assert ended.code == 7
    assert "no credit left" in ended.err


def test_wait_exits_9_for_a_run_that_waits_for_a_person(swarm: Swarm, bench: Bench, task: Task) -> None:
    """What policy refused is not tried again by itself; `status` and `tasks` list it."""
    run = bench.submit(task("a"), task("b"))
    bench.engine.fail(bench.claim(), Failure(FailureKind.POLICY, "wrote a secret", retryable=False))
    bench.land()

    ended = swarm("wait")

    assert ended.code == 9
    assert "waits for you: a: wrote a secret" in ended.err
    assert [row["id"] for row in swarm("tasks", "--needs-you", "--json").json()] == ["a"]
    assert f"1 task: `swarm tasks {run} --needs-you`, then retry or skip" in swarm("status").out


def test_wait_exits_1_when_a_limit_was_not_all_that_failed(swarm: Swarm, bench: Bench, task: Task) -> None:
    """More money would not mend the rest."""
    bench.submit(task("a"), task("b"))
    bench.engine.fail(bench.claim(), Failure(FailureKind.LIMIT, "no credit left", retryable=False))
    bench.engine.fail(bench.claim(), FATAL)

    assert swarm("wait").code == 1


def test_wait_exits_1_when_a_person_was_not_all_that_was_missing(
    swarm: Swarm, bench: Bench, task: Task
) -> None:
    """A dead letter of crashes beside one that policy refused: the run has failed."""
    run = bench.submit(task("crashes"), task("refused"))
    for _ in range(3):
        crashing = bench.claim()
        assert crashing.task.id == "crashes"
        bench.engine.reclaim_worker("w-1")
    bench.engine.fail(bench.claim(), Failure(FailureKind.POLICY, "wrote a secret"))

    ended = swarm("wait", run)

    assert [row["failure_kind"] for row in swarm("tasks", "--json").json()] == ["crash", "policy"]
    assert ended.code == 1


def test_wait_exits_1_for_a_run_that_was_cancelled_though_it_waited_for_a_person(
    swarm: Swarm, bench: Bench, task: Task
) -> None:
    """That person has spoken."""
    run = bench.submit(task("refused"), task("never"))
    bench.engine.fail(bench.claim(), Failure(FailureKind.POLICY, "wrote a secret"))
    swarm("cancel", run)

    assert swarm("wait", run).code == 1


def test_wait_gives_up_with_exit_8(swarm: Swarm, bench: Bench, task: Task) -> None:
    """Not finished is neither done nor failed."""
    run = bench.submit(task("a"))

    late = swarm("wait", "--timeout", "0.1", "--json")

    assert (late.code, late.json()["error"]["code"], late.json()["error"]["retryable"]) == (8, "SW050", True)
    assert run in late.json()["error"]["message"]


def test_watch_tells_the_story_on_stderr_and_reports_on_stdout(
    swarm: Swarm, bench: Bench, task: Task
) -> None:
    """Without a terminal, one line an event: a CI log reads as a story."""
    run = bench.submit(task("a"))
    landing = threading.Timer(0.3, bench.land)
    landing.start()

    ended = swarm("watch")

    landing.join()
    told = [line.partition("  ")[2] for line in ended.err.splitlines()]
    assert told[-5:] == [
        "a taken by w-1",
        "a handed in by w-1",
        "a is being merged and gated",
        f"a landed as {'c' * 12}",
        "the run ended: done",
    ]
    assert (ended.code, ended.out.splitlines()[0]) == (0, f"run {run}  done  Open the shop")


def test_watch_with_json_prints_the_report_alone(swarm: Swarm, bench: Bench, task: Task) -> None:
    """A program gets one document."""
    run = bench.submit(task("a"))
    bench.land()

    ended = swarm("watch", "--json")

    assert (ended.json()["run"], ended.json()["clean"], ended.err) == (run, True, "")


def test_watch_names_the_gate_that_was_red_before_any_work(
    swarm: Swarm, bench: Bench, task: Task, folder: Path
) -> None:
    """As the report does: whoever followed a run from elsewhere needs to know as well."""
    run = bench.submit(task("a"))
    bench.land()
    kept = folder / ".swarm" / "runs" / run / "base.json"
    kept.parent.mkdir(parents=True)
    kept.write_text(json.dumps({"commit": "b" * 40, "red": "lib: exit code 1"}))

    ended = swarm("watch", "--json")

    assert ended.json()["red_on_base"] == "lib: exit code 1"
