"""Reads for people: queue depths, held locks, the newest events. They change nothing and decide nothing."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from swarm.engine.engine import Engine
from swarm.engine.records import Event, TaskRecord
from swarm.keys import member
from swarm.plan.scope import WHOLE_REPOSITORY, overlap
from swarm.states import TaskState

RECENT = 12
_LOOK_BACK = 200
_HOLDING = (TaskState.ACKED, TaskState.RUNNING, TaskState.MERGING)


@dataclass(frozen=True)
class QueueDepth:
    """One type's queue."""

    type: str
    ready: int  # claimable now
    parked: int  # waits for a lock


@dataclass(frozen=True)
class Backlog:
    """Every queue of a project, and what is between queues."""

    queues: tuple[QueueDepth, ...]
    delayed: int  # in backoff
    leased: int  # acked or running
    merging: int
    dead: int  # failed for good


@dataclass(frozen=True)
class LockRecord:
    """One path that a task holds."""

    path: str  # as the plan writes it: a path or a glob
    mode: str  # exclusive or shared
    run: str
    task: str
    worker_id: str
    since_ms: int
    waiters: tuple[str, ...] = ()  # <run>/<task> of those parked on it


def queue_depths(engine: Engine) -> list[QueueDepth]:
    """The depth of each type's queue, by name."""
    return list(backlog(engine).queues)


def backlog(engine: Engine) -> Backlog:
    """All depths, each the answer of one ZCARD."""
    keys, store = engine.keys, engine.store
    types = sorted(_text(name) for name in _items(store.call("SMEMBERS", keys.of("types"))))
    whole = ("delayed", "leases", "merging", "dead")
    names = [keys.of(part, name) for name in types for part in ("queue", "parked")]
    replies = store.pipeline([("ZCARD", name) for name in [*names, *(keys.of(part) for part in whole)]])
    counts = [reply if isinstance(reply, int) else 0 for reply in replies]
    queues = tuple(QueueDepth(name, counts[2 * i], counts[2 * i + 1]) for i, name in enumerate(types))
    delayed, leased, merging, dead = counts[2 * len(types) :]
    return Backlog(queues, delayed, leased, merging, dead)


def held_locks(engine: Engine) -> list[LockRecord]:
    """Every lock that a task of any live run holds, with who waits for it."""
    tasks = [
        task
        for run in engine.run_ids()
        if not engine.run(run).state.is_terminal
        for task in engine.tasks(run)
    ]
    return locks_of(tasks)


def locks_of(tasks: Iterable[TaskRecord]) -> list[LockRecord]:
    """The locks of these tasks: a task holds its whole scope from `acked` to the end of `merging`."""
    tasks = list(tasks)
    parked: dict[str, list[str]] = defaultdict(list)
    for task in tasks:
        if task.parked_on and task.state is TaskState.QUEUED:
            parked[task.parked_on].append(member(task.run, task.spec.id))
    held = [
        (task, path, mode)
        for task in tasks
        if task.state in _HOLDING
        for mode, paths in (("exclusive", task.spec.files), ("shared", task.spec.reads))
        for path in paths
    ]
    return [
        LockRecord(
            path, mode, task.run, task.spec.id, task.worker_id, task.claimed_ms, _waiters(path, parked)
        )
        for task, path, mode in held
    ]


def recent_events(engine: Engine, run: str, limit: int = RECENT) -> list[Event]:
    """The newest events of a run, oldest first; looks at the last `_LOOK_BACK` of the project."""
    found = [event for event in engine.newest_events(_LOOK_BACK) if event.run == run]
    return found[-limit:]


def _waiters(path: str, parked: dict[str, list[str]]) -> tuple[str, ...]:
    return tuple(
        waiter
        for blocked_on, waiters in parked.items()
        if overlap(path, blocked_on.strip("/") or WHOLE_REPOSITORY)
        for waiter in waiters
    )
