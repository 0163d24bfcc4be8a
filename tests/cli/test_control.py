"""`cancel`, `retry`, `skip`: act on a run without running it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from swarm.engine.claims import Failure
from swarm.plan.model import Plan, TaskSpec
from swarm.states import FailureKind

ROOT = Path(__file__).parents[2]

# Any: these are the fixtures' own types, and a test cannot import from its conftest.
Swarm = Callable[..., Any]
Bench = Any
Task = Callable[..., TaskSpec]

FATAL = Failure(FailureKind.TASK_ERROR, "exit code 1", retryable=False)


def test_cancel_stops_what_has_not_ended(swarm: Swarm, bench: Bench, task: Task) -> None:
    """What has landed stays landed."""
    run = bench.submit(task("a"), task("b", "a"), task("c", "b"))
    bench.land()

    data = swarm("cancel", "--json").json()

    assert data == {"run": run, "task": None, "cancelled": 2, "state": "cancelled"}
    states = {row["id"]: row["state"] for row in swarm("tasks", "--json").json()}
    assert states == {"a": "done", "b": "cancelled", "c": "cancelled"}


def test_cancel_of_one_task_takes_its_dependents_along(swarm: Swarm, bench: Bench, task: Task) -> None:
    """The rest of the run goes on."""
    bench.submit(task("a"), task("b", "a"), task("c"))

    data = swarm("cancel", "--task", "a", "--json").json()

    assert (data["task"], data["cancelled"], data["state"]) == ("a", 2, "active")


def test_retry_queues_what_failed_and_says_when_nobody_is_there_to_do_it(
    swarm: Swarm, bench: Bench, task: Task
) -> None:
    """The next step is printed where it is needed."""
    run = bench.submit(task("a"), task("b", "a"))
    bench.engine.fail(bench.claim(), FATAL)

    again = swarm("retry")

    assert again.out == f"2 tasks of run {run} will be tried again\n"
    assert again.err == f"no worker is alive: `swarm run --resume {run}` starts some\n"
    assert swarm("status", "--json").json()["run"]["interventions"] == 1


def test_skip_goes_on_without_a_task(swarm: Swarm, bench: Bench, task: Task) -> None:
    """What failed because of it comes back, and the next step is printed where it is needed."""
    run = bench.submit(task("a"), task("b", "a"))
    bench.engine.fail(bench.claim(), FATAL)

    skipped = swarm("skip", "latest", "a")

    assert skipped.out == f"run {run} goes on without a\n"
    assert skipped.err == f"no worker is alive: `swarm run --resume {run}` starts some\n"
    states = {row["id"]: row["state"] for row in swarm("tasks", "--json").json()}
    assert states == {"a": "skipped", "b": "queued"}
    again = swarm("skip", run, "a", "--json").json()
    assert again == {"run": run, "task": "a", "skipped": False, "state": "active"}


def test_skip_in_a_run_that_has_ended_does_not_say_that_it_goes_on(
    swarm: Swarm, bench: Bench, task: Task
) -> None:
    """It has ended before, or with the task that is skipped."""
    ended = bench.submit(task("a"), task("b"), key="ended")
    bench.engine.cancel(ended)
    last = bench.submit(task("a"), key="last")

    assert swarm("skip", ended, "a").out == f"run {ended} has ended (cancelled); a is skipped\n"
    assert swarm("skip", last, "a").out == f"run {last} has ended (done); a is skipped\n"


def test_a_retry_that_moves_nothing_says_where_the_task_is(swarm: Swarm, bench: Bench, task: Task) -> None:
    """And what works, if anything does."""
    run = bench.submit(task("a"), task("b", "a"), task("c", "b"))
    bench.land()
    bench.claim()

    done, running, waiting = (swarm("retry", run, name, "--fresh") for name in ("a", "b", "c"))

    assert (done.code, done.out) == (0, f"0 tasks of run {run} will be tried again\n")
    assert done.err == "a is done, and stays so; the same plan with another --key is done anew\n"
    assert running.err == (
        f"b is running: `swarm why b --run {run}` says more; "
        f"`swarm cancel {run} --task b`, then `swarm retry {run} b --fresh` begins it anew\n"
    )
    assert waiting.err == f"c is pending: `swarm why c --run {run}` says more\n"


def test_a_retry_of_an_expanded_task_says_how_to_begin_it_anew(
    swarm: Swarm, bench: Bench, task: Task
) -> None:
    """Its parts are at work; what is said does what it says."""
    run = bench.submit(task("exp", files=()))
    bench.engine.expand(bench.claim(), Plan((task("x", files=()), task("y", files=()))))

    refused = swarm("retry", run, "exp", "--fresh")
    swarm("cancel", run, "--task", "exp")
    again = swarm("retry", run, "exp", "--fresh", "--json").json()

    assert refused.err == (
        "exp is pending: it was expanded into 2 tasks, and waits for 2 of them; "
        f"`swarm cancel {run} --task exp`, then `swarm retry {run} exp --fresh` begins it anew, "
        "without them\n"
    )
    assert again["queued"] > 0
    record = bench.engine.task(run, "exp")
    assert (record.state, record.join) == ("queued", ())


def test_a_retry_of_two_tasks_is_refused(swarm: Swarm, bench: Bench, task: Task) -> None:
    """Neither is tried, rather than one of them in silence."""
    run = bench.submit(task("a"), task("b"))
    for _ in range(2):
        bench.engine.fail(bench.claim(), FATAL)

    refused = swarm("retry", run, "a", "--task", "b")

    assert (refused.code, refused.err.splitlines()[0]) == (2, "error[SW001]: two tasks: 'a' and --task 'b'")
    assert {str(one.state) for one in bench.engine.tasks(run)} == {"failed"}


def test_retry_of_failures_leaves_what_was_cancelled(swarm: Swarm, bench: Bench, task: Task) -> None:
    """A person meant it."""
    bench.submit(task("a"), task("b"))
    bench.engine.fail(bench.claim(), FATAL)
    swarm("cancel", "--task", "b")

    assert swarm("retry", "--failed", "--json").json()["queued"] == 1
    states = {row["id"]: row["state"] for row in swarm("tasks", "--json").json()}
    assert states == {"a": "queued", "b": "cancelled"}


def test_retry_takes_its_task_as_a_word_too(swarm: Swarm, bench: Bench, task: Task) -> None:
    """`swarm retry RUN TASK --fresh`, as `swarm skip RUN TASK`."""
    run = bench.submit(task("a"))
    bench.engine.fail(bench.claim(), FATAL)

    data = swarm("retry", run, "a", "--fresh", "--json").json()

    assert (data["task"], data["queued"]) == ("a", 1)
    assert bench.claim().fresh_after == 1


@pytest.mark.parametrize("words", [("retry", "api", "--fresh"), ("retry", "ap"), ("skip", "api")])
def test_a_word_alone_is_a_task_of_the_latest_run(
    swarm: Swarm, bench: Bench, task: Task, words: tuple[str, ...]
) -> None:
    """As in `swarm why TASK`."""
    run = bench.submit(task("api"), task("z"))
    bench.engine.fail(bench.claim(), FATAL)

    ended = swarm(*words, "--json")

    assert (ended.code, ended.json()["run"], ended.json()["task"]) == (0, run, "api")


def test_a_word_alone_that_begins_a_run_is_the_run(swarm: Swarm, bench: Bench, task: Task) -> None:
    """Where a run can be meant; with --fresh only a task can."""
    run = bench.submit(task("api"))
    bench.engine.fail(bench.claim(), FATAL)

    fresh, skipped = swarm("retry", run, "--fresh"), swarm("skip", run)

    assert swarm("retry", run, "--json").json() == {"run": run, "task": None, "queued": 1, "state": "active"}
    assert (fresh.code, skipped.code, swarm("skip", run, "api", "x").code) == (2, 2, 2)
    assert f"run {run} has no task {run!r}" in fresh.err
    assert f"has no task {run!r}" in skipped.err


def test_retry_refuses_what_makes_no_sense_together(swarm: Swarm, bench: Bench, task: Task) -> None:
    """Each with its next step."""
    bench.submit(task("a"))

    fresh, failed = swarm("retry", "--fresh"), swarm("retry", "latest", "a", "--failed")

    assert (fresh.code, failed.code) == (2, 2)
    assert "`swarm retry [RUN] TASK --fresh`" in fresh.err
    assert "leave out either" in failed.err


def test_the_report_counts_the_workers_time_of_every_attempt(swarm: Swarm, bench: Bench, task: Task) -> None:
    """An attempt that was put back took its worker's time all the same."""
    bench.submit(task("a"))
    claim = bench.claim()
    released_after_ms = bench.engine.now_ms() + 50
    while bench.engine.now_ms() < released_after_ms:
        pass
    bench.engine.release(claim, reason="drain")
    bench.land()

    report, (row,) = swarm("report", "--json").json(), swarm("tasks", "--json").json()

    assert row["busy_ms"] >= 50 + row["handed_in_ms"] - row["claimed_ms"]
    assert report["tasks"][0]["worker"] == "w-1"


def test_a_type_that_no_task_can_have_is_refused(swarm: Swarm) -> None:
    """A list with blanks in it would serve nothing, silently."""
    refused, tags = swarm("worker", "--types", "docs, frontend"), swarm("worker", "--tags", "*")

    assert (refused.code, tags.code) == (2, 2)
    assert "--tags: no task can have the tag '*'" in tags.err
    assert "--types: no task can have the type ' frontend'" in refused.err


def test_a_worker_of_a_type_that_nothing_has_says_so(bench: Bench, task: Task, folder: Path) -> None:
    """It may be early, so it starts; it may be a slip, so it says what is known."""
    bench.submit(task("a", kind="docs"))
    process = subprocess.Popen(
        [sys.executable, "-m", "swarm", "-C", str(folder), "worker", "--types", "dosc"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None

    said = process.stderr.readline()

    process.terminate()
    process.communicate(timeout=30)
    assert said == "warning: --types: no task of type 'dosc' was ever submitted; known here: docs\n"


@pytest.mark.parametrize(
    "words",
    [
        ("cancel", "latest", "--task", ""),
        ("cancel", ""),
        ("retry", "latest", "--task", ""),
        ("retry", ""),
        ("skip", "latest", ""),
        ("skip", ""),
        ("pause", ""),
        ("why", ""),
        ("status", ""),
    ],
)
def test_an_empty_name_is_refused_and_not_taken_for_all(
    swarm: Swarm, bench: Bench, task: Task, words: tuple[str, ...]
) -> None:
    """A script whose variable is not set must not cancel a whole run."""
    bench.submit(task("a"))

    done = swarm(*words)

    assert done.code == 2
    assert "is empty" in done.err
    assert swarm("tasks", "--json").json()[0]["state"] == "queued"
