"""The story of a run without a terminal: one line an event, on stderr."""

from collections.abc import Callable

import pytest

from swarm.engine.claims import WorkerProfile
from swarm.engine.engine import Engine
from swarm.engine.snapshot import take_snapshot
from swarm.observe.watcher import open_watcher
from swarm.testing.clock import SkewedClock
from swarm.testing.plans import BASE, make_plan, make_task

PLAIN = WorkerProfile("w-1", types=("general",))


@pytest.fixture
def told(engine: Engine, capsys: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    """What whoever watches a run reads while something happens."""

    def read(run: str, happens: Callable[[], object]) -> list[str]:
        with open_watcher(engine, run, since=engine.last_event_id()) as watcher:
            happens()
            watcher.show(take_snapshot(engine, run))
        return [line.partition("  ")[2] for line in capsys.readouterr().err.splitlines()]

    return read


def test_that_nobody_serves_a_queue_is_told_where_a_task_waits_in_it(
    engine: Engine, clock: SkewedClock, told: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """With what to start; a run that has no such task has nothing to do with it."""
    ours = engine.submit(make_plan(make_task("guide", type="docs")), base=BASE)
    other = engine.submit(make_plan(make_task("api")), base=BASE, key="other")

    def five_minutes() -> None:
        for _ in range(90):
            clock.advance(ms=4_000)
            engine.heartbeat(PLAIN, kind="worker", state="idle")
            engine.reclaim_expired()

    since = engine.last_event_id()

    (line,) = (line for line in told(ours, five_minutes) if "docs" in line)
    assert line.startswith("no worker serves 'docs' since ")
    assert line.endswith(": `swarm worker --types docs` starts one")
    with open_watcher(engine, other, since=since) as watcher:
        watcher.show(take_snapshot(engine, other))
    assert "docs" not in capsys.readouterr().err
