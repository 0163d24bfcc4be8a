"""Learnt durations, and dispatch scores that follow them."""

from itertools import pairwise

import pytest

from swarm.engine.claims import Claim, Failure, Finish, WorkerProfile
from swarm.engine.engine import Engine
from swarm.engine.ranks import MOST_RANK_S, urgency
from swarm.engine.records import DurationRecord
from swarm.states import FailureKind
from swarm.testing.clock import SkewedClock
from swarm.testing.plans import BASE, make_plan, make_task


def take(engine: Engine, worker: WorkerProfile, number: int = 0) -> Claim:
    """The next claim, which there is."""
    claim = engine.claim(worker, f"claim-{number}")
    assert claim is not None
    return claim


def seconds(record: DurationRecord) -> tuple[int, int]:
    """Without the milliseconds that the test itself takes."""
    return record.tasks, record.total_ms // 1000


def test_durations_are_learnt_by_type_in_every_way_to_be_done(
    engine: Engine, worker: WorkerProfile, clock: SkewedClock
) -> None:
    """The short way, the general way and a landing count alike; what fails is not counted."""
    tasks = [make_task(f"t{n}", type="ui") for n in range(3)]
    wide = make_task("wide", type="api.v2-x", files=["a.py"], estimate_s=0.5)
    engine.submit(make_plan(*tasks, wide, make_task("rest", type="ui", estimate_s=0.1)), base=BASE)
    claim: Claim | None = take(engine, worker)
    for number in range(3):
        assert claim is not None
        clock.advance(ms=2_000)
        claim = engine.end_and_claim(claim, Finish(), worker, f"next-{number}")
    assert claim is not None
    engine.start(claim)
    clock.advance(ms=5_000)
    engine.hand_in(claim, commit="c")
    clock.advance(ms=9_000)
    [ticket] = engine.begin_merge("merger")

    engine.complete(ticket, commit="landed")
    last = take(engine, worker)
    engine.fail(last, Failure(FailureKind.TASK_ERROR, "no", retryable=False))

    learnt = engine.durations()
    assert {name: seconds(record) for name, record in learnt.items()} == {"ui": (3, 6), "api.v2-x": (1, 5)}


def test_a_rerank_changes_who_is_next(engine: Engine, worker: WorkerProfile) -> None:
    """The least urgent by the plan goes first once it is said to be the most urgent."""
    plan = make_plan(*(make_task(f"t{n}", estimate_s=n + 1) for n in range(4)))
    run = engine.submit(plan, base=BASE)

    changed = engine.rerank(run, {f"t{n}": urgency(10.0 - n, 0) for n in range(4)})
    unchanged = engine.rerank(run, {f"t{n}": urgency(10.0 - n, 0) for n in range(4)})

    assert (changed, unchanged) == (4, 0)
    assert [take(engine, worker, n).task.id for n in range(4)] == ["t0", "t1", "t2", "t3"]


def test_a_rerank_leaves_tasks_where_they_are(
    engine: Engine, worker: WorkerProfile, clock: SkewedClock
) -> None:
    """Parked, in backoff, pending or held: none becomes claimable by it, and each has the new score later."""
    held = make_task("held", files=["a.py"], estimate_s=9)
    parked = [make_task(f"parked{n}", files=["a.py"], estimate_s=5 - n) for n in range(2)]
    plan = make_plan(held, *parked, make_task("late", estimate_s=8), make_task("after", after=["held"]))
    run = engine.submit(plan, base=BASE)
    holder = take(engine, worker, 0)
    engine.fail(take(engine, worker, 1), Failure(FailureKind.TASK_ERROR, "no"))
    assert engine.claim(worker, "parks") is None

    changed = engine.rerank(run, {task.id: urgency(n + 1.0, 0) for n, task in enumerate(plan.tasks)})

    assert changed == len(plan.tasks)
    assert engine.claim(worker, "still none") is None
    clock.advance(ms=400_000)
    engine.finish(holder)
    # By the plan's estimates it would be late, then parked0.
    assert [take(engine, worker, n).task.id for n in (3, 4, 5)] == ["after", "parked1", "late"]


@pytest.mark.parametrize("unit", [1e-3, 1.0, 3600.0])
def test_scores_tell_near_ranks_apart_at_every_scale(unit: float) -> None:
    """One part in 100,000, of milliseconds as of hours; a longer rank is always more urgent."""
    ranks = [unit * 10 * (1 + n * 1e-5) for n in range(100)]

    assert all(urgency(longer, 0) < urgency(shorter, 0) for shorter, longer in pairwise(ranks))


def test_a_score_has_fifteen_digits_and_keeps_rank_before_priority() -> None:
    """Whatever is asked for fits into a double, and no priority outweighs a rank that is longer."""
    extremes = [urgency(rank, priority) for rank in (-1.0, 0.0, MOST_RANK_S * 9) for priority in (-99, 99)]

    assert all(0 <= score < 10**15 for score in extremes)
    assert urgency(10.1, -49) < urgency(10.0, 49) < urgency(10.0, -49)


def test_what_stands_aside_keeps_its_new_place(engine: Engine, worker: WorkerProfile) -> None:
    """A paused run may be ranked again; it goes on in the new order."""
    run = engine.submit(make_plan(*(make_task(f"t{n}", estimate_s=n + 1) for n in range(3))), base=BASE)
    engine.pause(run)
    assert engine.claim(worker, "none") is None

    engine.rerank(run, {f"t{n}": urgency(10.0 - n, 0) for n in range(3)})
    engine.resume(run)

    assert [take(engine, worker, n).task.id for n in range(3)] == ["t0", "t1", "t2"]
