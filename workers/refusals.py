"""What is wrong with what an attempt left, and with a sandbox that ended, as failures."""

from collections.abc import Sequence

from swarm.engine.claims import Failure
from swarm.engine.records import FailedAttempt
from swarm.errors import HubDeclinedError
from swarm.repo.git.paths import shown
from swarm.repo.workspaces.workspace import Taken
from swarm.sandbox.protocol import Sandbox, SandboxEndedError
from swarm.states import FailureKind

SHOWN_PATHS = 10
SENT_BACK = frozenset(
    {FailureKind.CONFLICT, FailureKind.GATE_FAILED, FailureKind.OUT_OF_SCOPE, FailureKind.POLICY}
)
"""How work ends that somebody has done and nobody has taken."""


def ended(sandbox: Sandbox, error: SandboxEndedError) -> Failure:
    """A sandbox that neither we nor a lost lease ended: it was killed, or something in it is charged."""
    ending = sandbox.ending()
    if ending is not None and ending.ran_out_of_memory:
        return Failure(FailureKind.OOM, ending.reason or "the sandbox ran out of memory")
    if ending is not None and ending.was_killed:
        return Failure(FailureKind.INFRASTRUCTURE, f"the sandbox was killed during the attempt: {error}")
    return Failure(FailureKind.TASK_ERROR, f"the sandbox ended during the attempt: {error}")


def refused(taken: Taken) -> Failure | None:
    """What can land in no scope; with it goes what is beyond this one."""
    if not taken.refused:
        return None
    beyond = ["Changed outside the write scope:", *_shown(taken.out_of_scope)] if taken.out_of_scope else []
    return Failure(
        FailureKind.POLICY if taken.is_escape else FailureKind.OUT_OF_SCOPE,
        f"left what cannot land: {some(taken.refused)}",
        "\n".join(["Cannot land:", *taken.refused, *beyond]),
    )


def declined(error: HubDeclinedError) -> Failure:
    """The hub takes what others push, and not this: only a person can mend that, here or there."""
    reason = f"{error.message}; it takes other pushes, so what this attempt changed is what it does not want"
    return Failure(FailureKind.POLICY, reason, retryable=False)


def nothing_left(sent_back: FailedAttempt) -> Failure:
    """An attempt that leaves nothing, after one whose work was sent back."""
    reason = f"changed nothing, though what attempt {sent_back.attempt} changed was sent back"
    told = "No acceptance command shows that nothing is left to do: do it anew; a person may skip the task."
    return Failure(FailureKind.TASK_ERROR, reason, f"It was sent back for: {sent_back.message}\n{told}")


def out_of_scope(extra: Sequence[str], why: str = "") -> Failure:
    """What was changed beyond the write scope, and why that cannot be had."""
    paths = _shown(extra)
    reason = f"changed outside the write scope: {some(paths)}" + (f" ({why})" if why else "")
    return Failure(FailureKind.OUT_OF_SCOPE, reason, "\n".join(["Changed outside the write scope:", *paths]))


def _shown(paths: Sequence[str]) -> list[str]:
    return [shown(path.encode()) for path in paths]


def some(paths: Sequence[str]) -> str:
    """The first of many paths, for a line of text."""
    rest = len(paths) - SHOWN_PATHS
    return ", ".join(paths[:SHOWN_PATHS]) + (f" and {rest} more" if rest > 0 else "")
