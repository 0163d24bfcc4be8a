"""Blocking waits: a worker that serves every type hears of each, also of those it could not look at."""

import pytest

from swarm.engine.claims import Claim, Failure, WorkerProfile
from swarm.engine.engine import Engine
from swarm.states import FailureKind
from swarm.testing.clock import SkewedClock
from swarm.testing.plans import BASE, make_plan, make_task

HOLDER, IDLER = WorkerProfile("holder", types=("docs", "code")), WorkerProfile("idler")
SOON_S = 0.05


def claim(engine: Engine, name: str) -> Claim:
    """A claim by the holder that must succeed."""
    found = engine.claim(HOLDER, name)
    assert found is not None
    return found


def silence(engine: Engine) -> None:
    """Take what the bells still announce from before."""
    while engine.wait(HOLDER, timeout_s=SOON_S):
        pass


@pytest.mark.parametrize("limited", ["*", "docs"])
def test_room_under_a_limit_wakes_whoever_was_told_of_other_queues_alone(
    engine: Engine, clock: SkewedClock, limited: str
) -> None:
    """The claim looked only at what was open, and was asked to come again; then nothing was left of it."""
    engine.submit(
        make_plan(make_task("a", type="docs"), make_task("b", type="docs"), make_task("c", type="code")),
        base=BASE,
    )
    held = {one.task.id: one for one in (claim(engine, f"claim-{number}") for number in range(3))}
    engine.fail(held["b"], Failure(FailureKind.TASK_ERROR, "no"))
    engine.limit(limited, 2 if limited == "*" else 1)
    clock.advance(ms=400_000)
    took = engine.claim(IDLER, "idle-1")
    silence(engine)

    engine.finish(held["a"])
    is_woken = engine.wait(IDLER, timeout_s=SOON_S)

    assert (took, is_woken) == (None, True)


def test_a_late_repetition_makes_nobody_deaf(engine: Engine) -> None:
    """Its answer names no queue at all; what is known to be there is waited for as before."""
    engine.submit(make_plan(make_task("a", type="docs")), base=BASE)
    held = claim(engine, "claim-1")
    claims = [engine.claim(IDLER, name) for name in ("idle-2", "idle-1")]
    silence(engine)

    engine.release(held, reason="not now")

    assert claims == [None, None]
    assert engine.wait(IDLER, timeout_s=SOON_S)
