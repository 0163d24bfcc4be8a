"""Ranks for a known number of workers: the critical path's, improved by scheduling back and forth.

The upward rank looks at one path and forgets the width of the plan. Scheduling the plan backwards from
a schedule's end, the latest first, and forwards again in the order in which that begins, packs
what the first left open: double justification (Valls, Ballestín, Quintanilla, "Justification and
RCPSP: a technique that pays", European Journal of Operational Research 165 (2005), 375-386). Each pass is
one list schedule; the best order seen is the answer, so it is never worse than where it began.
"""

from collections.abc import Sequence
from random import Random

from swarm.engine.bounds import tight_bound_s
from swarm.engine.exclusion import Followers
from swarm.engine.schedule import TaskGraph, list_schedule, upward_ranks_s

ROUNDS = 4
SAMPLES = 16
MOST_STEPS = 40_000
"""Tasks scheduled in all passes together, some quarter of a second; a larger plan keeps its upward ranks."""

GOOD_ENOUGH = 1.0005
"""So near to a bound that nothing beats, no further pass is worth its time."""

_SPREAD = 0.15
_SEED = 7
_MOST_CHAINED = 400


def justified_ranks_s(
    graph: TaskGraph, workers: int, *starting: Sequence[float], lock_aware: bool = True
) -> list[float]:
    """Ranks whose list schedule is the shortest that was found; `starting` are tried first, then the others.

    Deterministic. A graph too large to try two orders gets its upward ranks.
    """
    if is_too_large(graph):
        return upward_ranks_s(graph)
    return _Search(graph, workers).best([*starting, *_beginnings(graph, lock_aware=lock_aware)])


def is_too_large(graph: TaskGraph) -> bool:
    """Two rounds of two passes, for the present order and the paths', are more than a search may take."""
    return 4 * len(graph.durations_s) > MOST_STEPS


def _beginnings(graph: TaskGraph, *, lock_aware: bool) -> list[list[float]]:
    ranks = upward_ranks_s(graph)
    chained = lock_aware and any(graph.locks)
    return [ranks, *([lock_ranks_s(graph)] if chained else [])]


def lock_ranks_s(graph: TaskGraph) -> list[float]:
    """Upward ranks as if tasks that need one lock stood in line for it, the highest rank first.

    What waits for a lock has to go through it one after another, so the first in line is as urgent as the
    whole line. Lines follow falling ranks, as the edges do, so they close no cycle. The disjunctive graph of
    job-shop scheduling with every disjunction decided by rank.
    """
    ranks = upward_ranks_s(graph)
    line = sorted(
        ((-ranks[place], place, locks) for place, locks in enumerate(graph.locks) if locks),
        key=lambda one: one[:2],
    )
    followers = Followers([locks for _, _, locks in line])
    behind: dict[int, int] = {}
    for number, (_, place, _) in enumerate(line[:_MOST_CHAINED]):
        follower = followers.after(number)
        if follower is not None:
            behind[place] = line[follower][1]
    longest = [0.0] * len(ranks)
    for place in sorted(range(len(ranks)), key=lambda p: (ranks[p], -p)):
        later = [*graph.after[place], *([behind[place]] if place in behind else [])]
        longest[place] = graph.durations_s[place] + max((longest[one] for one in later), default=0.0)
    return longest


class _Search:
    """Passes back and forth over one graph, and the best ranks that they have come by."""

    def __init__(self, graph: TaskGraph, workers: int) -> None:
        self._graph = graph
        self._workers = workers
        self._bound_s = tight_bound_s(graph, workers, most_steps=2 * MOST_STEPS)
        self._rounds = MOST_STEPS // (2 * max(1, len(graph.durations_s)))  # of two passes each
        self._best_s = float("inf")
        self._ranks: list[float] = []

    def best(self, beginnings: Sequence[Sequence[float]]) -> list[float]:
        """Climb from each beginning, then from ranks nearby."""
        self._ranks = list(beginnings[0])
        for ranks in beginnings:
            self._climb(ranks)
        self._climb([-float(place) for place in range(len(self._ranks))])
        chance = Random(_SEED)  # noqa: S311  # spreads samples; keeps no secret
        for _ in range(SAMPLES):
            if self._is_over():
                break
            upward = beginnings[-1]
            self._climb([rank * chance.uniform(1 - _SPREAD, 1 + _SPREAD) for rank in upward])
        return self._ranks

    def _climb(self, ranks: Sequence[float]) -> None:
        for _ in range(ROUNDS):
            if self._is_over():
                return
            forward = list_schedule(self._graph, self._workers, ranks)
            self._rounds -= 1
            end_s = forward.makespan_s
            if end_s < self._best_s * (1 - 1e-9):
                # Seconds from each start to the end: the same order, on the scale of all ranks.
                self._best_s = end_s
                self._ranks = [end_s - start for start in forward.starts_s]
            if self._rounds < 1:
                return
            back = list_schedule(self._graph.reversed, self._workers, forward.ends_s)
            if list(back.ends_s) == list(ranks):
                return
            ranks = back.ends_s

    def _is_over(self) -> bool:
        return self._rounds < 1 or self._best_s <= self._bound_s * GOOD_ENOUGH
