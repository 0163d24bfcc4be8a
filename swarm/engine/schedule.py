"""List scheduling by pure computation: what the claim script would do, in a loop over plain lists.

It decides as the queue does (the lowest dispatch score among the claimable, all locks or none, never idle
while something is claimable) but asks no server, so that a forecast costs milliseconds and an order
can be tried before it is used. `swarm.simulation` runs the scripts themselves.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from swarm.engine.locks import LockEntry, compile_locks
from swarm.engine.ranks import urgency
from swarm.plan.model import Plan


@dataclass(frozen=True)
class TaskGraph:
    """Tasks by their place in a topological order: seconds, edges, priorities and lock sets."""

    durations_s: Sequence[float]
    before: Sequence[Sequence[int]]  # places of the dependencies of each
    priorities: Sequence[int] = ()
    locks: Sequence[tuple[LockEntry, ...]] = field(default=(), repr=False)
    held: frozenset[int] = frozenset()  # places of those that workers are at already: they go first

    @cached_property
    def after(self) -> list[list[int]]:
        """The same edges the other way."""
        found: list[list[int]] = [[] for _ in self.durations_s]
        for place, dependencies in enumerate(self.before):
            for dependency in dependencies:
                found[dependency].append(place)
        return found

    @cached_property
    def reversed(self) -> "TaskGraph":
        """The graph that ends where this begins; places stay, so they run against its order."""
        return TaskGraph(self.durations_s, self.after, self.priorities, self.locks)

    def with_durations(self, durations_s: Sequence[float]) -> "TaskGraph":
        """The same tasks with other seconds."""
        return replace(self, durations_s=durations_s)


@dataclass(frozen=True)
class Schedule:
    """When each task begins and ends, in seconds from the start."""

    starts_s: Sequence[float]
    ends_s: Sequence[float]

    @cached_property
    def makespan_s(self) -> float:
        """The end of the last task."""
        return max(self.ends_s, default=0.0)


def graph_of(plan: Plan, durations_s: Sequence[float] | None = None) -> TaskGraph:
    """A plan as a graph; its estimates are the durations where no others are given."""
    place = {task.id: number for number, task in enumerate(plan.tasks)}
    return TaskGraph(
        durations_s=durations_s or [task.estimate_s for task in plan.tasks],
        before=[sorted({place[name] for name in task.dependencies}) for task in plan.tasks],
        priorities=[task.priority for task in plan.tasks],
        locks=[compile_locks(task) if task.files or task.reads else () for task in plan.tasks],
    )


def upward_ranks_s(graph: TaskGraph, durations_s: Sequence[float] | None = None) -> list[float]:
    """Seconds on the longest path from each task's start to the end (HEFT's upward rank)."""
    seconds = durations_s or graph.durations_s
    ranks = list(seconds)
    for place in range(len(ranks) - 1, -1, -1):
        ranks[place] += max((ranks[later] for later in graph.after[place]), default=0.0)
    return ranks


def list_schedule(graph: TaskGraph, workers: int, ranks_s: Sequence[float]) -> Schedule:
    """Whenever a worker is free it takes the claimable task with the lowest dispatch score.

    A task whose locks are held waits for the end of a holder, and is looked at again then.
    """
    priorities = graph.priorities or [0] * len(ranks_s)
    scores = [urgency(rank, one) + n for n, (rank, one) in enumerate(zip(ranks_s, priorities, strict=True))]
    for place in graph.held:
        scores[place] = -1
    waiting = [len(dependencies) for dependencies in graph.before]
    ready = [(scores[n], n) for n, count in enumerate(waiting) if not count]
    heapq.heapify(ready)
    starts, ends = [0.0] * len(scores), [0.0] * len(scores)
    held = _HeldLocks(graph)
    running: list[tuple[float, int]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < workers:
            place = heapq.heappop(ready)[1]
            if held.take_or_park(place):
                starts[place], ends[place] = now, now + graph.durations_s[place]
                heapq.heappush(running, (ends[place], place))
        now, place = heapq.heappop(running)
        freed = held.give_back(place)
        for later in graph.after[place]:
            waiting[later] -= 1
            if not waiting[later]:
                freed.append(later)
        for one in freed:
            heapq.heappush(ready, (scores[one], one))
    return Schedule(starts, ends)


class _HeldLocks:
    """Which running tasks hold locks, and who waits for the end of which."""

    def __init__(self, graph: TaskGraph) -> None:
        self._sets = graph.locks
        self._holders: dict[int, tuple[LockEntry, ...]] = {}
        self._parked: dict[int, list[int]] = {}

    def take_or_park(self, place: int) -> bool:
        """Hold all of a task's locks, or put it behind the first holder of one of them."""
        wanted = self._sets[place] if self._sets else ()
        if not wanted:
            return True
        for holder, entries in self._holders.items():
            if any(overlap(mine, theirs) for mine in wanted for theirs in entries):
                self._parked.setdefault(holder, []).append(place)
                return False
        self._holders[place] = wanted
        return True

    def give_back(self, place: int) -> list[int]:
        """Free a task's locks; who waited for it."""
        self._holders.pop(place, None)
        return self._parked.pop(place, [])


def overlap(mine: LockEntry, theirs: LockEntry) -> bool:
    """Two locks cannot be held at once."""
    if mine.mode == theirs.mode == "S":
        return False
    return (
        mine.node == theirs.node
        or (theirs.is_wide and mine.node.startswith(theirs.node))
        or (mine.is_wide and theirs.node.startswith(mine.node))
    )
