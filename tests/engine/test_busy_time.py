"""How long workers held a task: in what is learnt from it, no time counts in which nobody worked."""

from collections.abc import Callable

import pytest
from leased_tasks import claimed

from swarm.engine.claims import Claim, WorkerProfile
from swarm.engine.engine import Engine
from swarm.states import TaskState
from swarm.testing.clock import SkewedClock
from swarm.testing.plans import BASE, make_plan

AWAY_MS = 3_600_000
SLACK_MS = 3_000
"""For the time that passes by itself while a test runs."""

Back = Callable[[Engine, Claim, SkewedClock], object]


def reap(engine: Engine, claim: Claim, clock: SkewedClock) -> None:
    """Tick until the lease, and the term of grace after the gap, have ended."""
    for _ in range(engine.lease_ms // 4_000 + 2):
        engine.reclaim_expired()
        clock.advance(ms=4_000)
    assert engine.task(claim.run, "t").crashes == 1


def cancel_and_retry(engine: Engine, claim: Claim, _clock: SkewedClock) -> None:
    """What a person may do with a task that hangs."""
    engine.cancel(claim.run)
    engine.retry(claim.run)


def learnt_ms(engine: Engine) -> int:
    """What the one task took, as ranks and forecasts have it."""
    (record,) = engine.durations().values()
    assert record.tasks == 1
    return round(record.mean_s * 1000)


@pytest.mark.parametrize(
    ("back", "most_ms"),
    [
        (lambda engine, claim, _: engine.reclaim_worker(claim.worker_id), 0),
        (reap, 0),
        # Whoever says so itself may have worked until its lease ended.
        (lambda engine, claim, _: engine.release(claim, reason="Redis was away"), 30_000),
        (cancel_and_retry, 30_000),
    ],
    ids=["its worker is found dead", "its lease has ended", "it is given back", "it is cancelled"],
)
def test_a_time_in_which_nobody_worked_is_not_learnt(
    engine: Engine, worker: WorkerProfile, clock: SkewedClock, back: Back, most_ms: int
) -> None:
    """An hour's outage in the middle of a task of eight seconds makes it no task of an hour."""
    run = engine.submit(make_plan("t", "other"), base=BASE)
    engine.reclaim_expired()
    lost = claimed(engine, worker)
    clock.advance(ms=AWAY_MS)
    back(engine, lost, clock)
    again = claimed(engine, WorkerProfile("worker-b"), "again")
    clock.advance(ms=8_000)

    engine.finish(again)

    busy_ms = engine.task(run, "t").busy_ms
    assert again.task.id == "t"
    assert 8_000 + most_ms <= busy_ms < 8_000 + most_ms + SLACK_MS
    assert learnt_ms(engine) == busy_ms


def test_what_a_worker_did_before_it_vanished_counts_until_its_last_renewal(
    engine: Engine, worker: WorkerProfile, clock: SkewedClock
) -> None:
    """It was alive then; of the rest nobody knows."""
    run = engine.submit(make_plan("t", "other"), base=BASE)
    lost = claimed(engine, worker)
    clock.advance(ms=20_000)
    engine.renew(lost)
    clock.advance(ms=AWAY_MS)

    engine.reclaim_worker(worker.worker_id)

    assert 20_000 <= engine.task(run, "t").busy_ms < 20_000 + SLACK_MS


def test_what_git_proves_to_have_landed_meanwhile_is_not_learnt_as_slow(
    engine: Engine, worker: WorkerProfile, clock: SkewedClock
) -> None:
    """Redis came back from an older copy, in which the task is still held."""
    run = engine.submit(make_plan("t", "other"), base=BASE)
    claimed(engine, worker)
    clock.advance(ms=AWAY_MS)

    engine.reconcile(run, "t", attempt=1, merge_token=99, commit="landed")

    assert engine.lease_ms <= learnt_ms(engine) < engine.lease_ms + SLACK_MS


def test_a_task_that_was_held_for_less_than_no_time_can_land(
    engine: Engine, worker: WorkerProfile, clock: SkewedClock
) -> None:
    """The server's clock went back while a worker was at it: the time is wrong, the task goes on."""
    run = engine.submit(make_plan("t"), base=BASE)
    held = claimed(engine, worker)
    engine.start(held)
    clock.advance(ms=-60_000)
    engine.hand_in(held, commit="c1")
    [ticket] = engine.begin_merge("merger")

    engine.complete(ticket, commit="c2")

    task = engine.task(run, "t")
    assert (task.state, task.busy_ms < 0, task.ended_ms < task.claimed_ms) == (TaskState.DONE, True, True)
    assert learnt_ms(engine) == 0
