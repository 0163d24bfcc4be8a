"""What the reference model keeps of runs and tasks."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from swarm.engine.claims import Claim, MergeTicket, WorkerProfile
from swarm.engine.locks import compile_locks
from swarm.errors import StaleTokenError
from swarm.plan.model import TaskSpec
from swarm.states import TaskState
from swarm.testing.checker_keys import overlap

LEASED = frozenset({TaskState.ACKED, TaskState.RUNNING})
HELD = LEASED | {TaskState.MERGING}
LIVE = HELD | {TaskState.PENDING, TaskState.QUEUED}
BAD = frozenset({TaskState.FAILED, TaskState.UPSTREAM_FAILED, TaskState.CANCELLED})
NOT_DONE = frozenset(TaskState) - {TaskState.DONE}


@dataclass
class Run:
    """One run; its slot is merger, member, merge token and until when."""

    tip: str
    state: str = "active"
    has_ended: bool = False
    is_paused: bool = False
    is_fail_fast: bool = False
    tip_token: int = 0
    slot: tuple[str, str, int, int] | None = None

    def renew(self, merge_token: int, until_ms: int) -> None:
        """Whoever has the slot keeps it until then."""
        if self.slot is None or self.slot[2] != merge_token:
            raise StaleTokenError("")
        self.slot = (*self.slot[:3], until_ms)

    def reopen(self) -> None:
        """It has work again."""
        self.state, self.has_ended = "active", False

    def settle(self, states: AbstractSet[TaskState]) -> None:
        """It ends when its tasks have."""
        if self.has_ended or states & LIVE:
            return
        self.has_ended = True
        if self.state != "cancelled":
            is_bad = states & {TaskState.FAILED, TaskState.UPSTREAM_FAILED}
            self.state = "failed" if is_bad else "cancelled" if TaskState.CANCELLED in states else "done"


@dataclass
class Task:
    """One task."""

    run: str
    name: str  # its member name
    spec: TaskSpec
    score: int
    state: TaskState
    attempt: int = 0
    token: int = 0
    merge_token: int = 0
    failures: int = 0
    setbacks: int = 0
    crashes: int = 0
    not_before_ms: int = 0
    lease_ends_ms: int = 0
    worker: str = ""
    base: str = ""
    merged_commit: str = ""
    spent: int = 0  # by the attempt so far
    usage: int = 0  # by those that have ended
    was_skipped: bool = False
    was_called_off: bool = False
    is_parked: bool = False
    tried_by: set[str] = field(default_factory=set)

    @property
    def is_swept(self) -> bool:
        """It ended because another failed, and comes back with it."""
        return self.state is TaskState.UPSTREAM_FAILED or self.was_called_off

    def forget_tries(self) -> None:
        """A retry counts anew."""
        self.failures, self.setbacks, self.crashes = 0, 0, 0
        self.tried_by, self.was_called_off = set(), False

    def grant(self, worker: WorkerProfile, token: int, base: str, lease_ends_ms: int) -> None:
        """The worker holds it until then."""
        self.state, self.token, self.worker = TaskState.ACKED, token, worker.worker_id
        self.attempt, self.base, self.spent = self.attempt + 1, base, 0
        self.lease_ends_ms, self.is_parked = lease_ends_ms, False

    def is_held_by(self, by: Claim | MergeTicket, may_be: Iterable[TaskState]) -> bool:
        """The token of the claim or ticket is the current one."""
        if isinstance(by, MergeTicket):
            return (self.merge_token, self.state) == (by.merge_token, TaskState.MERGING)
        return self.token == by.token and self.state in may_be

    def overlaps(self, other: "Task") -> bool:
        """A lock of one excludes a lock of the other."""
        theirs = compile_locks(other.spec)
        return any(overlap(mine, lock) for mine in compile_locks(self.spec) for lock in theirs)

    def is_for(self, worker: WorkerProfile) -> bool:
        """The worker can do it."""
        is_type = "*" in worker.types or self.spec.type in worker.types
        can_run = self.spec.executor in worker.executors
        return is_type and can_run and set(self.spec.needs) <= set(worker.tags)
