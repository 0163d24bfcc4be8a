"""Which patterns may cover a path in common, pair by pair: what lint and locks are compared with."""

from swarm.plan.scope import literal_prefix


def overlap(first: str, second: str) -> bool:
    """Some path may be covered by both normalised patterns.

    Conservative, and the same rule as the lock table's: a glob counts as its literal prefix, so
    True may be wrong and False never is.
    """
    one, other = literal_prefix(first), literal_prefix(second)
    return _holds(one, other) or _holds(other, one)


def _holds(folder: str, path: str) -> bool:
    return not folder or path == folder or path.startswith(folder + "/")
