"""How an attempt ended, in words and within what is stored."""

from dataclasses import replace

from swarm.engine.claims import Ending, Expand, Fail, Finish, HandIn, Release

MAX_REASON_CHARS = 500


def describe(outcome: Ending) -> str:
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
        case Expand(plan):
            return f"expanded into {len(plan.tasks)} tasks"


def bounded(outcome: Ending) -> Ending:
    """The outcome with a reason that fits a line; the engine bounds the evidence."""
    if not isinstance(outcome, Fail):
        return outcome
    reason = " ".join(outcome.failure.reason.split())[:MAX_REASON_CHARS]
    return Fail(replace(outcome.failure, reason=reason))
