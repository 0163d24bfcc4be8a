"""The values that cross the engine's boundary."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from swarm.models.usage import Usage
from swarm.plan.model import TaskSpec
from swarm.states import FailureKind, RunState, TaskState


@dataclass(frozen=True)
class WorkerProfile:
    """Who claims, and what it can do."""

    worker_id: str  # unique for each process start, such as `host-4711-1`
    types: tuple[str, ...] = ("*",)  # task types it serves; `*` is all
    executors: tuple[str, ...] = ("command", "messages")
    host: str = ""
    pid: int = 0


@dataclass(frozen=True)
class Claim:
    """A task, held by one worker until its lease ends or its token is voided."""

    run: str
    task: TaskSpec
    attempt: int  # 1 for the first
    token: int  # fencing token, from one growing counter
    base: str  # commit to start from; contains the merge of every dependency
    branch: str  # integration branch, `swarm/<run>`
    lease_ms: int
    worker_id: str
    evidence: str = ""  # what earlier attempts failed with, for the agent's context


@dataclass(frozen=True)
class Renewal:
    """The answer to a renewal."""

    remaining_ms: int
    is_cancelled: bool


@dataclass(frozen=True)
class Failure:
    """What went wrong with an attempt."""

    kind: FailureKind
    reason: str  # one line for a person
    evidence: str = ""  # at most 64 KiB: output tail, conflict hunks, paths; goes to the next attempt
    retryable: bool = True


@dataclass(frozen=True)
class HandIn:
    """The attempt is durable in the hub and waits for its merge."""

    commit: str


@dataclass(frozen=True)
class Finish:
    """There is nothing to merge, and what was asked for holds."""


@dataclass(frozen=True)
class Fail:
    """The attempt did not work out."""

    failure: Failure


@dataclass(frozen=True)
class Release:
    """Somebody else should do it; the task is not to blame."""

    reason: str


Ending = HandIn | Finish | Fail | Release
"""How an attempt ends."""


@dataclass(frozen=True)
class MergeTicket:
    """A handed-in attempt and the right to merge it."""

    run: str
    task: TaskSpec
    attempt: int
    token: int  # the claim's token; still current
    merge_token: int  # from the same counter, later; written to the fence ref
    commit: str  # the attempt's commit
    base: str  # what the attempt started from
    branch: str
    lease_ms: int
    merger_id: str


@dataclass(frozen=True)
class Requeued:
    """One task that the reaper took back."""

    run: str
    task: str
    worker_id: str
    state: TaskState  # QUEUED, or FAILED when its crashes reached the cap


@dataclass(frozen=True)
class TaskRecord:
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
    usage: Usage = field(default_factory=Usage)  # of all attempts
    wasted: Usage = field(default_factory=Usage)  # of attempts that did not land
    needs_person: bool = False


@dataclass(frozen=True)
class RunRecord:
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
    counts: Mapping[TaskState, int] = field(default_factory=dict)
    conflicts: int = 0
    gate_failures: int = 0
    interventions: int = 0  # times a person had to act: retry, skip, approve
    usage: Usage = field(default_factory=Usage)  # of all attempts that have ended
    wasted: Usage = field(default_factory=Usage)  # of attempts that did not land


@dataclass(frozen=True)
class AgentRecord:
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


@dataclass(frozen=True)
class Event:
    """One entry of the event stream."""

    id: str  # stream entry id; begins with Redis' milliseconds
    kind: str
    run: str
    task: str
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class QueueRecord:
    """One task type's queue."""

    type: str
    queued: int  # claimable now
    parked: int  # waiting for a lock


@dataclass(frozen=True)
class LockRecord:
    """One lock, as held."""

    path: str  # ends in `/` when it covers everything under it; `/` is the whole repository
    mode: str  # X exclusive, S shared
    holder: str  # <run>/<task>
    token: int
    since_ms: int
