"""Failure policies: what becomes of the rest of a run when a task fails for good."""

import pytest
from one_worker import WORKER, claim, states

from swarm.engine.claims import Fail, Failure, Finish
from swarm.engine.engine import Engine
from swarm.errors import RunCancelledError
from swarm.models.usage import Usage
from swarm.observe.story import tell_event
from swarm.plan.model import Plan
from swarm.states import FailureKind, RunState
from swarm.testing.plans import BASE, make_plan, make_task

FATAL = Failure(FailureKind.TASK_ERROR, "exit code 1", retryable=False)


def plan() -> Plan:
    """One that fails, one below it, two beside it, one below those."""
    return make_plan(
        make_task("bad", estimate_s=9),
        make_task("below", after=["bad"]),
        make_task("held", files=["a"], estimate_s=8),
        make_task("ready", files=["a"]),
        make_task("later", after=["held"]),
    )


def test_by_default_what_can_go_on_goes_on(engine: Engine) -> None:
    """A failure takes only its dependents along."""
    run = engine.submit(plan(), base=BASE)

    engine.fail(claim(engine), FATAL)

    assert states(engine, run) == {
        "bad": "failed",
        "below": "upstream_failed",
        "held": "queued",
        "ready": "queued",
        "later": "pending",
    }
    assert not engine.run(run).is_fail_fast


def test_a_run_that_fails_fast_calls_off_the_rest(engine: Engine) -> None:
    """Also what is being worked on: its locks are free, its worker is told, and the reason is kept."""
    run = engine.submit(plan(), base=BASE, fail_fast=True)
    bad, held = claim(engine, 1), claim(engine, 2)

    engine.fail(bad, FATAL)

    assert states(engine, run) == {
        "bad": "failed",
        "below": "upstream_failed",
        "held": "cancelled",
        "ready": "cancelled",
        "later": "cancelled",
    }
    assert (engine.run(run).state, engine.run(run).is_fail_fast) == (RunState.FAILED, True)
    assert engine.locks() == []
    assert engine.task(run, "held").failure_reason == "the run stops at its first failure: bad"
    told = next(event for event in engine.events() if event.kind == "task_cancelled")
    assert tell_event(told) == f"{told.task} was cancelled: the run stops at its first failure: bad"
    with pytest.raises(RunCancelledError):
        engine.start(held)


def test_a_failure_that_is_tried_again_stops_nothing(engine: Engine) -> None:
    """Only what fails for good does."""
    run = engine.submit(plan(), base=BASE, fail_fast=True)

    engine.fail(claim(engine), Failure(FailureKind.TASK_ERROR, "exit code 1"))

    assert set(states(engine, run).values()) == {"queued", "pending"}


def test_what_was_called_off_comes_back_with_a_retry(engine: Engine) -> None:
    """And the next failure stops the run again."""
    run = engine.submit(plan(), base=BASE, fail_fast=True)
    engine.fail(claim(engine, 1), FATAL)

    moved = engine.retry(run)
    again = states(engine, run)
    engine.fail(claim(engine, 2), FATAL)

    assert moved == 5
    assert again == {
        "bad": "queued",
        "below": "pending",
        "held": "queued",
        "ready": "queued",
        "later": "pending",
    }
    assert states(engine, run)["later"] == "cancelled"


def test_what_was_called_off_comes_back_with_what_failed(engine: Engine) -> None:
    """Nobody cancelled it; what a person did cancel stays, also after the run was stopped."""
    run = engine.submit(
        make_plan(*plan().tasks, "unwanted", make_task("after-both", after=["bad", "later"])),
        base=BASE,
        fail_fast=True,
    )
    engine.cancel(run, "unwanted")
    engine.fail(claim(engine, 1), FATAL)

    moved = engine.retry_failed(run)

    assert moved == 6
    assert states(engine, run) == {
        "bad": "queued",
        "below": "pending",
        "held": "queued",
        "ready": "queued",
        "later": "pending",
        "unwanted": "cancelled",
        "after-both": "pending",
    }
    assert engine.run(run).state is RunState.ACTIVE


def test_a_person_may_cancel_what_came_back(engine: Engine) -> None:
    """It is no longer what its run called off."""
    run = engine.submit(plan(), base=BASE, fail_fast=True)
    engine.fail(claim(engine, 1), FATAL)
    engine.retry_failed(run)
    engine.cancel(run, "ready")
    engine.fail(claim(engine, 2), FATAL)

    engine.retry_failed(run)

    assert states(engine, run)["ready"] == "cancelled"
    assert states(engine, run)["held"] == "queued"


@pytest.mark.parametrize("how", ["all", "failed", "task"])
def test_a_retry_is_not_undone_by_what_was_left_over(engine: Engine, how: str) -> None:
    """The worker died between its failure and the calling off, and a person was faster than the reaper."""
    run = engine.submit(plan(), base=BASE, fail_fast=True)
    engine._end(claim(engine), Fail(FATAL), Usage())  # and does not go on with what that left

    if how == "failed":
        engine.retry_failed(run)
    else:
        engine.retry(run, "bad" if how == "task" else "")
    engine.reclaim_expired()

    assert states(engine, run) == {
        "bad": "queued",
        "below": "pending",
        "held": "queued",
        "ready": "queued",
        "later": "pending",
    }


def test_what_was_left_over_still_calls_off_where_nobody_retried(engine: Engine) -> None:
    """The reaper does what the worker that died left."""
    run = engine.submit(plan(), base=BASE, fail_fast=True)
    engine._end(claim(engine), Fail(FATAL), Usage())

    engine.reclaim_expired()

    assert states(engine, run)["ready"] == "cancelled"


def test_a_large_run_is_called_off_in_parts(engine: Engine) -> None:
    """Whoever ends the task that failed does what is left over."""
    run = engine.submit(make_plan(*(f"t{number}" for number in range(400))), base=BASE, fail_fast=True)
    first = claim(engine, 1)

    engine.fail(first, FATAL)

    assert set(states(engine, run).values()) == {"failed", "cancelled"}
    assert engine.run(run).state is RunState.FAILED


def test_a_submission_again_changes_no_policy(engine: Engine) -> None:
    """A run that is known keeps what it was submitted with."""
    run = engine.submit(plan(), base=BASE)

    engine.submit(plan(), base=BASE, fail_fast=True)
    engine._caller.call("fail_fast", run, "1")  # as of a submitter that is late

    assert not engine.run(run).is_fail_fast


def test_a_run_that_fails_nowhere_is_not_touched(engine: Engine) -> None:
    """The policy costs a plan that succeeds nothing."""
    run = engine.submit(make_plan("a", make_task("b", after=["a"])), base=BASE, fail_fast=True)

    following = engine.end_and_claim(claim(engine), Finish(), WORKER, "claim-2")
    assert following is not None
    engine.finish(following)

    assert engine.run(run).state is RunState.DONE


def test_the_failure_that_stops_a_run_is_not_answered_with_a_task_of_it(engine: Engine) -> None:
    """Handing in a failure and claiming are one call, and the rest is called off only after it."""
    run = engine.submit(plan(), base=BASE, fail_fast=True)
    bad = claim(engine, 1)

    following = engine.end_and_claim(bad, Fail(FATAL), WORKER, "claim-2")

    assert following is None
    assert "task_claimed" not in [event.kind for event in engine.events(after=_failed_at(engine))]
    assert engine.run(run).state is RunState.FAILED


def test_nothing_of_a_run_that_stops_is_given_out_before_it_is_called_off(engine: Engine) -> None:
    """The worker whose task failed died before it called off the rest: others may finish, and no more."""
    engine.submit(plan(), base=BASE, fail_fast=True)
    bad, held = claim(engine, 1), claim(engine, 2)
    engine._end(bad, Fail(FATAL), Usage())

    assert engine.claim(WORKER, "claim-3") is None
    assert engine.end_and_claim(held, Finish(), WORKER, "claim-4") is None


def test_what_comes_back_while_a_run_is_called_off_is_given_out_after_it(engine: Engine) -> None:
    """A person skips the failed task while pages are left: what revives behind the walk must not wedge."""
    tasks = [make_task("bad", estimate_s=9), make_task("below", after=["bad"])]
    run = engine.submit(make_plan(*tasks, *(f"t{n}" for n in range(200))), base=BASE, fail_fast=True)
    engine._end(claim(engine, 1), Fail(FATAL), Usage())
    engine._caller.call("work", engine._caller.new_op())

    engine.skip(run, "bad")
    found = engine.claim(WORKER, "claim-2")

    assert found is not None
    assert found.task.id == "below"


def test_a_second_failure_calls_off_what_a_retry_brought_back(engine: Engine) -> None:
    """The walk that the first left over and that of the second both end; neither ends the other."""
    run = engine.submit(make_plan(*(f"t{n}" for n in range(400))), base=BASE, fail_fast=True)
    engine._end(claim(engine, 1), Fail(FATAL), Usage())
    engine._caller.call("retry", run, "t0", "person:1", "")
    while (again := engine.claim(WORKER, "claim-2")) is None:
        engine._caller.call("work", engine._caller.new_op())
    engine._end(again, Fail(FATAL), Usage())
    engine.reclaim_expired()

    assert set(states(engine, run).values()) == {"failed", "cancelled"}


def _failed_at(engine: Engine) -> str:
    return next(event.id for event in engine.events() if event.kind == "task_failed")


def test_what_waits_for_approval_calls_nothing_off(engine: Engine) -> None:
    """Nothing was found wrong with it: the rest of a run that fails fast goes on."""
    run = engine.submit(plan(), base=BASE, fail_fast=True)

    engine.fail(claim(engine), Failure(FailureKind.APPROVAL, "changes uv.lock", retryable=False))

    assert states(engine, run) == {
        "bad": "failed",
        "below": "upstream_failed",
        "held": "queued",
        "ready": "queued",
        "later": "pending",
    }
