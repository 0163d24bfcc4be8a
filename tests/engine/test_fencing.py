"""Fencing: whoever lost a task can change nothing of it any more."""

from collections.abc import Callable

import pytest

from swarm.engine.claims import Claim, Failure, Finish, MergeTicket, WorkerProfile
from swarm.engine.engine import Engine
from swarm.engine.store import Store
from swarm.engine.words import words_of
from swarm.errors import StaleTokenError
from swarm.states import FailureKind
from swarm.testing.checker import assert_sound
from swarm.testing.clock import SkewedClock
from swarm.testing.plans import BASE, make_plan, make_task

FAILURE = Failure(FailureKind.TASK_ERROR, "no")
HELD: dict[str, Callable[[Engine, Claim], object]] = {
    "start": lambda engine, claim: engine.start(claim),
    "renew": lambda engine, claim: engine.renew(claim),
    "hand_in": lambda engine, claim: engine.hand_in(claim, commit="c"),
    "finish": lambda engine, claim: engine.finish(claim),
    "fail": lambda engine, claim: engine.fail(claim, FAILURE),
    "release": lambda engine, claim: engine.release(claim, reason="drain"),
}
MERGING: dict[str, Callable[[Engine, MergeTicket], object]] = {
    "renew_merge": lambda engine, ticket: engine.renew_merge([ticket]),
    "complete": lambda engine, ticket: engine.complete(ticket, commit="c"),
    "send_back": lambda engine, ticket: engine.send_back(ticket, FAILURE),
}


def dump(store: Store) -> list[object]:
    """Every key with a value that a call could change."""
    names = sorted(words_of(store.call("KEYS", "*")))
    return [names, store.pipeline([["DUMP", name] for name in names])]


@pytest.mark.parametrize("verb", HELD)
@pytest.mark.parametrize("is_running", [False, True])
def test_a_lost_claim_opens_nothing(
    engine: Engine, store: Store, clock: SkewedClock, worker: WorkerProfile, verb: str, *, is_running: bool
) -> None:
    """The worker was paused, its task was reclaimed and claimed again: no key changes at its call."""
    engine.submit(make_plan(make_task("build", files=["a.py"])), base=BASE)
    lost = engine.claim(worker, "claim-1")
    assert lost is not None
    clock.advance(ms=engine.lease_ms + 1)
    engine.reclaim_expired()
    current = engine.claim(WorkerProfile("worker-b"), "claim-2")
    assert current is not None
    if is_running:
        engine.start(current)
    before = dump(store)

    with pytest.raises(StaleTokenError):
        HELD[verb](engine, lost)

    assert dump(store) == before


@pytest.mark.parametrize("verb", MERGING)
def test_a_lost_merge_slot_opens_nothing(
    engine: Engine, store: Store, clock: SkewedClock, worker: WorkerProfile, verb: str
) -> None:
    """The merger was paused and another took the attempt over: no key changes at its call."""
    engine.submit(make_plan(make_task("build", files=["a.py"])), base=BASE)
    claim = engine.claim(worker, "claim-1")
    assert claim is not None
    engine.start(claim)
    engine.hand_in(claim, commit="c1")
    [lost] = engine.begin_merge("merger-1")
    clock.advance(ms=engine.lease_ms + 1)
    assert engine.begin_merge("merger-2")
    before = dump(store)

    with pytest.raises(StaleTokenError):
        MERGING[verb](engine, lost)

    assert dump(store) == before


def test_the_current_holder_is_not_disturbed(
    engine: Engine, clock: SkewedClock, worker: WorkerProfile
) -> None:
    """A stale renewal does not extend the next holder's lease, and its work goes on to the end."""
    run = engine.submit(make_plan("build"), base=BASE)
    lost = engine.claim(worker, "claim-1")
    assert lost is not None
    clock.advance(ms=engine.lease_ms + 1)
    engine.reclaim_expired()
    current = engine.claim(WorkerProfile("worker-b"), "claim-2")
    assert current is not None
    lease_ends_ms = engine.task(run, "build").lease_ends_ms

    clock.advance(ms=1_000)
    with pytest.raises(StaleTokenError):
        engine.renew(lost)

    assert engine.task(run, "build").lease_ends_ms == lease_ends_ms
    engine.start(current)
    assert engine.finish(current) == []


@pytest.mark.parametrize("worker_id", ["box-1", "a box 7 with spaces", "é\n"])
def test_what_a_claim_wrote_is_read_as_it_was_written(engine: Engine, store: Store, worker_id: str) -> None:
    """It is one field in Redis; whoever looks gets token, attempt, time, base and worker, of any name."""
    run = engine.submit(make_plan("a"), base=BASE)
    worker = WorkerProfile(worker_id)
    first = engine.claim(worker, "1")
    assert first is not None
    engine.release(first, reason="drain")
    released = engine.task(run, "a")

    held = engine.claim(worker, "2")

    assert held is not None
    task = engine.task(run, "a")
    assert (released.token, released.attempt, released.base, released.worker_id) == (0, 1, BASE, "")
    assert (task.token, task.attempt, task.base) == (held.token, 2, BASE)
    assert (task.worker_id, task.claimed_ms >= released.claimed_ms > 0) == (worker_id, True)
    engine.end_and_claim(held, Finish(), worker, "3")
    assert engine.task(run, "a").worker_id == worker_id
    assert_sound(engine, store)
