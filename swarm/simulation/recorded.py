"""A run as it was recorded, to be run again in virtual time."""

from collections.abc import Mapping
from dataclasses import dataclass

from swarm.engine.reads import Reads
from swarm.engine.spliced import as_happened
from swarm.plan.model import Plan
from swarm.states import TaskState


@dataclass(frozen=True)
class RecordedRun:
    """What a run was given, and what it took."""

    run: str
    plan: Plan
    durations_s: Mapping[str, float]  # that workers held a task, in all its attempts; of those that are done
    workers: int  # the most that were ever alive at once
    makespan_s: float  # from submission to the end, or to now

    @property
    def unmeasured(self) -> int:
        """Tasks that did not become done: they count with their estimates."""
        return len(self.plan.tasks) - len(self.durations_s)


def recorded_run(reads: Reads, run: str) -> RecordedRun:
    """Read a run and its measurements. Raises UnknownRunError."""
    record, tasks = reads.run(run), reads.tasks(run)
    until_ms = record.ended_ms or reads.now_ms()
    return RecordedRun(
        run=run,
        plan=Plan(tuple(as_happened(tasks)), goal=record.goal),
        durations_s={task.spec.id: task.busy_ms / 1000 for task in tasks if task.state is TaskState.DONE},
        workers=record.workers,
        makespan_s=max(0, until_ms - record.submitted_ms) / 1000,
    )
