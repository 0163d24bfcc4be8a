"""Lua is atomic but not transactional: a script that errs must have changed nothing before it did."""

import pytest

from swarm.engine.claims import Failure, WorkerProfile
from swarm.engine.engine import Engine
from swarm.engine.store import Store
from swarm.errors import StaleTokenError, StoreReplyError, UnknownRunError, UnknownTaskError
from swarm.states import FailureKind, TaskState
from swarm.testing.clock import SkewedClock
from swarm.testing.dumps import content, damage, dump, every_key, restore
from swarm.testing.plans import BASE, make_plan, make_task
from swarm.testing.stages import CALLS, STATES, WORKER, Stage

LOADING = dict.fromkeys(("activate", "deadlines", "fail_fast", "submit"), TaskState.PENDING)
OTHER = WorkerProfile("worker-b", types=("other",))


def crowd(engine: Engine) -> None:
    """Another run that fills every structure: parked, delayed, dead, shared and wide locks, an agent."""
    for worker in (WORKER, OTHER):
        engine.heartbeat(worker, kind="worker", state="busy")
    engine.submit(
        make_plan(
            make_task("fails", type="other"),
            make_task("reader", type="other", reads=["docs/"]),
            make_task("parked", type="other", files=["a.py"], reads=["docs/x.md"]),
        ),
        base=BASE,
        key="crowd",
    )
    for number in range(3):
        claim = engine.claim(OTHER, f"crowd-{number}")
        if claim and claim.task.id == "fails":
            engine.fail(claim, Failure(FailureKind.TASK_ERROR, "no"))


@pytest.mark.parametrize("verb", sorted(CALLS))
def test_a_script_that_errs_has_changed_nothing(
    engine: Engine, store: Store, clock: SkewedClock, verb: str
) -> None:
    """For every key there is: of another type, or gone; the script works or leaves all as it was."""
    stage = Stage(engine, store, clock, (STATES | LOADING).get(verb, TaskState.RUNNING))
    crowd(engine)
    sane = dump(store)
    errors = 0

    for name in every_key(sane, engine):
        for kind in ("wrong type", "missing"):
            restore(store, sane)
            damage(store, name, kind, sane)
            # A clock that is moved by the call itself would be a difference of its own.
            if verb == "reap":
                clock.advance(ms=engine.lease_ms + 1)
            before = content(store)
            try:
                _call(stage, verb)
            except StoreReplyError:
                errors += 1
                assert content(store) == before, (verb, name, kind)
            except (StaleTokenError, UnknownTaskError, UnknownRunError):
                assert content(store) == before, (verb, name, kind)

    restore(store, sane)
    assert errors > 0, "no damage made the script err: the test shows nothing"


def _call(stage: Stage, verb: str) -> object:
    """One script and no other: some methods of the engine go on with the work that a script leaves over."""
    caller = stage.engine._caller
    if verb == "reap":
        return caller.call("reap", caller.new_op(), stage.engine.lease_ms, 0)
    if verb == "reclaim_worker":
        return caller.call("reclaim_worker", "worker-a", caller.new_op(), 0)
    if verb == "resume":
        return caller.call(verb, stage.run, "", caller.new_op())
    if verb in {"retry", "skip"}:
        return caller.call(verb, stage.run, "task", caller.new_op(), "fresh")
    return CALLS[verb](stage)
