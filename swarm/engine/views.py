"""Reads for people that join several of the engine's answers; they change nothing and decide nothing."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from swarm.engine.engine import Engine
from swarm.engine.records import AgentRecord, Event, LockRecord, QueueRecord, TaskRecord
from swarm.keys import member, split_member
from swarm.states import TaskState

RECENT = 12
ALIVE_MS = 20_000
"""Whoever was seen this lately counts as alive (heartbeats come every 5 s); it decides no lease."""

_LOOK_BACK = 200
_MODES = {"X": "exclusive", "S": "shared"}


@dataclass(frozen=True)
class Backlog:
    """Every queue of a project, and what is between queues; each number is one ZCARD."""

    queues: tuple[QueueRecord, ...]
    delayed: int  # in backoff
    leased: int  # acked or running
    merging: int
    dead: int  # failed for good


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


def is_alive(agent: AgentRecord, now_ms: int) -> bool:
    """The agent was seen lately; one that was killed stays listed until its tasks are taken back."""
    return now_ms - agent.seen_ms < ALIVE_MS


def backlog(engine: Engine) -> Backlog:
    """All depths of a project."""
    delayed, leased, merging, dead = (engine.depth(part) for part in ("delayed", "leases", "merging", "dead"))
    return Backlog(tuple(engine.queues()), delayed, leased, merging, dead)


def held_locks(engine: Engine) -> list[HeldLock]:
    """Every lock held now, by path, with who holds it and who waits for it."""
    live = [run for run in engine.run_ids() if not engine.run(run).state.is_terminal]
    return join_locks(engine.locks(), [task for run in live for task in engine.tasks(run)])


def join_locks(locks: Iterable[LockRecord], tasks: Iterable[TaskRecord]) -> list[HeldLock]:
    """Put names to locks: the holder's worker, and the tasks parked on each path."""
    by_member = {member(task.run, task.spec.id): task for task in tasks}
    waiting: dict[str, list[str]] = defaultdict(list)
    for name, task in by_member.items():
        if task.parked_on and task.state is TaskState.QUEUED:
            waiting[task.parked_on.strip("/")].append(name)
    return [_held(lock, by_member, waiting) for lock in locks]


def recent_events(engine: Engine, run: str, limit: int = RECENT) -> list[Event]:
    """The newest events of a run, oldest first; looks at the last `_LOOK_BACK` of the project."""
    found = [event for event in engine.newest_events(_LOOK_BACK) if event.run == run]
    return found[-limit:]


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
