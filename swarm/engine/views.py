"""Reads for people that join several answers of the queue; they change nothing and decide nothing."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from swarm.engine.records import (
    NO_CONTROLS,
    AgentRecord,
    Controls,
    LockRecord,
    QueueRecord,
    RunRecord,
    SlotRecord,
)
from swarm.engine.snapshot import is_alive
from swarm.keys import split_member

if TYPE_CHECKING:
    from swarm.engine.reads import Reads

DEAD_SHOWN = 20

SHARED = "shared"
_MODES = {"X": "exclusive", "S": SHARED}


class DeadLetter(NamedTuple):
    """A task that has failed for good and waits for a person."""

    run: str
    task: str
    failed_ms: int
    kind: str  # a FailureKind
    reason: str
    attempts: int


@dataclass(frozen=True)
class Backlog:
    """Every queue of a project, and what is between queues; each number is one ZCARD."""

    queues: tuple[QueueRecord, ...]
    delayed: int  # in backoff
    leased: int  # acked or running
    merging: int
    dead: int  # failed for good
    aside: Mapping[
        str, int
    ]  # paused run -> how many of its ready tasks claims have taken out of their queues
    controls: Controls
    dead_letters: tuple[DeadLetter, ...] = ()  # the newest


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
    state: str = ""  # the holder's: its task's
    widened: tuple[str, ...] = ()  # what it covers of that by which the task's write scope was widened


@dataclass(frozen=True)
class Surroundings:
    """What tasks of a run may be waiting for beside each other: workers, people, locks, the merge slot."""

    run: RunRecord
    now_ms: int  # Redis'
    alive: tuple[AgentRecord, ...] = ()  # workers and supervisors that were seen lately
    controls: Controls = NO_CONTROLS  # what people have ordered
    locks: tuple[HeldLock, ...] = ()  # without who waits for them
    holders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # limited type -> <run>/<task> held
    slot: SlotRecord | None = None
    turn: str = ""  # <run>/<task> whose scope nobody else gets


def backlog(queue: "Reads") -> Backlog:
    """All depths of a project."""
    delayed, leased, merging, dead = (queue.depth(part) for part in ("delayed", "leases", "merging", "dead"))
    paused = queue.paused_runs()
    aside = {run: queue.depth("paused", run) for run in queue.active_runs()}
    aside = {run: count for run, count in aside.items() if count or run in paused}
    letters = tuple(DeadLetter(*row) for row in queue.dead(DEAD_SHOWN)) if dead else ()
    return Backlog(tuple(queue.queues()), delayed, leased, merging, dead, aside, queue.controls(), letters)


def held_locks(queue: "Reads") -> list[HeldLock]:
    """Every lock held now, by path, with who holds it and who waits for it."""
    return join_locks(queue.locks(), queue.parked())


def join_locks(locks: Iterable[LockRecord], parked: Mapping[str, str]) -> list[HeldLock]:
    """Put the tasks that are parked on a path beside whoever holds it."""
    waiting: dict[str, list[str]] = defaultdict(list)
    for name, path in parked.items():
        waiting[path.strip("/")].append(name)
    return [_held(lock, waiting) for lock in locks]


def surroundings(queue: "Reads", run: str) -> Surroundings:
    """Look at what else a run's tasks may be waiting for; nothing here grows with the run.

    Raises:
        UnknownRunError: there is no such run.
    """
    record, controls, now_ms = queue.run(run), queue.controls(), queue.now_ms()
    return Surroundings(
        run=record,
        now_ms=now_ms,
        alive=tuple(agent for agent in queue.agents() if is_alive(agent, now_ms)),
        controls=controls,
        locks=tuple(join_locks(queue.locks(), {})),
        holders={kind: tuple(queue.holders(kind)) for kind in controls.limits},
        slot=queue.slot(record.branch),
        turn=queue.turn(),
    )


def _held(lock: LockRecord, waiting: Mapping[str, list[str]]) -> HeldLock:
    run, task = split_member(lock.holder)
    return HeldLock(
        path=lock.path,
        mode=_MODES.get(lock.mode, lock.mode),
        run=run,
        task=task,
        worker_id=lock.worker_id,
        since_ms=lock.since_ms,
        waiters=tuple(waiting.get(lock.path.strip("/"), ())),
        state=lock.state,
        widened=lock.widened,
    )
