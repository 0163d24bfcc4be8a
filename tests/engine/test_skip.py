"""`skip`: a person says to go on without a task."""

import pytest
from one_worker import claim, states

from swarm.engine.claims import Failure
from swarm.engine.engine import Engine
from swarm.engine.store import Store
from swarm.errors import RefusedError, StaleTokenError
from swarm.plan.model import Plan
from swarm.states import FailureKind, RunState, TaskState
from swarm.testing.engines import make_engine
from swarm.testing.plans import BASE, make_plan, make_task

FATAL = Failure(FailureKind.TASK_ERROR, "exit code 1", retryable=False)


def chain() -> Plan:
    """Three tasks, each after the one before."""
    return make_plan("first", make_task("middle", after=["first"]), make_task("last", after=["middle"]))


def test_dependents_of_a_skipped_task_go_on(engine: Engine) -> None:
    """They count it as done; it is an intervention of a person."""
    run = engine.submit(chain(), base=BASE)

    assert engine.skip(run, "first")

    assert states(engine, run) == {"first": "skipped", "middle": "queued", "last": "pending"}
    assert engine.run(run).interventions == 1


def test_skipping_a_pending_task_keeps_its_dependents_waiting_for_nothing_else(engine: Engine) -> None:
    """A dependent that waits for nothing but the skipped one starts before the skipped one's dependency."""
    run = engine.submit(chain(), base=BASE)

    engine.skip(run, "middle")

    assert states(engine, run) == {"first": "queued", "middle": "skipped", "last": "queued"}


def test_skipping_what_failed_brings_back_what_failed_because_of_it(engine: Engine) -> None:
    """A run that had ended goes on, and nobody has to look at the skipped task any more."""
    run = engine.submit(chain(), base=BASE)
    engine.fail(claim(engine), FATAL)
    assert engine.run(run).state is RunState.FAILED

    engine.skip(run, "first")

    assert states(engine, run) == {"first": "skipped", "middle": "queued", "last": "pending"}
    assert engine.run(run).state is RunState.ACTIVE
    assert not engine.task(run, "first").needs_person
    assert engine.depth("dead") == 0


def test_a_run_whose_only_failure_is_skipped_is_done(engine: Engine) -> None:
    """Nothing is left of it to do, and nothing to hold against it."""
    run = engine.submit(make_plan("only"), base=BASE)
    engine.fail(claim(engine), FATAL)

    engine.skip(run, "only")

    assert engine.run(run).state is RunState.DONE


def test_another_failure_still_blocks_a_common_dependent(engine: Engine) -> None:
    """Skipping one of two failed dependencies is not enough."""
    run = engine.submit(make_plan("a", "b", make_task("both", after=["a", "b"])), base=BASE)
    for number in range(2):
        engine.fail(claim(engine, number), FATAL)

    engine.skip(run, "a")
    assert states(engine, run)["both"] == "upstream_failed"
    engine.skip(run, "b")

    assert states(engine, run)["both"] == "queued"


def test_whoever_runs_a_skipped_task_loses_it(engine: Engine) -> None:
    """Its token is void and its locks are free."""
    run = engine.submit(make_plan(make_task("a", files=["x.py"]), make_task("b", files=["x.py"])), base=BASE)
    held = claim(engine)

    engine.skip(run, held.task.id)

    with pytest.raises(StaleTokenError):
        engine.renew(held)
    assert claim(engine, 2).task.id == "b"


def test_retry_of_a_run_leaves_a_skipped_task_alone(engine: Engine) -> None:
    """A person has decided; only naming the task takes that back."""
    run = engine.submit(make_plan("a", make_task("b", after=["a"])), base=BASE)
    engine.fail(claim(engine), FATAL)
    engine.skip(run, "a")

    engine.cancel(run)
    engine.retry(run)

    assert states(engine, run) == {"a": "skipped", "b": "queued"}


def test_a_skipped_task_that_is_retried_by_name_holds_nobody_up(engine: Engine) -> None:
    """Its dependents have gone on, are not triggered again by its end, and do not fail with it."""
    run = engine.submit(make_plan("a", "z", make_task("b", after=["a", "z"])), base=BASE)
    engine.skip(run, "a")

    engine.retry(run, "a")
    for number in range(2):
        held = claim(engine, number)
        if held.task.id == "a":
            engine.fail(held, FATAL)
        else:
            engine.finish(held)

    assert states(engine, run) == {"a": "failed", "z": "done", "b": "queued"}


def test_a_retried_task_that_succeeds_is_counted_once(engine: Engine) -> None:
    """A dependent that waits for another task as well still waits for it."""
    run = engine.submit(make_plan("a", "z", make_task("b", after=["a", "z"])), base=BASE)
    engine.skip(run, "a")
    engine.retry(run, "a")

    held = claim(engine)
    while held.task.id != "a":
        engine.skip(run, held.task.id)
        held = claim(engine, 2)
    engine.finish(held)

    assert engine.task(run, "b").state is (
        TaskState.QUEUED if engine.task(run, "z").state is TaskState.SKIPPED else TaskState.PENDING
    )


def test_more_dependents_than_one_call_may_touch_all_go_on(engine: Engine) -> None:
    """What does not fit into the script is done by the work that it leaves."""
    fan = [make_task(f"t{number}", after=["root"]) for number in range(400)]
    run = engine.submit(make_plan("root", *fan), base=BASE)
    engine.fail(claim(engine), FATAL)

    engine.skip(run, "root")

    assert engine.run(run).counts[TaskState.QUEUED] == 400


def test_what_is_done_cannot_be_skipped(engine: Engine) -> None:
    """What has landed stays landed; saying it twice changes nothing."""
    run = engine.submit(make_plan("a", "b"), base=BASE)
    engine.finish(claim(engine))
    other = claim(engine, 2)

    assert not engine.skip(run, "a")
    assert engine.skip(run, other.task.id)
    assert not engine.skip(run, other.task.id)

    assert engine.run(run).interventions == 1


def test_nothing_is_skipped_while_the_plan_is_being_stored(store: Store) -> None:
    """Dependents that are not there yet could not be told."""
    loading = make_engine(store)
    caller = loading._caller
    caller.call("open_run", "r", "", "b", BASE, "", "2", 1)
    caller.call(
        "submit", "r", 0, 0, "a", '{"id":"a","description":"d"}', *["command"] * 2, 1, "", 1, 0, "", ""
    )

    with pytest.raises(RefusedError):
        loading.skip("r", "a")
