"""A queue that nobody serves is reported after five minutes, and every five minutes again."""

from swarm.engine.claims import WorkerProfile
from swarm.engine.engine import Engine
from swarm.testing.clock import SkewedClock
from swarm.testing.plans import BASE, make_plan, make_task

OTHER = WorkerProfile("other", types=("general",), tags=("big",))
MINUTE = 60_000


def pass_time(engine: Engine, clock: SkewedClock, minutes: float, *alive: WorkerProfile) -> None:
    """Ticks all the way, with these workers alive."""
    for _ in range(int(minutes * 15)):
        clock.advance(ms=4_000)
        for worker in alive:
            engine.heartbeat(worker, kind="worker", state="idle")
        engine.reclaim_expired()


def reports(engine: Engine) -> list[str]:
    return [event.fields["type"] for event in engine.events() if event.kind == "type_unserved"]


def test_a_type_that_nobody_serves_is_reported_once_in_five_minutes(
    engine: Engine, clock: SkewedClock
) -> None:
    """With since when; whoever asks reads it as long as it holds."""
    engine.submit(make_plan(make_task("ui", type="frontend")), base=BASE)

    pass_time(engine, clock, 4, OTHER)
    assert (reports(engine), engine.unserved()) == ([], {})
    pass_time(engine, clock, 2, OTHER)
    assert reports(engine) == ["frontend"]
    pass_time(engine, clock, 5, OTHER)

    assert reports(engine) == ["frontend", "frontend"]
    assert list(engine.unserved()) == ["frontend"]


def test_a_queue_whose_tags_nobody_has_is_reported(engine: Engine, clock: SkewedClock) -> None:
    """A worker of the type is not enough."""
    engine.submit(make_plan(make_task("train", needs=["gpu"]), "plain"), base=BASE)

    pass_time(engine, clock, 6, OTHER)

    assert reports(engine) == ["general+gpu"]


def test_a_worker_that_comes_ends_the_report(engine: Engine, clock: SkewedClock) -> None:
    """Although it has not taken the task yet."""
    engine.submit(make_plan(make_task("ui", type="frontend")), base=BASE)
    pass_time(engine, clock, 6)
    assert list(engine.unserved()) == ["frontend"]

    pass_time(engine, clock, 0.5, WorkerProfile("late"))

    assert engine.unserved() == {}


def test_an_executor_that_nobody_has_leaves_a_queue_unserved(engine: Engine, clock: SkewedClock) -> None:
    """Workers without a model do not serve a model's task."""
    engine.submit(make_plan(make_task("think", executor="messages")), base=BASE)

    pass_time(engine, clock, 6, WorkerProfile("no-model", executors=("command",)))

    assert reports(engine) == ["general"]


def test_an_empty_queue_needs_nobody(engine: Engine, clock: SkewedClock) -> None:
    """What has been done is not waited for."""
    engine.submit(make_plan("a"), base=BASE)
    held = engine.claim(OTHER, "1")
    assert held is not None
    engine.finish(held)

    pass_time(engine, clock, 6)

    assert reports(engine) == []
