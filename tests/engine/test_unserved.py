"""A queue that nobody serves is reported after five minutes, and every five minutes again."""

from swarm.engine.claims import WorkerProfile
from swarm.engine.engine import Engine
from swarm.engine.store import Store
from swarm.engine.words import text_of
from swarm.observe.story import tell_event
from swarm.observe.wording import time_of_day
from swarm.testing.clock import SkewedClock
from swarm.testing.plans import BASE, make_plan, make_task

OTHER = WorkerProfile("other", types=("general",), tags=("big",))
COMMANDS = WorkerProfile("no-model", executors=("command",))


def pass_time(engine: Engine, clock: SkewedClock, minutes: float, *alive: WorkerProfile) -> None:
    """Ticks all the way, with these workers alive."""
    for _ in range(int(minutes * 15)):
        clock.advance(ms=4_000)
        for worker in alive:
            engine.heartbeat(worker, kind="worker", state="idle")
        engine.reclaim_expired()


def reports(engine: Engine) -> list[str]:
    return [event.fields["type"] for event in engine.events() if event.kind == "type_unserved"]


def since(engine: Engine) -> str:
    """Since when the only queue that is reported has not been served."""
    (unserved,) = engine.unserved().values()
    return time_of_day(unserved.since_ms)


def commands_run(store: Store) -> int:
    """How many commands the server has run, those of scripts among them."""
    lines = text_of(store.call("INFO", "commandstats")).splitlines()
    return sum(int(line.partition("calls=")[2].partition(",")[0]) for line in lines if "calls=" in line)


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

    pass_time(engine, clock, 6, COMMANDS)

    assert reports(engine) == ["general"]
    assert [unserved.executor for unserved in engine.unserved().values()] == ["messages"]
    told = [tell_event(event) for event in engine.events() if event.kind == "type_unserved"]
    what = f"no worker runs executor 'messages' (queue 'general') since {since(engine)}"
    assert told == [f"{what}: set ANTHROPIC_API_KEY where workers start"]


def test_without_any_worker_it_is_the_queue_that_nobody_serves(engine: Engine, clock: SkewedClock) -> None:
    """Whoever starts a worker learns then that it has no model."""
    engine.submit(make_plan(make_task("think", executor="messages")), base=BASE)

    pass_time(engine, clock, 6)

    assert [unserved.executor for unserved in engine.unserved().values()] == [""]


def test_what_is_missing_counts_since_it_is(engine: Engine, clock: SkewedClock) -> None:
    """A queue that lacked an executor and now lacks all workers was served until a moment ago."""
    engine.submit(make_plan(make_task("think", executor="messages")), base=BASE)
    pass_time(engine, clock, 6, COMMANDS)

    pass_time(engine, clock, 4)

    assert reports(engine) == ["general"]
    assert engine.unserved() == {}


def test_a_task_behind_others_that_can_be_done_is_noticed(engine: Engine, clock: SkewedClock) -> None:
    """Before it is the best of its queue."""
    many = [make_task(f"do-{number}", estimate_s=900) for number in range(10)]
    engine.submit(make_plan(*many, make_task("think", executor="messages")), base=BASE)

    pass_time(engine, clock, 6, COMMANDS)

    assert reports(engine) == ["general"]


def test_a_look_costs_a_bounded_number_of_commands(engine: Engine, clock: SkewedClock, store: Store) -> None:
    """However long and however many the queues are."""
    kinds = [f"t{number}" for number in range(100)]
    engine.submit(
        make_plan(*(make_task(f"{kind}-{number}", type=kind) for kind in kinds for number in range(15))),
        base=BASE,
    )
    clock.advance(ms=20_000)
    engine.heartbeat(COMMANDS, kind="worker", state="idle")
    before = commands_run(store)

    engine.reclaim_expired()

    assert commands_run(store) - before < 800


def test_an_empty_queue_needs_nobody(engine: Engine, clock: SkewedClock) -> None:
    """What has been done is not waited for."""
    engine.submit(make_plan("a"), base=BASE)
    held = engine.claim(OTHER, "1")
    assert held is not None
    engine.finish(held)

    pass_time(engine, clock, 6)

    assert reports(engine) == []
