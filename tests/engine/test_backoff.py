"""How long a task waits before it is tried again."""

from itertools import count

from swarm.engine.claims import Failure, WorkerProfile
from swarm.engine.engine import Engine
from swarm.states import FailureKind, TaskState
from swarm.testing.clock import SkewedClock
from swarm.testing.plans import BASE, make_plan, make_task

MINUTE_MS = 60_000


def waits_ms(engine: Engine, clock: SkewedClock, worker: WorkerProfile, kind: FailureKind) -> list[int]:
    """Fail a task in one way until it is not tried again; returns how long it waited each time."""
    run = engine.submit(make_plan(make_task("task", max_attempts=100)), base=BASE)
    waits: list[int] = []
    for number in count():
        claim = engine.claim(worker, f"claim-{number}")
        assert claim is not None
        engine.fail(claim, Failure(kind, "no"))
        record = engine.task(run, "task")
        if record.state is not TaskState.QUEUED:
            return waits
        waits.append(record.not_before_ms - record.queued_ms)
        clock.advance(ms=waits[-1] + 1)
        engine.reclaim_expired()
    raise AssertionError


def test_a_provider_may_be_away_for_longer_than_a_disk(
    engine: Engine, clock: SkewedClock, worker: WorkerProfile
) -> None:
    """Eight setbacks last at least a quarter of an hour, with ten minutes between two at most."""
    waits = waits_ms(engine, clock, worker, FailureKind.PROVIDER)

    assert len(waits) == 7
    assert sum(waits) > 15 * MINUTE_MS
    assert max(waits) <= 10 * MINUTE_MS


def test_other_setbacks_wait_for_seconds_first(
    engine: Engine, clock: SkewedClock, worker: WorkerProfile
) -> None:
    """The first pauses are short: most of what is wrong here passes at once."""
    waits = waits_ms(engine, clock, worker, FailureKind.INFRASTRUCTURE)

    assert waits[0] <= 2_000
    assert sum(waits) < 5 * MINUTE_MS
