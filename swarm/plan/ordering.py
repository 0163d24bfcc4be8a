"""Which tasks a plan orders, answered for many pairs at once without comparing all with all."""

from collections import defaultdict
from collections.abc import Iterable

from swarm.plan.model import Plan

_CHUNK = 4_096

Pair = tuple[int, int]
"""Two positions in `plan.tasks`, the earlier first."""


def unordered(plan: Plan, pairs: Iterable[Pair]) -> set[Pair]:
    """The pairs of which neither task waits, directly or not, for the other.

    One pass over the plan for each 4,096 distinct first tasks; a bit set says which of them a task
    comes after.
    """
    wanted: dict[int, list[int]] = defaultdict(list)
    for first, second in pairs:
        wanted[first].append(second)
    firsts = sorted(wanted)
    position = {task.id: index for index, task in enumerate(plan.tasks)}
    before = [[position[d] for d in task.dependencies] for task in plan.tasks]
    found: set[Pair] = set()
    for start in range(0, len(firsts), _CHUNK):
        bit = {first: 1 << offset for offset, first in enumerate(firsts[start : start + _CHUNK])}
        upto: list[int] = []  # the bits of what a task comes after, and its own
        for index, dependencies in enumerate(before):
            reached = bit.get(index, 0)
            for dependency in dependencies:
                reached |= upto[dependency]
            upto.append(reached)
        for first, own in bit.items():
            found.update([(first, second) for second in wanted[first] if not upto[second] & own])
    return found
