"""Why a task is where it is, where time has to pass: crashes, deadlines, backoff."""

from dataclasses import replace

from swarm.engine.claims import Failure, WorkerProfile
from swarm.engine.engine import Engine
from swarm.engine.on_demand import TasksOnDemand
from swarm.engine.views import surroundings
from swarm.observe.steps import next_steps
from swarm.observe.why import causes
from swarm.observe.wording import time_of_day
from swarm.states import FailureKind
from swarm.testing.clock import SkewedClock
from swarm.testing.plans import BASE, make_plan, make_task

PLAIN = WorkerProfile("w-1")


def why(engine: Engine, run: str, task: str) -> str:
    """The first link."""
    around = surroundings(engine, run)
    return causes(TasksOnDemand(engine, around.run), around, task)[0].text


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


def test_a_task_that_was_never_begun_has_no_log_to_look_at(engine: Engine, clock: SkewedClock) -> None:
    """Its deadline passed in the queue: a retry is what is left."""
    run = engine.submit(make_plan(replace(make_task("late"), deadline_s=10)), base=BASE)
    for _ in range(4):
        clock.advance(ms=4_000)
        engine.reclaim_expired()

    steps = next_steps(surroundings(engine, run), engine.task(run, "late"), ())

    assert steps == (f"swarm retry {run} --task late", f"swarm skip {run} late")


def test_a_task_in_backoff_says_until_when_by_the_clock(engine: Engine, clock: SkewedClock) -> None:
    """And for how long, for whoever has none at hand."""
    run = engine.submit(make_plan("api"), base=BASE)
    held = engine.claim(PLAIN, "claim")
    assert held is not None
    clock.advance(ms=1)
    engine.fail(held, Failure(FailureKind.TASK_ERROR, "exit code 1"))
    until = time_of_day(engine.task(run, "api").not_before_ms)

    text = why(engine, run, "api")

    assert text.startswith(f"queued: in backoff until {until}, ")
    assert "s more after attempt 1 failed" in text
