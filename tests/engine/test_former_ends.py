"""What a task's former end has left behind when a person has decided otherwise."""

from collections.abc import Callable

import pytest
from one_worker import claim

from swarm.engine.claims import Failure, WorkerProfile
from swarm.engine.engine import Engine
from swarm.engine.records import TaskRecord
from swarm.engine.snapshot import take_snapshot
from swarm.observe.report import build_report
from swarm.states import FailureKind
from swarm.testing.plans import BASE, make_plan, make_task

FATAL = Failure(FailureKind.TASK_ERROR, "exit code 1", retryable=False)
PASSING = Failure(FailureKind.GATE_FAILED, "exit code 2")


def told(record: TaskRecord) -> tuple[str, str]:
    """What is said to be wrong with a task."""
    return record.failure_kind, record.failure_reason


def reported_s(engine: Engine, run: str, task: str) -> float:
    """How long its last attempt took, as the report has it."""
    report = build_report(take_snapshot(engine, run))
    return next(row.duration_s for row in report.tasks if row.id == task)


def send_back(engine: Engine) -> None:
    """An attempt is handed in, and its gate is red: the task is in backoff."""
    held = claim(engine)
    engine.start(held)
    engine.hand_in(held, commit="a" * 40)
    [ticket] = engine.begin_merge("supervisor-1")
    engine.send_back(ticket, PASSING)


def test_a_skipped_task_is_not_told_as_failed(engine: Engine) -> None:
    """Why it had failed is history, and it takes no time."""
    run = engine.submit(make_plan("t"), base=BASE)
    engine.fail(claim(engine), FATAL)

    engine.skip(run, "t")

    skipped = engine.task(run, "t")
    assert told(skipped) == ("", "")
    assert [one.message for one in skipped.history] == ["exit code 1"]
    assert (skipped.claimed_ms, reported_s(engine, run, "t")) == (0, 0.0)


@pytest.mark.parametrize("order", [Engine.cancel, Engine.skip])
def test_a_task_that_ends_in_backoff_is_told_by_its_own_end(
    engine: Engine, order: Callable[[Engine, str, str], object]
) -> None:
    """Neither why an earlier attempt failed nor when it began is about a person's order."""
    run = engine.submit(make_plan("t"), base=BASE)
    send_back(engine)

    order(engine, run, "t")

    ended = engine.task(run, "t")
    assert told(ended) == ("", "")
    assert (ended.claimed_ms, ended.started_ms, ended.handed_in_ms, ended.merge_begun_ms) == (0, 0, 0, 0)
    assert ended.ended_ms > 0
    assert reported_s(engine, run, "t") == 0.0
    assert [one.message for one in ended.history] == ["exit code 2"]


def test_a_task_that_is_taken_from_its_worker_keeps_what_that_took(engine: Engine) -> None:
    """It ends with its attempt, which is the last."""
    run = engine.submit(make_plan("t"), base=BASE)
    engine.start(claim(engine))

    engine.cancel(run, "t")

    ended = engine.task(run, "t")
    assert (ended.worker_id, ended.claimed_ms > 0) == ("worker-a", True)


def test_what_is_skipped_after_its_run_was_called_off_is_not_told_as_called_off(engine: Engine) -> None:
    """The run went on without it because a person said so."""
    run = engine.submit(make_plan("bad", "good"), base=BASE, fail_fast=True)
    engine.fail(claim(engine), FATAL)
    assert engine.task(run, "good").failure_reason

    engine.skip(run, "good")

    assert told(engine.task(run, "good")) == ("", "")


def test_a_task_that_ends_while_parked_waits_anew_when_it_is_retried(engine: Engine) -> None:
    """What it waited for in between was no lock."""
    plan = make_plan(make_task("holder", files=["a.py"]), make_task("late", files=["a.py"]))
    run = engine.submit(plan, base=BASE)
    claim(engine)
    assert engine.claim(WorkerProfile("worker-b"), "other-1") is None
    assert engine.task(run, "late").parked_ms > 0

    engine.cancel(run, "late")

    assert engine.task(run, "late").parked_ms == 0
