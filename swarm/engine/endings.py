"""How the end of an attempt becomes a call: the verb, and what it takes after member and token."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from swarm.engine.claims import Claim, Ending, Expand, Fail, Failure, Finish, HandIn, Release
from swarm.engine.expansion import expansion_arguments
from swarm.engine.replies import REVIEW_CAP, bounded, failure_arguments, head_of
from swarm.states import FailureKind

if TYPE_CHECKING:
    from swarm.engine.reads import Reads

MERGE_DISPLAY_MS = 24 * 3600 * 1000
PROVIDER_BASE, PROVIDER_CAP = 15, 2
"""How much longer than others a task waits that a provider failed: outages last for minutes, not seconds."""

Arguments = list[str | int]
Backoff = Callable[[], tuple[int, int, str]]
"""Gives base ms, cap ms and a spread of its own each time."""


def ending_call(
    queue: "Reads", claim: Claim, ending: Ending, *, op: str, spent: str, backoff: Backoff
) -> tuple[str, Arguments]:
    """The verb that ends an attempt so, and its arguments."""
    match ending:
        case HandIn(commit, review):
            return "hand_in", [op, commit, spent, MERGE_DISPLAY_MS, head_of(review, REVIEW_CAP)]
        case Finish():
            return "finish", [op, spent]
        case Fail(failure):
            return "fail", [op, spent, *failure_call(failure, backoff)]
        case Release(reason):
            return "release", [op, spent, bounded(reason)]
        case Expand(plan):
            return "expand", [op, spent, *expansion_arguments(queue, claim, plan)]


def failure_call(failure: Failure, backoff: Backoff) -> Arguments:
    """What `fail` and `send_back` want to know of a failure."""
    base_ms, cap_ms, spread = backoff()
    if failure.kind is FailureKind.PROVIDER:
        base_ms, cap_ms = base_ms * PROVIDER_BASE, cap_ms * PROVIDER_CAP
    return [*failure_arguments(failure), base_ms, cap_ms, spread]
