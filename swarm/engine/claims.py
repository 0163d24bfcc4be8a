"""What workers and merge queues hold, and what they tell the engine."""

from dataclasses import dataclass

from swarm.plan.model import COMMAND_WITH_MODEL, SERVED_EXECUTORS, Plan, TaskSpec
from swarm.states import FailureKind, TaskState


@dataclass(frozen=True)
class WorkerProfile:
    """Who claims, and what it can do."""

    worker_id: str  # unique for each process start, such as `host-4711-1`
    types: tuple[str, ...] = ("*",)  # task types it serves; `*` is all
    executors: tuple[str, ...] = (*SERVED_EXECUTORS, COMMAND_WITH_MODEL)
    host: str = ""
    pid: int = 0
    tags: tuple[str, ...] = ()  # what else it has to offer, such as `gpu`; tasks say which they need
    besides: tuple[str, ...] = ()  # runs of which it takes nothing, because they are in another hub


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
    fresh_after: int = 0  # attempts up to this one are not to be gone on with: a person wants a fresh one


@dataclass(frozen=True)
class Extension:
    """The answer to a task that asked for more files."""

    claim: Claim  # with the larger scope; held, unless it has to wait
    waits_for: str = ""  # the path whose lock it waits for: the attempt is over, and its token void

    @property
    def is_granted(self) -> bool:
        """The locks have grown, and work goes on."""
        return not self.waits_for


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
    review: str = ""  # what the reviewer who approved it said, and the judge who chose it, a line each


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


@dataclass(frozen=True)
class Expand:
    """These tasks are to be done in its place; what the attempt itself changed is dropped."""

    plan: Plan  # ids and dependencies as they are among themselves


Ending = HandIn | Finish | Fail | Release | Expand
"""How an attempt ends."""


@dataclass(frozen=True)
class MergeTicket:
    """A handed-in attempt and the right to merge it."""

    run: str
    task: TaskSpec
    attempt: int
    token: int  # the claim's token; still current
    merge_token: int  # from the same counter, later; rises along a train
    train_token: int  # of the last one of its train: the merge slot's, and written to the fence ref
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
