"""Where a run stands: those of its tasks that somebody works on, that wait for a lock, or for a person."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from swarm.engine.records import QueueRecord, TaskRecord
from swarm.keys import split_member
from swarm.states import TaskState

if TYPE_CHECKING:
    from swarm.engine.reads import Reads

_BUSY = (TaskState.FAILED, TaskState.MERGING, TaskState.RUNNING, TaskState.ACKED)


class Standing(NamedTuple):
    """The tasks of a run to look at first."""

    shown: tuple[TaskRecord, ...]  # the first few, in the plan's order
    moving: int  # how many there are
    needs_person: int  # how many of them wait for a person


def standing_of(tasks: Iterable[TaskRecord], most: int) -> Standing:
    """From all tasks of a run."""
    moving = [task for task in tasks if task.state in _BUSY or task.parked_on or task.needs_person]
    return Standing(tuple(moving[:most]), len(moving), sum(task.needs_person for task in moving))


def read_standing(reads: "Reads", queues: Sequence[QueueRecord], run: str, most: int) -> Standing:
    """The same from what lists such tasks, of the whole project: only those that are shown are read."""
    sets = [("leases", ""), ("merging", ""), ("dead", "")]
    sets += [("parked", queue.type) for queue in queues if queue.parked]
    found = {part: set[str]() for part, _ in sets}
    for part, name in sets:
        members = map(split_member, reads.members(part, name))
        found[part].update(task for owner, task in members if owner == run)
    ids = reads.in_order(run, sorted(set().union(*found.values())))
    return Standing(tuple(reads.some_tasks(run, ids[:most])), len(ids), len(found["dead"]))
