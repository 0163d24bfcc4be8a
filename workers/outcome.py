"""How an attempt ended, in words."""

from swarm.engine.claims import Ending, Expand, Fail, Finish, HandIn, Release


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
