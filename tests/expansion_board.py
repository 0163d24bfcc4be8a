"""A run whose tasks are claimed by name: what the tests of expanding and extending share."""

from swarm.engine.claims import Claim, Failure, WorkerProfile
from swarm.engine.engine import Engine
from swarm.plan.model import Plan
from swarm.states import FailureKind
from swarm.testing.plans import BASE, make_plan, make_task

WORKER = WorkerProfile("worker-a")
FATAL = Failure(FailureKind.TASK_ERROR, "no", retryable=False)
DIAMOND = make_plan(
    "a", make_task("b", after=["a"]), make_task("c", after=["a"]), make_task("d", after=["b", "c"])
)


class Board:
    """Claims tasks by name, and tells where all tasks of a run stand."""

    def __init__(self, engine: Engine, plan: Plan, *, fail_fast: bool = False) -> None:
        self.engine = engine
        self.run = engine.submit(plan, base=BASE, fail_fast=fail_fast)
        self._number = 0
        self._held: dict[str, Claim] = {}

    def claim(self, task: str) -> Claim:
        """The claim of a task that can be claimed now; others are held meanwhile."""
        while task not in self._held:
            self._number += 1
            claim = self.engine.claim(WORKER, f"c{self._number}")
            assert claim is not None, f"{task} cannot be claimed: {self.states()}"
            self._held[claim.task.id] = claim
        return self._held.pop(task)

    def finish(self, *tasks: str) -> None:
        """Finish tasks, one after another."""
        for task in tasks:
            self.engine.finish(self.claim(task))

    def expand(self, task: str, plan: Plan = DIAMOND) -> list[str]:
        """Expand a task."""
        return self.engine.expand(self.claim(task), plan)

    def states(self) -> dict[str, str]:
        """Task -> state."""
        return {record.spec.id: str(record.state) for record in self.engine.tasks(self.run)}

    def state(self, task: str) -> str:
        """One task's state."""
        return str(self.engine.task(self.run, task).state)

    def times_queued(self) -> dict[str, int]:
        """Task -> how often events say that it was let go on."""
        count: dict[str, int] = {}
        for event in self.engine.events(limit=5000):
            ids = event.fields.get("ids", "") if event.kind == "tasks_queued" else ""
            for name in filter(None, [*ids.split("\n"), *event.fields.get("queued", "").split("\n")]):
                count[name] = count.get(name, 0) + 1
        return count
