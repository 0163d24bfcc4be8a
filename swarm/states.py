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
        """Only `retry`, `skip` and `reconcile` move a task out of this state."""
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


ALIVE_MS = 20_000
"""Whoever was seen this lately counts as alive (heartbeats come every 5 s); it decides no lease."""


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
    LIMIT = "limit"  # a quota or spend limit of the model API: not the task's fault
    POLICY = "policy"  # straight to a person
    APPROVAL = "approval"  # a person has to approve what it changed; nothing was found wrong with it
    CANCELLED = "cancelled"  # a person took it away, or went on without it

    @property
    def is_charged(self) -> bool:
        """An attempt that fails this way counts against the task's `max_attempts`."""
        return self not in {
            FailureKind.INFRASTRUCTURE,
            FailureKind.PROVIDER,
            FailureKind.LIMIT,
            FailureKind.CRASH,
            FailureKind.APPROVAL,
            FailureKind.CANCELLED,
        }


_S = TaskState
_LIVE = (_S.PENDING, _S.QUEUED, _S.ACKED, _S.RUNNING, _S.MERGING)

_BACK = frozenset((held, after) for held in (_S.ACKED, _S.RUNNING) for after in (_S.QUEUED, _S.FAILED))
_DOOM = frozenset({(_S.PENDING, _S.UPSTREAM_FAILED)})
_ACTIVATE = frozenset({(_S.PENDING, _S.QUEUED)})
_TRIGGER = _ACTIVATE | {(_S.PENDING, _S.DONE)}  # the latter when the dependent was expanded
_SKIP = frozenset((state, _S.SKIPPED) for state in TaskState if state not in {_S.DONE, _S.SKIPPED})
_CANCEL = frozenset((state, _S.CANCELLED) for state in _LIVE)
_EXPIRE = frozenset((state, _S.FAILED) for state in _LIVE)
_REVIVE = frozenset(
    {
        (_S.FAILED, _S.QUEUED),
        (_S.FAILED, _S.PENDING),
        (_S.CANCELLED, _S.QUEUED),
        (_S.CANCELLED, _S.PENDING),
        (_S.UPSTREAM_FAILED, _S.PENDING),
        (_S.UPSTREAM_FAILED, _S.QUEUED),
    }
)

MOVES: dict[str, frozenset[tuple[TaskState | None, TaskState]]] = {
    "submit": frozenset({(None, _S.PENDING)}),
    "activate": _ACTIVATE,
    "claim": frozenset({(_S.QUEUED, _S.ACKED)}),
    "start": frozenset({(_S.ACKED, _S.RUNNING)}),
    "hand_in": frozenset({(_S.RUNNING, _S.MERGING)}),
    "finish": frozenset({(_S.ACKED, _S.DONE), (_S.RUNNING, _S.DONE)}) | _TRIGGER,
    "complete": frozenset({(_S.MERGING, _S.DONE)}) | _TRIGGER,
    "reconcile": frozenset((state, _S.DONE) for state in TaskState if state is not _S.DONE) | _TRIGGER,
    "send_back": frozenset({(_S.MERGING, _S.QUEUED), (_S.MERGING, _S.FAILED)}) | _DOOM,
    "fail": _BACK | _DOOM,
    "release": frozenset({(_S.ACKED, _S.QUEUED), (_S.RUNNING, _S.QUEUED)}),
    "extend": frozenset({(_S.ACKED, _S.QUEUED), (_S.RUNNING, _S.QUEUED)}),
    "reap": _BACK | _DOOM | _EXPIRE,
    "reclaim_worker": _BACK | _DOOM,
    "cancel": _CANCEL,
    "retry": _REVIVE | {(_S.SKIPPED, _S.QUEUED), (_S.SKIPPED, _S.PENDING)},  # the latter only by name
    "skip": _SKIP | _TRIGGER,
    "expand": frozenset({(_S.ACKED, _S.PENDING), (_S.RUNNING, _S.PENDING), (None, _S.PENDING)}) | _ACTIVATE,
    "work": _TRIGGER
    | _SKIP
    | _DOOM
    | _CANCEL
    | _REVIVE
    | (_EXPIRE - {(_S.PENDING, _S.FAILED)}),  # what the others left over
}
"""Script name -> the (from, to) moves it may make; from None means the task did not exist.

A script that is not here moves no task.
"""
