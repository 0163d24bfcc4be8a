"""Reads for people that join several answers of the queue; they change nothing and decide nothing."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from swarm.engine.records import Controls, LockRecord, QueueRecord, TaskRecord
from swarm.keys import member, split_member
from swarm.states import TaskState

if TYPE_CHECKING:
    from swarm.engine.reads import Reads

_MODES = {"X": "exclusive", "S": "shared"}


@dataclass(frozen=True)
class Backlog:
    """Every queue of a project, and what is between queues; each number is one ZCARD."""

    queues: tuple[QueueRecord, ...]
    delayed: int  # in backoff
    leased: int  # acked or running
    merging: int
    dead: int  # failed for good
    aside: Mapping[str, int]  # paused run -> how many of its ready tasks stand aside
    controls: Controls


@dataclass(frozen=True)
class HeldLock:
    """One path that a task holds, and who waits for it."""

    path: str  # ends in `/` when it covers everything under it; `/` is the whole repository
    mode: str  # exclusive or shared
    run: str
    task: str
    worker_id: str
    since_ms: int
    waiters: tuple[str, ...] = ()  # <run>/<task> of those parked on it


def backlog(queue: "Reads") -> Backlog:
    """All depths of a project."""
    delayed, leased, merging, dead = (queue.depth(part) for part in ("delayed", "leases", "merging", "dead"))
    aside = {run: queue.depth("paused", run) for run in queue.active_runs()}
    aside = {run: count for run, count in aside.items() if count}
    return Backlog(tuple(queue.queues()), delayed, leased, merging, dead, aside, queue.controls())


def held_locks(queue: "Reads") -> list[HeldLock]:
    """Every lock held now, by path, with who holds it and who waits for it."""
    return join_locks(queue.locks(), [task for run in queue.active_runs() for task in queue.tasks(run)])


def join_locks(locks: Iterable[LockRecord], tasks: Iterable[TaskRecord]) -> list[HeldLock]:
    """Put names to locks: the holder's worker, and the tasks parked on each path."""
    by_member = {member(task.run, task.spec.id): task for task in tasks}
    waiting: dict[str, list[str]] = defaultdict(list)
    for name, task in by_member.items():
        if task.parked_on and task.state is TaskState.QUEUED:
            waiting[task.parked_on.strip("/")].append(name)
    return [_held(lock, by_member, waiting) for lock in locks]


def _held(lock: LockRecord, tasks: Mapping[str, TaskRecord], waiting: Mapping[str, list[str]]) -> HeldLock:
    run, task = split_member(lock.holder)
    holder = tasks.get(lock.holder)
    return HeldLock(
        path=lock.path,
        mode=_MODES.get(lock.mode, lock.mode),
        run=run,
        task=task,
        worker_id=holder.worker_id if holder else "",
        since_ms=lock.since_ms,
        waiters=tuple(waiting.get(lock.path.strip("/"), ())),
    )
