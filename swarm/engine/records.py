"""What is stored, as values: runs, tasks, agents, queues, locks, events; all that whoever only looks needs.

Named tuples, because commands that only look start in milliseconds: a frozen dataclass takes four times as
long to make.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from swarm.models.usage import Usage
from swarm.plan.model import TaskSpec
from swarm.states import RunState, TaskState

_NOTHING = Usage()


class FailedAttempt(NamedTuple):
    """One attempt that ended without landing: what went wrong, and what had been tried."""

    attempt: int
    kind: str  # a FailureKind
    message: str  # at most 400 bytes
    retryable: bool
    state: str  # what became of the task
    worker: str
    executor: str
    tier: str
    since_ms: int
    ended_ms: int


class TaskRecord(NamedTuple):
    """One task as stored; times are Redis' milliseconds since 1970, 0 for not yet."""

    run: str
    spec: TaskSpec
    state: TaskState
    attempt: int = 0
    failures: int = 0  # charged
    setbacks: int = 0  # not charged: the provider's or the infrastructure's; the eighth is final
    crashes: int = 0
    token: int = 0
    worker_id: str = ""  # who holds it, or held its last attempt when it has ended
    waiting_for: tuple[str, ...] = ()  # dependencies that are not done
    parked_on: str = ""  # path of the lock it waits for
    parked_ms: int = 0  # since when it has waited for locks; what it tried in between does not count
    not_before_ms: int = 0
    lease_ends_ms: int = 0
    queued_ms: int = 0
    claimed_ms: int = 0
    started_ms: int = 0
    handed_in_ms: int = 0
    merge_begun_ms: int = 0
    ended_ms: int = 0
    lock_wait_ms: int = 0
    busy_ms: int = 0  # held by workers in earlier attempts and, once it is handed in, in this one
    base: str = ""
    attempt_commit: str = ""
    merged_commit: str = ""
    failure_kind: str = ""
    failure_reason: str = ""
    evidence: str = ""
    usage: Usage = _NOTHING  # of all attempts
    wasted: Usage = _NOTHING  # of attempts that did not land
    needs_person: bool = False
    deadline_ms: int = 0  # must have ended by then
    history: tuple[FailedAttempt, ...] = ()  # the last eight, the newest last
    tried_by: tuple[str, ...] = ()  # workers that failed it: others go first
    parts: tuple[str, ...] = ()  # what it was expanded into
    join: tuple[str, ...] = ()  # those of them that it waits for: their sinks
    part_of: str = ""  # the task that was expanded into it and others
    widened: tuple[str, ...] = ()  # what its write scope was widened by while it was worked on
    review: tuple[str, ...] = ()  # the verdict on what its last attempt handed in, and findings, a line each

    @property
    def planned_files(self) -> tuple[str, ...]:
        """The write scope that its plan gave it."""
        return tuple(pattern for pattern in self.spec.files if pattern not in self.widened)


class StoredLink(NamedTuple):
    """What ties a task to those before it, as stored: most are never looked at."""

    state: str
    skipped_ms: str
    spec: str  # encoded
    join: str


class RunRecord(NamedTuple):
    """One run as stored."""

    run: str
    state: RunState
    goal: str
    branch: str
    base: str
    tip: str  # newest commit on the branch
    submitted_ms: int
    ended_ms: int
    workers: int  # the most workers that were ever alive at once during it
    counts: Mapping[TaskState, int] = MappingProxyType({})
    conflicts: int = 0
    gate_failures: int = 0
    interventions: int = 0  # times a person had to act: retry, skip, approve
    usage: Usage = _NOTHING  # of all attempts that have ended
    wasted: Usage = _NOTHING  # of attempts that did not land
    is_paused: bool = False
    deadline_ms: int = 0  # must have ended by then
    is_fail_fast: bool = False  # the rest is called off when a task fails
    is_archived: bool = False  # Redis has forgotten it
    hub_id: str = ""  # name of the hub that it is in; empty: not known
    hub: str = ""  # where that is, without a login

    @property
    def landed(self) -> str:
        """The newest commit that has landed; empty before the first."""
        return "" if self.tip == self.base else self.tip


class AgentRecord(NamedTuple):
    """One worker or supervisor, as last seen."""

    worker_id: str
    kind: str  # worker or supervisor
    types: tuple[str, ...]
    host: str
    pid: int
    state: str  # idle, busy, draining
    task: str  # <run>/<task> or empty
    seen_ms: int
    done: int = 0
    failed: int = 0
    executors: tuple[str, ...] = ()  # empty when it has not said
    tags: tuple[str, ...] = ()
    hub_trouble: str = ""  # why it cannot use the hub
    hub_trouble_ms: int = 0  # since when
    is_dead: bool = False  # its process has ended, as seen from the host that it ran on


class Event(NamedTuple):
    """One event of the stream."""

    id: str  # its entry's, and its place there unless it is the first; begins with Redis' milliseconds
    kind: str
    run: str
    task: str
    fields: Mapping[str, str] = MappingProxyType({})


class ProgressRecord(NamedTuple):
    """How far a task has come: what ranking the rest of its run needs of it."""

    state: TaskState
    claimed_ms: int
    busy_ms: int
    score: int = 0


class DurationRecord(NamedTuple):
    """How long tasks of one type took, those that became done."""

    tasks: int
    total_ms: int  # held by workers, in all their attempts

    @property
    def mean_s(self) -> float:
        """What one takes."""
        return self.total_ms / self.tasks / 1000


class QueueRecord(NamedTuple):
    """One queue: of a task type and the tags that its tasks need."""

    type: str  # such as `docs`, or `docs+gpu`
    queued: int  # claimable now
    parked: int  # waiting for a lock


class Unserved(NamedTuple):
    """A queue with a task that no worker alive can do."""

    since_ms: int
    executor: str = (
        ""  # what the task needs and no worker of the queue runs; empty when nobody serves the queue
    )


class Controls(NamedTuple):
    """What people have ordered for the whole project (type `*`) or for a type."""

    paused: tuple[str, ...] = ()
    limits: Mapping[str, int] = MappingProxyType({})  # type -> how many tasks workers may hold at once


NO_CONTROLS = Controls()


class LockRecord(NamedTuple):
    """One lock, as held."""

    path: str  # ends in `/` when it covers everything under it; `/` is the whole repository
    mode: str  # X exclusive, S shared
    holder: str  # <run>/<task>
    token: int
    since_ms: int
    worker_id: str = ""  # who works, or worked, on the holder
    state: str = ""  # the holder's
    widened: tuple[str, ...] = ()  # what it covers of that by which the holder's scope was widened


class SlotRecord(NamedTuple):
    """The right to merge to a branch, while somebody has it."""

    merger: str
    train: tuple[str, ...]  # <run>/<task> of each that has not been settled, in order
    until_ms: int
