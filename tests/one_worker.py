"""One worker that can do everything, and what became of a run: what tests of the engine share."""

from swarm.engine.claims import Claim, WorkerProfile
from swarm.engine.engine import Engine

WORKER = WorkerProfile("worker-a")


def claim(engine: Engine, number: int | str = 1) -> Claim:
    """The worker's claim number so and so, which must succeed."""
    found = engine.claim(WORKER, f"claim-{number}")
    assert found is not None
    return found


def states(engine: Engine, run: str) -> dict[str, str]:
    """Task -> state, in the plan's order."""
    return {task.spec.id: task.state.value for task in engine.tasks(run)}
