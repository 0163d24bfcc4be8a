"""The states of tasks and runs, and the one table of moves between them.

A test runs every script from every state and holds it to `MOVES`; each Lua file repeats its
own row in a `-- Moves:` line.
"""

from enum import StrEnum


class TaskState(StrEnum):
    """Where a task is on its way from submitted to merged."""

    PENDING = "pending"  # waits for dependencies
    QUEUED = "queued"  # claimable: in its type's queue, parked on a lock, or in backoff
    ACKED = "acked"  # claimed: token, lease and locks are held; the workspace is being made
    RUNNING = "running"  # the agent is at work
    MERGING = "merging"  # handed in: the attempt is durable, token and locks stay, the lease has ended
    DONE = "done"
    FAILED = "failed"
    UPSTREAM_FAILED = "upstream_failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"

    @property
    def is_terminal(self) -> bool:
        """No script but `retry` moves a task out of this state."""
        return self in TERMINAL


TERMINAL = frozenset(
    {
        TaskState.DONE,
        TaskState.FAILED,
        TaskState.UPSTREAM_FAILED,
        TaskState.CANCELLED,
        TaskState.SKIPPED,
    }
)


class RunState(StrEnum):
    """Where a run is."""

    LOADING = "loading"  # the plan is being written in chunks; nothing is claimable
    ACTIVE = "active"
    DONE = "done"  # every task is done (or skipped)
    FAILED = "failed"  # ended with failed or upstream_failed tasks
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        """The run has ended; `retry` may make it active again."""
        return self in {RunState.DONE, RunState.FAILED, RunState.CANCELLED}


class FailureKind(StrEnum):
    """Why an attempt did not land."""

    TASK_ERROR = "task_error"  # the agent said no, or its command exited non-zero
    GATE_FAILED = "gate_failed"
    CONFLICT = "conflict"
    OUT_OF_SCOPE = "out_of_scope"
    TIMEOUT = "timeout"
    OOM = "oom"
    CRASH = "crash"  # the worker vanished
    INFRASTRUCTURE = "infrastructure"  # disk, Docker, git: not the task's fault
    PROVIDER = "provider"  # the model API: not the task's fault
    POLICY = "policy"  # straight to a person

    @property
    def is_charged(self) -> bool:
        """An attempt that fails this way counts against the task's `max_attempts`."""
        return self not in {FailureKind.INFRASTRUCTURE, FailureKind.PROVIDER, FailureKind.CRASH}


_S = TaskState
_LIVE = (_S.PENDING, _S.QUEUED, _S.ACKED, _S.RUNNING, _S.MERGING)

MOVES: dict[str, frozenset[tuple[TaskState | None, TaskState]]] = {
    "submit": frozenset({(None, _S.PENDING)}),
    "activate": frozenset({(_S.PENDING, _S.QUEUED)}),
    "claim": frozenset({(_S.QUEUED, _S.ACKED)}),
    "start": frozenset({(_S.ACKED, _S.RUNNING)}),
    "renew": frozenset(),
    "hand_in": frozenset({(_S.RUNNING, _S.MERGING)}),
    "begin_merge": frozenset(),
    "complete": frozenset({(_S.MERGING, _S.DONE), (_S.RUNNING, _S.DONE), (_S.PENDING, _S.QUEUED)}),
    "send_back": frozenset(
        {(_S.MERGING, _S.QUEUED), (_S.MERGING, _S.FAILED), (_S.PENDING, _S.UPSTREAM_FAILED)}
    ),
    "fail": frozenset(
        {
            (_S.ACKED, _S.QUEUED),
            (_S.RUNNING, _S.QUEUED),
            (_S.ACKED, _S.FAILED),
            (_S.RUNNING, _S.FAILED),
            (_S.PENDING, _S.UPSTREAM_FAILED),
        }
    ),
    "release": frozenset({(_S.ACKED, _S.QUEUED), (_S.RUNNING, _S.QUEUED)}),
    "reap": frozenset(
        {
            (_S.ACKED, _S.QUEUED),
            (_S.RUNNING, _S.QUEUED),
            (_S.ACKED, _S.FAILED),
            (_S.RUNNING, _S.FAILED),
            (_S.PENDING, _S.UPSTREAM_FAILED),
        }
    ),
    "cancel": frozenset((state, _S.CANCELLED) for state in _LIVE),
    "retry": frozenset(
        {
            (_S.FAILED, _S.QUEUED),
            (_S.CANCELLED, _S.QUEUED),
            (_S.CANCELLED, _S.PENDING),
            (_S.UPSTREAM_FAILED, _S.PENDING),
            (_S.UPSTREAM_FAILED, _S.QUEUED),
        }
    ),
}
"""Script name -> the (from, to) moves it may make; from None means the task did not exist."""
