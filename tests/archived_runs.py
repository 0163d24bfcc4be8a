"""Runs that an archiver takes."""

from collections.abc import Callable

from swarm.archive.archiver import Archiver
from swarm.engine.claims import Failure
from swarm.engine.engine import Engine
from swarm.states import FailureKind
from swarm.testing.plans import BASE, make_plan, make_task
from swarm.testing.stages import WORKER

Fresh = Callable[[], Archiver]


def ended_run(engine: Engine, key: str = "") -> str:
    """A run whose first task failed, after a name that is no UTF-8."""
    plan = make_plan(make_task("eins", files=["a.py"]), make_task("zwei", after=["eins"]), "drei")
    run = engine.submit(plan, base=BASE, key=key)
    claim = engine.claim(WORKER, f"claim-{run}")
    assert claim is not None
    engine.fail(claim, Failure(FailureKind.TASK_ERROR, "grün \udcff", retryable=False, evidence="a\nb"))
    other = engine.claim(WORKER, f"claim2-{run}")
    assert other is not None
    engine.start(other)
    engine.finish(other)
    assert engine.run(run).state.is_terminal
    return run
