"""Pausing: nothing new is given out, what is held goes on, and nobody pays for what waits."""

import pytest

from swarm.engine.claims import Claim, Finish, WorkerProfile
from swarm.engine.engine import Engine
from swarm.engine.records import QueueRecord
from swarm.engine.store import Store
from swarm.engine.words import text_of
from swarm.states import RunState, TaskState
from swarm.testing.plans import BASE, make_plan, make_task

WORKER = WorkerProfile("worker-a")


def claim(engine: Engine, name: str) -> Claim | None:
    return engine.claim(WORKER, name)


def test_a_paused_run_goes_on_with_what_is_held_and_gives_out_nothing_new(engine: Engine) -> None:
    """Even what its own tasks trigger waits."""
    run = engine.submit(make_plan("a", make_task("b", after=["a"])), base=BASE)
    held = claim(engine, "1")
    assert held is not None

    engine.pause(run)
    engine.start(held)
    engine.finish(held)

    assert engine.run(run).is_paused
    assert engine.task(run, "b").state is TaskState.QUEUED
    assert claim(engine, "2") is None


def test_what_stood_aside_is_given_out_again_in_its_order(engine: Engine) -> None:
    """The most urgent first, as if nothing had been."""
    run = engine.submit(make_plan(*(make_task(f"t{n}", estimate_s=9 - n) for n in range(3))), base=BASE)
    engine.pause(run)
    assert claim(engine, "1") is None

    assert engine.resume(run) == 3

    found = claim(engine, "2")
    assert found is not None
    assert found.task.id == "t0"
    assert not engine.run(run).is_paused


def test_many_tasks_of_a_paused_run_stand_in_nobodys_way(engine: Engine, store: Store) -> None:
    """They are moved aside once; from then on a claim costs what it costs without them."""
    other = engine.submit(make_plan(*(f"o{n}" for n in range(4))), base=BASE)
    usual = _commands(store, lambda: claim(engine, "0"))
    many = engine.submit(
        make_plan(*(make_task(f"t{n}", estimate_s=99) for n in range(1_000)), goal="many"), base=BASE
    )
    engine.pause(many)

    first = claim(engine, "1")
    cost = _commands(store, lambda: claim(engine, "2"))

    assert first is not None
    assert first.run == other
    assert cost <= usual + 1
    assert engine.queues() == [QueueRecord("general", queued=1, parked=0)]
    assert engine.resume(many) == 1_000


def _commands(store: Store, act: object) -> int:
    def count() -> int:
        lines = text_of(store.call("INFO", "stats")).splitlines()
        return next(int(line.split(":")[1]) for line in lines if line.startswith("total_commands_processed"))

    before = count()
    assert callable(act)
    act()
    return count() - before


def test_a_paused_type_does_not_hold_up_the_others(engine: Engine) -> None:
    """Its queue is not looked at."""
    engine.submit(
        make_plan(make_task("ui", type="frontend", estimate_s=9), make_task("doc", type="docs")), base=BASE
    )

    engine.pause_type("frontend")

    found = claim(engine, "1")
    assert found is not None
    assert found.task.id == "doc"
    assert claim(engine, "2") is None
    engine.resume_type("frontend")
    assert claim(engine, "3") is not None


def test_a_paused_project_gives_out_nothing(engine: Engine) -> None:
    """Whatever type a worker names."""
    engine.submit(make_plan("a"), base=BASE)

    engine.pause_type()

    assert claim(engine, "1") is None
    assert engine.claim(WorkerProfile("b", types=("general",)), "2") is None
    assert engine.controls().paused == ("*",)
    engine.resume_type()
    assert claim(engine, "3") is not None


@pytest.mark.parametrize("what", ["run", "general", "*"])
def test_the_next_task_is_not_taken_with_the_end_of_the_last_while_paused(engine: Engine, what: str) -> None:
    """Finish-and-claim finishes, and claims nothing."""
    run = engine.submit(make_plan("a", "b", goal=what), base=BASE)
    held = claim(engine, "1")
    assert held is not None
    if what == "run":
        engine.pause(run)
    else:
        engine.pause_type(what)

    assert engine.end_and_claim(held, Finish(), WORKER, "2") is None

    assert engine.run(run).counts[TaskState.DONE] == 1


def test_a_paused_task_can_be_cancelled_and_skipped(engine: Engine) -> None:
    """It leaves the place where it stood aside."""
    run = engine.submit(make_plan("a", "b"), base=BASE)
    engine.pause(run)
    assert claim(engine, "1") is None

    engine.skip(run, "a")
    engine.cancel(run, "b")

    assert engine.run(run).state is RunState.CANCELLED
    assert engine.resume(run) == 0


def test_pausing_again_while_a_run_is_taken_up_keeps_the_rest_aside(engine: Engine) -> None:
    """The work that is left over looks before it goes on."""
    run = engine.submit(make_plan(*(f"t{n}" for n in range(400))), base=BASE)
    engine.pause(run)
    assert claim(engine, "1") is None
    caller = engine._caller
    caller.call("resume", run, "", caller.new_op())

    engine.pause(run)
    caller.drain_work()

    assert claim(engine, "2") is None
    assert engine.resume(run) == 400


def test_a_waiting_worker_is_woken_when_a_run_is_taken_up(engine: Engine) -> None:
    """Each task that comes back rings."""
    run = engine.submit(make_plan("a"), base=BASE)
    engine.pause(run)
    assert claim(engine, "1") is None
    while engine.wait(WORKER, timeout_s=0.01):
        pass

    engine.resume(run)

    assert engine.wait(WORKER, timeout_s=0.05)
