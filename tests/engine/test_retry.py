"""`retry`: all of a run, only what failed, or one task as if it had never been tried."""

import pytest
from one_worker import claim, states

from swarm.engine.claims import Failure, WorkerProfile
from swarm.engine.engine import Engine
from swarm.states import TERMINAL, FailureKind, RunState, TaskState
from swarm.testing.plans import BASE, make_plan, make_task

FATAL = Failure(FailureKind.TASK_ERROR, "exit code 1", evidence="red", retryable=False)


def test_only_what_failed_comes_back_with_what_it_doomed(engine: Engine) -> None:
    """What a person cancelled stays cancelled, and so does what waits for it."""
    plan = make_plan(
        "bad",
        "unwanted",
        make_task("after-bad", after=["bad"]),
        make_task("after-that", after=["after-bad"]),
        make_task("after-unwanted", after=["unwanted"]),
    )
    run = engine.submit(plan, base=BASE)
    engine.cancel(run, "unwanted")
    engine.fail(claim(engine), FATAL)
    assert engine.run(run).state is RunState.FAILED

    moved = engine.retry_failed(run)

    assert moved == 3
    assert states(engine, run) == {
        "bad": "queued",
        "unwanted": "cancelled",
        "after-bad": "pending",
        "after-that": "pending",
        "after-unwanted": "cancelled",
    }
    assert engine.run(run).state is RunState.ACTIVE


def test_what_waits_for_two_failed_tasks_comes_back_with_both(engine: Engine) -> None:
    """Neither of the two alone would have been enough."""
    run = engine.submit(make_plan("a", "b", make_task("both", after=["a", "b"])), base=BASE)
    for number in range(2):
        engine.fail(claim(engine, number), FATAL)

    engine.retry_failed(run)

    assert states(engine, run) == {"a": "queued", "b": "queued", "both": "pending"}


def test_what_also_waits_for_a_cancelled_task_stays_where_it_is(engine: Engine) -> None:
    """Otherwise it would wait for ever."""
    run = engine.submit(make_plan("bad", "unwanted", make_task("both", after=["bad", "unwanted"])), base=BASE)
    held = {(one := claim(engine, number)).task.id: one for number in range(2)}
    engine.fail(held["bad"], FATAL)
    engine.cancel(run, "unwanted")

    engine.retry_failed(run)

    assert states(engine, run) == {"bad": "queued", "unwanted": "cancelled", "both": "upstream_failed"}


def test_more_failures_than_one_call_may_touch_all_come_back(engine: Engine) -> None:
    """The rest of the run is looked at as work left over."""
    run = engine.submit(make_plan(*(f"t{number}" for number in range(320))), base=BASE)
    for number in range(320):
        engine.fail(claim(engine, number), FATAL)

    assert engine.retry_failed(run) == 320


def test_a_fresh_retry_forgets_what_was_tried(engine: Engine) -> None:
    """The next claim brings no evidence and says which attempts are not to be gone on with."""
    run = engine.submit(make_plan("t"), base=BASE)
    engine.fail(claim(engine), FATAL)

    engine.retry(run, "t", fresh=True)

    again, repeated = claim(engine, 2), claim(engine, 2)
    assert (again.attempt, again.fresh_after, again.evidence) == (2, 1, "")
    assert (repeated.token, repeated.fresh_after) == (again.token, 1)


def test_a_plain_retry_goes_on_where_the_last_attempt_ended(engine: Engine) -> None:
    """Its evidence helps, and a durable attempt is not done again."""
    run = engine.submit(make_plan("t"), base=BASE)
    engine.fail(claim(engine), FATAL)

    engine.retry(run, "t")

    again = claim(engine, 2)
    assert (again.attempt, again.fresh_after, again.evidence) == (2, 0, "red")


def test_everything_comes_back_with_the_one_failure_behind_it(engine: Engine) -> None:
    """Where many ways lead from the failed task to another, all that waits for none other comes back."""
    layers = [[f"l{layer}-{n}" for n in range(5)] for layer in range(8)]
    plan = make_plan(
        *layers[0],
        *(
            make_task(name, after=[layers[place][n], layers[place // 2][(n + 1) % 5]])
            for place, layer in enumerate(layers[1:])
            for n, name in enumerate(layer)
        ),
    )
    run = engine.submit(plan, base=BASE)
    engine.fail(claim(engine), FATAL)
    doomed = engine.run(run).counts[TaskState.UPSTREAM_FAILED]
    assert doomed > 10

    assert engine.retry_failed(run) == doomed + 1

    assert engine.run(run).counts[TaskState.UPSTREAM_FAILED] == 0


def cut_short(engine: Engine, verb: str, run: str, task: str = "", how: str = "") -> None:
    """An order whose giver was killed before it had done what the script left over."""
    engine._caller.call(verb, run, task, engine._caller.new_op(), *([how] if verb == "retry" else []))


def great_failure(engine: Engine) -> str:
    """A run that failed as a whole, with more in it than one script brings back."""
    layer = [
        make_task(f"t{n}", after=["bad", *(f"t{m}" for m in range(max(0, n - 30), n))]) for n in range(150)
    ]
    last = [f"f{n}" for n in range(100)]
    run = engine.submit(make_plan("bad", *layer, *last), base=BASE)
    for _ in range(101):
        engine.fail(claim(engine), FATAL)
    return run


@pytest.mark.parametrize(("task", "how"), [("", ""), ("", "failed"), ("bad", "")])
def test_a_run_that_is_cancelled_stays_so_whatever_a_retry_left_over(
    engine: Engine, task: str, how: str
) -> None:
    """Cancelled in the middle of the retry, by somebody else."""
    run = great_failure(engine)
    cut_short(engine, "retry", run, task, how)
    cut_short(engine, "cancel", run)

    engine.reclaim_expired()

    record = engine.run(run)
    assert record.state is RunState.CANCELLED
    assert not {state for state, count in record.counts.items() if count} - TERMINAL
    assert engine.claim(WorkerProfile("w"), "next") is None


def test_a_task_that_is_cancelled_stays_so_whatever_a_retry_left_over(engine: Engine) -> None:
    """Its dependents neither: they were not called off by the person, and wait for nothing that comes."""
    run = engine.submit(make_plan("a", make_task("b", after=["a"])), base=BASE)
    engine.fail(claim(engine), FATAL)
    cut_short(engine, "retry", run, "a")
    cut_short(engine, "cancel", run, "a")

    engine.reclaim_expired()

    assert states(engine, run) == {"a": "cancelled", "b": "upstream_failed"}
