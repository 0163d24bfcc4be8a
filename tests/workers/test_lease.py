"""A lease on a real queue: renewed while it can be, fenced off before it can end."""

import os
import signal
import threading
import time

import pytest
from worker_rig import HandClock

from swarm.engine.claims import Claim, WorkerProfile
from swarm.engine.connect import open_store
from swarm.engine.engine import Engine
from swarm.engine.store import Store
from swarm.models.usage import Usage
from swarm.testing.plans import BASE, make_plan
from swarm.testing.server import RedisServer
from workers.lease import Lease, LeaseLostError

WORKER = WorkerProfile("worker-a", executors=("command",))


def claim_one(engine: Engine) -> Claim:
    """Submit a task and claim it."""
    engine.submit(make_plan("t"), base=BASE)
    claim = engine.claim(WORKER, "claim-1")
    assert claim is not None
    return claim


@pytest.fixture
def hand_clock() -> HandClock:
    """The worker's own clock, moved by hand."""
    return HandClock()


@pytest.fixture
def losses() -> list[str]:
    """One entry for each time the agent was ended."""
    return []


@pytest.fixture
def lease(engine: Engine, hand_clock: HandClock, losses: list[str]) -> Lease:
    """A lease of 30 s, claimed at 0 s; its threads are not started."""
    return Lease(
        engine,
        claim_one(engine),
        sent_at_s=0.0,
        on_lost=lambda: losses.append("lost"),
        clock=hand_clock,
        beat=lambda engine: engine.heartbeat(WORKER, kind="worker", state="busy", task="here"),
        random_between=lambda low, high: (low + high) / 2,
    )


def test_the_worker_fences_itself_off_eight_seconds_before_the_end(
    lease: Lease, hand_clock: HandClock, losses: list[str]
) -> None:
    """Without a renewal the agent is ended at 22 s of 30, once, and nothing may be handed in."""
    hand_clock.now_s = 21.9
    lease.check()

    hand_clock.now_s = 22.1
    for _ in range(2):
        with pytest.raises(LeaseLostError, match="could not be renewed in time"):
            lease.check()

    assert losses == ["lost"]


def test_a_renewal_counts_from_when_it_was_sent(engine: Engine, lease: Lease, hand_clock: HandClock) -> None:
    """Redis extended the lease later than that, so this is the safe side."""
    hand_clock.now_s = 9.0

    due_s = lease.renew_now(engine)

    assert due_s == pytest.approx(10.0)
    assert lease.fence_in_s() == pytest.approx(22.0)
    assert engine.agents()[0].state == "busy"


def test_a_heartbeat_that_fails_takes_nothing_from_the_renewal(
    engine: Engine, store: Store, lease: Lease, hand_clock: HandClock, losses: list[str]
) -> None:
    """The claim holds for a full term; the worker is only not seen."""
    store.call("SET", engine.keys.of("agents"), "not a sorted set")
    hand_clock.now_s = 9.0

    due_s = lease.renew_now(engine)

    store.call("DEL", engine.keys.of("agents"))
    assert due_s == pytest.approx(10.0)
    assert lease.fence_in_s() == pytest.approx(22.0)
    assert losses == []


def test_a_server_that_was_stopped_for_good_ends_the_agent_at_the_next_renewal(
    lease: Lease, losses: list[str]
) -> None:
    """Nobody will start it again for this worker: it does not wait until its fence."""
    gone = Engine(open_store("redis://127.0.0.1:1"), "p", patience_s=5.0, is_put_down=lambda: True)

    lease.renew_now(gone.clone())

    assert losses == ["lost"]
    assert lease.lost_because == "the server was stopped"


@pytest.mark.parametrize(("edge", "due_s"), [(min, 8.0), (max, 12.0)])
def test_renewals_are_spread_by_a_fifth(
    engine: Engine, hand_clock: HandClock, edge: object, due_s: float
) -> None:
    """Workers that began together do not renew together."""
    lease = Lease(
        engine,
        claim_one(engine),
        sent_at_s=0.0,
        on_lost=lambda: None,
        clock=hand_clock,
        random_between=min if edge is min else max,
    )

    assert lease.renew_now(engine) == pytest.approx(due_s)


def test_a_short_lease_has_a_shorter_margin(engine: Engine, hand_clock: HandClock) -> None:
    """A quarter of the lease and a little, where eight seconds would leave no time to work."""
    engine.submit(make_plan("t"), base=BASE)
    engine.lease_ms = 4000
    claim = engine.claim(WORKER, "claim-1")
    assert claim is not None

    lease = Lease(engine, claim, sent_at_s=0.0, on_lost=lambda: None, clock=hand_clock)

    assert lease.fence_in_s() == pytest.approx(4 - 4 * 0.27)


def test_a_voided_claim_ends_the_agent(engine: Engine, lease: Lease, losses: list[str]) -> None:
    """Somebody else may hold the task already."""
    engine.reclaim_worker("worker-a")

    lease.renew_now(engine)

    assert losses == ["lost"]
    with pytest.raises(LeaseLostError, match="somebody else"):
        lease.check()


def test_a_cancelled_run_ends_the_agent(engine: Engine, lease: Lease, losses: list[str]) -> None:
    """The renewal's answer says so."""
    engine.cancel(engine.run_ids()[0])

    lease.renew_now(engine)

    assert losses == ["lost"]
    with pytest.raises(LeaseLostError, match="cancelled"):
        lease.check()


def test_a_lease_that_was_given_up_is_not_lost_afterwards(
    engine: Engine, lease: Lease, hand_clock: HandClock, losses: list[str]
) -> None:
    """Once the worker has stopped the lease to hand in, a late answer ends nothing."""
    lease.stop()
    engine.reclaim_worker("worker-a")
    hand_clock.now_s = 9.0

    lease.renew_now(engine)

    assert losses == []


def test_renewals_keep_the_lease_and_carry_the_usage(engine: Engine) -> None:
    """The thread renews well before the end, with what was spent so far."""
    engine.lease_ms = 900
    claim = claim_one(engine)
    engine.start(claim)
    first_end_ms = engine.task(claim.run, "t").lease_ends_ms
    lease = Lease(engine, claim, sent_at_s=time.monotonic(), on_lost=lambda: None)
    lease.report_usage(Usage(1, 2, 3, 4))

    with lease:
        deadline = time.monotonic() + 10
        while engine.task(claim.run, "t").lease_ends_ms < first_end_ms + 900:
            assert time.monotonic() < deadline, "the lease was not renewed for a whole term"
            time.sleep(0.02)
        lease.check()

    engine.release(claim, reason="test", usage=lease.usage)
    assert engine.task(claim.run, "t").usage == Usage(1, 2, 3, 4)


def test_a_redis_that_hangs_cannot_delay_the_fence(own_server: RedisServer) -> None:
    """A renewal waits for an answer that never comes; the other thread ends the agent in time."""
    engine = Engine(open_store(own_server.url), "p", lease_ms=4000, patience_s=1.0)
    claimed_s = time.monotonic()
    claim = claim_one(engine)
    ended = threading.Event()

    with Lease(engine, claim, sent_at_s=claimed_s, on_lost=ended.set) as lease:
        os.kill(own_server.pid, signal.SIGSTOP)
        assert ended.wait(10)
        took_s = time.monotonic() - claimed_s
        os.kill(own_server.pid, signal.SIGCONT)

    assert took_s < 4.0
    assert lease.lost_because == "the lease could not be renewed in time"
    engine.close()
