"""List scheduling by pure computation: what the claim script would do, in a loop over plain lists.

It decides as the queue does (the lowest dispatch score among the claimable, no more of a type than its limit,
all locks or none, never idle while something is claimable) but asks no server, so that a forecast costs
milliseconds and an order can be tried before it is used. `swarm.simulation` runs the scripts themselves.
"""

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType

from swarm.engine.exclusion import Exclusion, excludes, exclusion_of
from swarm.engine.locks import compile_locks
from swarm.engine.ranks import urgency
from swarm.plan.model import Plan

NO_LIMITS: Mapping[str, int] = MappingProxyType({})
ALL = "*"
"""The type that stands for all types together in limits."""


@dataclass(frozen=True)
class TaskGraph:
    """Tasks by their place in a topological order: seconds, edges, priorities, lock sets and types."""

    durations_s: Sequence[float]
    before: Sequence[Sequence[int]]  # places of the dependencies of each
    priorities: Sequence[int] = ()
    locks: Sequence[Exclusion | None] = field(default=(), repr=False)  # None: needs no lock
    held: frozenset[int] = frozenset()  # places of those that workers are at already: they go first
    types: Sequence[str] = ()  # not needed where there are no limits
    limits: Mapping[str, int] = field(default_factory=dict)  # type -> how many workers may hold at once

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
        return replace(self, before=self.after, held=frozenset())

    def at_once(self, workers: int) -> int:
        """How many of the tasks so many workers may hold together."""
        return min(workers, self.limits.get(ALL, workers))


@dataclass(frozen=True)
class Schedule:
    """When each task begins and ends, in seconds from the start."""

    starts_s: Sequence[float]
    ends_s: Sequence[float]

    @cached_property
    def makespan_s(self) -> float:
        """The end of the last task."""
        return max(self.ends_s, default=0.0)


def graph_of(
    plan: Plan,
    durations_s: Sequence[float] | None = None,
    *,
    limits: Mapping[str, int] = NO_LIMITS,
    with_locks: bool = True,
) -> TaskGraph:
    """A plan as a graph; its estimates are the durations where no others are given.

    Locks are most of the work: without them for what only bounds it, which no bound takes into account.
    """
    place = {task.id: number for number, task in enumerate(plan.tasks)}
    return TaskGraph(
        durations_s=durations_s or [task.expected_s for task in plan.tasks],
        before=[sorted({place[name] for name in task.dependencies}) for task in plan.tasks],
        priorities=[task.priority for task in plan.tasks],
        locks=[
            exclusion_of(compile_locks(task)) if with_locks and (task.files or task.reads) else None
            for task in plan.tasks
        ],
        types=[task.type for task in plan.tasks],
        limits=limits,
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
    ready = _Ready(graph, scores)
    starts, ends = [0.0] * len(scores), [0.0] * len(scores)
    held = _HeldLocks(graph)
    running: list[tuple[float, int]] = []
    most, now = graph.at_once(workers), 0.0
    while True:
        while len(running) < most and (one := ready.take()) is not None:
            if held.take_or_park(one):
                ready.begin(one)
                starts[one], ends[one] = now, now + graph.durations_s[one]
                heapq.heappush(running, (ends[one], one))
        if not running:
            return Schedule(starts, ends)
        now, place = heapq.heappop(running)
        for one in held.give_back(place):
            ready.add(one)
        ready.end(place)


class _Ready:
    """Who may begin as far as dependencies go: a heap for each limited type, and one for all others."""

    def __init__(self, graph: TaskGraph, scores: Sequence[int]) -> None:
        self._scores = scores
        self._after = graph.after
        self._waiting = [len(dependencies) for dependencies in graph.before]
        self._limited = [kind if kind in graph.limits else "" for kind in graph.types] if graph.limits else []
        self._heaps: dict[str, list[tuple[int, int]]] = {name: [] for name in ("", *self._limited)}
        self._room: dict[str, float] = {name: graph.limits.get(name, math.inf) for name in self._heaps}
        for place, count in enumerate(self._waiting):
            if not count:
                self.add(place)

    def add(self, place: int) -> None:
        """It waits for nothing but a worker, room in its type, and locks."""
        heapq.heappush(self._heaps[self._name(place)], (self._scores[place], place))

    def take(self) -> int | None:
        """The lowest score of a type with room. Who is held already has a score below all, and needs none."""
        if not self._limited:
            heap = self._heaps[""]
            return heapq.heappop(heap)[1] if heap else None
        room = self._room
        looked_at = [
            heap for name, heap in self._heaps.items() if heap and (room[name] > 0 or heap[0][0] < 0)
        ]
        return heapq.heappop(min(looked_at))[1] if looked_at else None

    def begin(self, place: int) -> None:
        """A worker holds it."""
        if self._limited:
            self._room[self._name(place)] -= 1

    def end(self, place: int) -> None:
        """It is done: there is room for another, and what waited for it alone may begin."""
        if self._limited:
            self._room[self._name(place)] += 1
        for later in self._after[place]:
            self._waiting[later] -= 1
            if not self._waiting[later]:
                self.add(later)

    def _name(self, place: int) -> str:
        return self._limited[place] if self._limited else ""


class _HeldLocks:
    """Which running tasks hold locks, and who waits for the end of which."""

    def __init__(self, graph: TaskGraph) -> None:
        self._sets = graph.locks
        self._holders: dict[int, Exclusion] = {}
        self._parked: dict[int, list[int]] = {}

    def take_or_park(self, place: int) -> bool:
        """Hold all of a task's locks, or put it behind the first holder of one of them."""
        wanted = self._sets[place] if self._sets else None
        if wanted is None:
            return True
        for holder, theirs in self._holders.items():
            if excludes(wanted, theirs):
                self._parked.setdefault(holder, []).append(place)
                return False
        self._holders[place] = wanted
        return True

    def give_back(self, place: int) -> list[int]:
        """Free a task's locks; who waited for it."""
        self._holders.pop(place, None)
        return self._parked.pop(place, [])
