"""Why a task is where it is, where time has to pass: crashes, deadlines, backoff."""

from swarm.engine.claims import WorkerProfile
from swarm.engine.engine import Engine
from swarm.engine.snapshot import take_snapshot
from swarm.engine.views import surroundings
from swarm.observe.why import causes
from swarm.testing.clock import SkewedClock
from swarm.testing.plans import BASE, make_plan

PLAIN = WorkerProfile("w-1")


def why(engine: Engine, run: str, task: str) -> str:
    """The first link."""
    snapshot = take_snapshot(engine, run)
    return causes(snapshot, surroundings(engine, snapshot.run, snapshot.controls), task)[0].text


def test_a_task_that_crashed_too_often_says_how_often(engine: Engine, clock: SkewedClock) -> None:
    """Not only that its last worker vanished."""
    run = engine.submit(make_plan("api"), base=BASE)
    for number in range(3):
        clock.advance(ms=600_000)
        engine.reclaim_expired()
        assert engine.claim(PLAIN, f"claim-{number}") is not None
        for _ in range(20):
            clock.advance(ms=4_000)
            engine.reclaim_expired()

    text = why(engine, run, "api")

    assert " ago after 3 crashes in 3 attempts: its worker vanished: " in text
    assert text.startswith("failed for good ")
