"""The story of a run without a terminal: one line an event, on stderr."""

from collections.abc import Callable
from pathlib import Path

import pytest

from swarm.engine.claims import WorkerProfile
from swarm.engine.connect import open_store
from swarm.engine.engine import Engine
from swarm.engine.snapshot import take_snapshot
from swarm.observe.watcher import open_watcher
from swarm.testing.clock import SkewedClock
from swarm.testing.plans import BASE, make_plan, make_task

PLAIN = WorkerProfile("w-1", types=("general",))


def crash(engine: Engine, clock: SkewedClock) -> None:
    """Three workers vanish with the one task that there is."""
    for number in range(3):
        clock.advance(ms=600_000)
        engine.reclaim_expired()
        assert engine.claim(PLAIN, f"claim-{number}") is not None
        for _ in range(20):
            clock.advance(ms=4_000)
            engine.reclaim_expired()


@pytest.fixture
def told(engine: Engine, capsys: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    """What whoever watches a run reads while something happens."""

    def read(run: str, happens: Callable[[], object]) -> list[str]:
        with open_watcher(engine, run, since=engine.last_event_id()) as watcher:
            happens()
            watcher.show(take_snapshot(engine, run))
        return [line.partition("  ")[2] for line in capsys.readouterr().err.splitlines()]

    return read


def test_a_third_crash_is_told_as_the_end(
    engine: Engine, clock: SkewedClock, told: Callable[..., list[str]]
) -> None:
    """The ones before it put the task back."""
    run = engine.submit(make_plan("api"), base=BASE)

    ends = [
        line
        for line in told(run, lambda: crash(engine, clock))
        if "taken by" not in line and "queue" not in line
    ]

    assert [line.partition(":")[0] for line in ends[:2]] == ["api taken back from w-1"] * 2
    assert ends[2].startswith("api failed for good: 3 crashes, the last of w-1: ")
    assert ends[3:] == ["the run ended: failed"]


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


def test_a_look_while_redis_is_away_ends_nobody(
    engine: Engine, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Whoever drives the run waits for Redis, and says so: that is shown, and no more."""
    run = engine.submit(make_plan("api"), base=BASE)
    away = Engine(open_store(f"unix://{tmp_path}/nobody.sock"), "p", patience_s=0.2)

    with open_watcher(away, run, since="0-0") as watcher:
        watcher.show(take_snapshot(engine, run), "no answer; waiting for it")

    assert capsys.readouterr().err == "no answer; waiting for it\n"
