"""How an attempt can end, and telling the engine."""

from dataclasses import dataclass, replace

from swarm.engine.engine import Engine
from swarm.engine.records import Claim, Failure
from swarm.models.usage import Usage

MAX_REASON_CHARS = 500


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


Outcome = HandIn | Finish | Fail | Release


def tell(engine: Engine, claim: Claim, outcome: Outcome, usage: Usage) -> None:
    """Tell the engine how the attempt ended.

    Raises:
        StaleTokenError: the claim is no longer ours, so it does not count.
        StoreUnreachableError: whether it was told is unknown; telling again is safe.
    """
    match outcome:
        case HandIn(commit):
            engine.hand_in(claim, commit=commit, usage=usage)
        case Finish():
            engine.finish(claim, usage=usage)
        case Fail(failure):
            engine.fail(claim, _on_one_line(failure), usage=usage)
        case Release(reason):
            engine.release(claim, reason=reason, usage=usage)


def describe(outcome: Outcome) -> str:
    """The outcome as one line for a log."""
    match outcome:
        case HandIn(commit):
            return f"handed in as {commit}"
        case Finish():
            return "finished: nothing to merge"
        case Fail(failure):
            return f"failed ({failure.kind}): {failure.reason}"
        case Release(reason):
            return f"released: {reason}"


def _on_one_line(failure: Failure) -> Failure:
    """The failure with a reason that fits a line; the engine bounds the evidence."""
    return replace(failure, reason=" ".join(failure.reason.split())[:MAX_REASON_CHARS])
