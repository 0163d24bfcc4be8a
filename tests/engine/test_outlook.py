"""How long a run will still take, and when nobody can say."""

import pytest

from swarm.engine.claims import Failure, WorkerProfile
from swarm.engine.engine import Engine
from swarm.engine.outlook import remaining_s
from swarm.engine.snapshot import take_snapshot
from swarm.engine.store import Store
from swarm.states import FailureKind
from swarm.testing.plans import BASE, make_plan, make_task


def foreseen_s(engine: Engine, run: str) -> float | None:
    """Seconds to the end, or None."""
    return remaining_s(take_snapshot(engine, run), engine.durations())


def test_what_is_left_is_foreseen(engine: Engine) -> None:
    """Two tasks of ten seconds in a row, for the one worker that is there."""
    run = engine.submit(
        make_plan(make_task("a", estimate_s=10), make_task("b", after=["a"], estimate_s=10)), base=BASE
    )
    engine.heartbeat(WorkerProfile("w"), kind="worker", state="idle")

    assert foreseen_s(engine, run) == pytest.approx(20)


def test_limits_in_force_are_foreseen(engine: Engine) -> None:
    """Four workers, but one at a time."""
    run = engine.submit(make_plan(*(make_task(f"d{n}", estimate_s=10) for n in range(4))), base=BASE)
    for number in range(4):
        engine.heartbeat(WorkerProfile(f"w{number}"), kind="worker", state="idle")
    assert foreseen_s(engine, run) == pytest.approx(10)

    engine.limit("general", 1)

    assert foreseen_s(engine, run) == pytest.approx(40)


def test_a_backoff_is_foreseen(store: Store) -> None:
    """Nobody begins before its end."""
    engine = Engine(store, "p", retry_base_ms=60_000, retry_cap_ms=60_000)
    run = engine.submit(make_plan(make_task("a", estimate_s=10)), base=BASE)
    worker = WorkerProfile("w")
    engine.heartbeat(worker, kind="worker", state="idle")
    claim = engine.claim(worker, "c1")
    assert claim is not None

    engine.fail(claim, Failure(FailureKind.TASK_ERROR, "no"))

    assert 35 <= (foreseen_s(engine, run) or 0) <= 70


def test_a_task_that_has_outlived_its_estimate_is_not_about_to_end(engine: Engine) -> None:
    """It is believed to take half as long again as it has taken."""
    run = engine.submit(make_plan(make_task("a", estimate_s=1)), base=BASE)
    worker = WorkerProfile("w")
    assert engine.claim(worker, "c1") is not None
    engine.heartbeat(worker, kind="worker", state="busy")
    now = take_snapshot(engine, run)

    later = now._replace(taken_ms=now.taken_ms + 12_000)

    assert remaining_s(later, {}) == pytest.approx(6, abs=0.5)


@pytest.mark.parametrize("kind", ["docs", "*"])
def test_a_run_with_a_task_of_a_paused_type_is_not_foreseen(engine: Engine, kind: str) -> None:
    """Nobody knows when it goes on."""
    run = engine.submit(make_plan("a", make_task("b", after=["a"], type="docs")), base=BASE)
    engine.heartbeat(WorkerProfile("w"), kind="worker", state="idle")
    assert foreseen_s(engine, run) is not None

    engine.pause_type(kind)

    assert foreseen_s(engine, run) is None


@pytest.mark.parametrize(
    "lacking",
    [{"type": "docs"}, {"executor": "messages"}, {"needs": ["gpu"]}],
    ids=["type", "executor", "tag"],
)
def test_a_run_that_cannot_move_is_not_foreseen(engine: Engine, lacking: dict[str, object]) -> None:
    """A time of arrival beside a task that nobody could take would be a lie."""
    late = make_task("late", after=["a"], **lacking)  # type: ignore[arg-type]  # one of three fields
    run = engine.submit(make_plan("a", late), base=BASE)
    worker = WorkerProfile("w", types=("general",), executors=("command",))
    engine.heartbeat(worker, kind="worker", state="idle")

    assert foreseen_s(engine, run) is None


def test_a_paused_run_is_not_foreseen(engine: Engine) -> None:
    """Until somebody lets it go on."""
    run = engine.submit(make_plan("a"), base=BASE)
    engine.heartbeat(WorkerProfile("w"), kind="worker", state="idle")
    assert foreseen_s(engine, run) is not None

    engine.pause(run)

    assert foreseen_s(engine, run) is None
