"""Deadlines: what has not ended in time fails, wherever it is."""

from dataclasses import replace

import pytest
from one_worker import claim, states

from swarm.engine.claims import Failure
from swarm.engine.encoding import encode_spec
from swarm.engine.engine import Engine
from swarm.engine.store import Store
from swarm.engine.submission import SCHEMA, plan_chunks, run_id
from swarm.errors import StaleTokenError
from swarm.plan.model import Plan, TaskSpec
from swarm.states import FailureKind, RunState
from swarm.testing.clock import SkewedClock
from swarm.testing.plans import BASE, make_plan, make_task


def by(deadline_s: float, task: TaskSpec) -> TaskSpec:
    return replace(task, deadline_s=deadline_s)


def store_only(engine: Engine, plan: Plan) -> str:
    """A submission up to its deadlines: its submitter was killed then."""
    specs = [encode_spec(task) for task in plan.tasks]
    run = run_id(engine.project, plan, specs, base=BASE, key="")
    engine._caller.call("open_run", run, "", f"swarm/{run}", BASE, "", SCHEMA, len(plan.tasks))
    for number, chunk in enumerate(plan_chunks(plan, specs, 0)):
        engine._caller.call("submit", run, number, *chunk)
    return run


def pass_time(engine: Engine, clock: SkewedClock, ms: int) -> None:
    """Ticks all the way, so that no gap in them gives anybody grace."""
    for _ in range(0, ms, 4_000):
        clock.advance(ms=min(4_000, ms))
        engine.reclaim_expired()


def test_a_task_that_runs_past_its_deadline_is_taken_from_its_worker(
    engine: Engine, clock: SkewedClock
) -> None:
    """It fails for good, says why, frees its locks and takes its dependents along."""
    plan = make_plan(
        by(10, make_task("slow", files=["a"], estimate_s=9)),
        make_task("next", files=["a"]),
        make_task("after", after=["slow"]),
    )
    run = engine.submit(plan, base=BASE)
    held = claim(engine)
    engine.start(held)

    pass_time(engine, clock, 12_000)

    with pytest.raises(StaleTokenError):
        engine.renew(held)
    record = engine.task(run, "slow")
    assert (record.state, record.failure_kind, record.failure_reason) == (
        "failed",
        "timeout",
        "its deadline has passed",
    )
    assert record.needs_person
    assert states(engine, run)["after"] == "upstream_failed"
    assert claim(engine, "2").task.id == "next"


@pytest.mark.parametrize("state", ["pending", "queued", "merging"])
def test_a_deadline_ends_a_task_wherever_it_waits(engine: Engine, clock: SkewedClock, state: str) -> None:
    """For a dependency, in its queue, or for its merge."""
    after = ["first"] if state == "pending" else []
    run = engine.submit(make_plan("first", by(10, make_task("late", after=after, files=["a"]))), base=BASE)
    if state == "merging":
        for name in ("1", "2"):
            held = claim(engine, name)
            engine.start(held)
            if held.task.id == "late":
                engine.hand_in(held, commit="c")
            else:
                engine.finish(held)

    pass_time(engine, clock, 12_000)

    assert states(engine, run)["late"] == "failed"
    assert engine.begin_merge("merger") == ()


def test_what_ends_in_time_is_left_alone(engine: Engine, clock: SkewedClock) -> None:
    """Its deadline is forgotten with the next tick after it."""
    run = engine.submit(make_plan(by(10, make_task("t"))), base=BASE)
    engine.finish(claim(engine))

    pass_time(engine, clock, 12_000)

    assert engine.run(run).state is RunState.DONE
    assert engine.depth("deadlines") == 0


def test_a_deadline_and_the_end_of_a_lease_in_one_tick_are_told_once(
    engine: Engine, clock: SkewedClock
) -> None:
    """The task fails for its deadline, and is not taken back from its worker as well."""
    run = engine.submit(make_plan(by(10, make_task("t", files=["a"])), "u"), base=BASE)
    held = claim(engine), claim(engine, "2")
    pass_time(engine, clock, 4_000)
    clock.advance(ms=engine.lease_ms + 1)
    engine.reclaim_expired()  # grace: the gap was too long

    clock.advance(ms=4_900)
    engine.reclaim_expired()
    pass_time(engine, clock, engine.lease_ms)

    assert len(held) == 2
    assert (states(engine, run), engine.task(run, "t").crashes) == ({"t": "failed", "u": "queued"}, 0)


def test_a_tick_is_left_out_where_another_was_just_now(engine: Engine, clock: SkewedClock) -> None:
    """Every worker ticks, and one of them is enough; a clock that went back makes no tick recent."""
    clock.advance(ms=3_600_000)
    engine.reclaim_expired()
    clock.advance(ms=-3_600_000)
    engine.reclaim_expired(unless_within_ms=1_000)
    run = engine.submit(make_plan("late"), base=BASE, deadline_s=2.0)
    clock.advance(ms=1_600)
    engine.reclaim_expired(unless_within_ms=1_000)
    seen = []

    for ms in (500, 600):
        clock.advance(ms=ms)
        engine.reclaim_expired(unless_within_ms=1_000)
        seen.append(states(engine, run)["late"])

    assert seen == ["queued", "failed"]


def test_a_person_may_retry_what_was_late(engine: Engine, clock: SkewedClock) -> None:
    """The deadline has been had; the retry has none."""
    run = engine.submit(make_plan(by(10, make_task("t"))), base=BASE)
    pass_time(engine, clock, 12_000)

    engine.retry(run)
    pass_time(engine, clock, 12_000)

    assert states(engine, run) == {"t": "queued"}


def test_what_had_not_been_late_itself_has_no_deadline_after_a_retry_either(
    engine: Engine, clock: SkewedClock
) -> None:
    """It failed with another: whether its deadline has passed or not, and whoever saw it pass."""
    plan = make_plan(
        make_task("bad", estimate_s=9),
        by(10, make_task("after", after=["bad"])),
        by(20, make_task("later", after=["bad"])),
    )
    run = engine.submit(plan, base=BASE)
    engine.fail(claim(engine), Failure(FailureKind.TASK_ERROR, "no", retryable=False))
    clock.advance(ms=12_000)  # nobody was there to see the first one pass

    engine.retry(run)
    pass_time(engine, clock, 30_000)

    assert states(engine, run) == {"bad": "queued", "after": "pending", "later": "pending"}
    assert [task.deadline_ms for task in engine.tasks(run)] == [0, 0, 0]
    assert engine.depth("deadlines") == 0


def test_a_part_of_what_was_late_and_is_retried_has_the_deadline_of_its_own_plan_only(
    engine: Engine, clock: SkewedClock
) -> None:
    """It is not born too late."""
    run = engine.submit(make_plan(by(10, make_task("t"))), base=BASE)
    pass_time(engine, clock, 12_000)
    engine.retry(run)

    engine.expand(claim(engine), make_plan("x"))
    pass_time(engine, clock, 8_000)

    assert states(engine, run) == {"t": "pending", "t.x": "queued"}


def test_a_run_that_ended_and_goes_on_after_its_deadline_is_not_ended_by_it(
    engine: Engine, clock: SkewedClock
) -> None:
    """Though nobody was there to see it pass; one that is still to come holds for what is brought back."""
    run = engine.submit(make_plan("t"), base=BASE, deadline_s=10)
    engine.cancel(run)
    clock.advance(ms=12_000)
    soon = engine.submit(make_plan("t", goal="soon"), base=BASE, deadline_s=10)
    engine.cancel(soon)

    engine.retry(run)
    engine.retry(soon)
    pass_time(engine, clock, 16_000)

    assert states(engine, run) == {"t": "queued"}
    assert states(engine, soon) == {"t": "failed"}


def test_the_deadline_of_a_run_ends_all_of_it(engine: Engine, clock: SkewedClock) -> None:
    """More tasks than one call may touch, some held, some waiting for others."""
    roots = [make_task(f"r{number}") for number in range(200)]
    rest = [make_task(f"d{number}", after=[f"r{number}"]) for number in range(200)]
    run = engine.submit(make_plan(*roots, *rest), base=BASE, deadline_s=10)
    held = claim(engine)

    pass_time(engine, clock, 20_000)

    ended = engine.run(run)
    assert ended.state is RunState.FAILED
    assert {state.value: count for state, count in ended.counts.items() if count} == {
        "failed": 200,
        "upstream_failed": 200,
    }
    assert engine.task(run, held.task.id).failure_reason == "the deadline of its run has passed"
    pass_time(engine, clock, 4_000)
    assert engine.depth("deadlines") == 0


def test_what_is_let_go_on_while_a_run_is_being_ended_is_ended_as_well(
    engine: Engine, clock: SkewedClock
) -> None:
    """It comes later in the plan than what it waited for."""
    run = engine.submit(make_plan("a", make_task("b", after=["a"])), base=BASE, deadline_s=10)
    held = claim(engine)
    clock.advance(ms=4_000)
    engine.reclaim_expired()
    clock.advance(ms=4_000)
    engine.reclaim_expired()
    clock.advance(ms=4_000)
    caller = engine._caller
    caller.call("reap", caller.new_op(), engine.lease_ms, 0)
    engine.finish(held)

    pass_time(engine, clock, 8_000)

    assert states(engine, run) == {"a": "done", "b": "failed"}


def test_a_deadline_counts_from_the_submission_that_is_completed(
    engine: Engine, store: Store, clock: SkewedClock
) -> None:
    """The one before was killed an hour ago, before or after it had noted when all must have ended."""
    plan = make_plan("a", by(20, make_task("b")))
    run = store_only(engine, plan)
    engine._caller.call("deadlines", run, "", 10_000, "b", 20_000)
    clock.advance(ms=3_600_000)

    began_ms = engine.now_ms()
    engine.submit(plan, base=BASE, deadline_s=10)
    engine.reclaim_expired()

    record = engine.run(run)
    assert states(engine, run) == {"a": "queued", "b": "queued"}
    assert record.submitted_ms >= began_ms
    assert record.deadline_ms == record.submitted_ms + 10_000
    assert engine.task(run, "b").deadline_ms == record.submitted_ms + 20_000
    assert store.call("ZSCORE", engine.keys.of("runs"), run) == str(record.submitted_ms).encode()


def test_who_completes_a_submission_may_want_no_deadline_and_no_end_at_the_first_failure(
    engine: Engine, clock: SkewedClock
) -> None:
    """What the submitter wanted that was killed holds no more."""
    plan = make_plan("a", by(20, make_task("b")))
    run = store_only(engine, plan)
    engine._caller.call("deadlines", run, "", 10_000, "b", 20_000)
    engine._caller.call("fail_fast", run, "1")

    engine.submit(plan, base=BASE)
    pass_time(engine, clock, 12_000)

    record = engine.run(run)
    assert (record.deadline_ms, record.is_fail_fast) == (0, False)
    assert states(engine, run) == {"a": "queued", "b": "queued"}
    assert engine.depth("deadlines") == 1


def test_a_deadline_that_is_said_again_while_a_run_begins_stays(engine: Engine, clock: SkewedClock) -> None:
    """Its submitter was killed after the activation had begun: what is claimable may be at work."""
    run = store_only(engine, make_plan(*(f"t{n}" for n in range(200))))
    engine._caller.call("deadlines", run, "", 10_000)
    engine._caller.call("activate", run, 2)
    before = engine.run(run)
    clock.advance(ms=5_000)

    engine._caller.call("deadlines", run, "", 10_000)

    after = engine.run(run)
    assert before.state is RunState.LOADING
    assert (after.submitted_ms, after.deadline_ms) == (before.submitted_ms, before.submitted_ms + 10_000)


def test_a_run_that_is_known_keeps_its_deadline(engine: Engine) -> None:
    """Submitting again changes nothing."""
    plan = make_plan("a")
    run = engine.submit(plan, base=BASE, deadline_s=10)
    before = engine.run(run).deadline_ms

    engine.submit(plan, base=BASE, deadline_s=99)

    record = engine.run(run)
    assert record.deadline_ms == before == record.submitted_ms + 10_000
