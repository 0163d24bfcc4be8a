"""Keeps the dispatch scores of live runs up to what has been learnt and to how many workers there are.

A run starts with the ranks that its plan's estimates give. Once a mean duration of one of its types has
moved by more than a quarter, or the number of workers has changed, what is left of it is ranked again:
a decision of pure computation (`swarm.engine.justify`), told to the queue by `rerank`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from swarm.engine.engine import Engine
from swarm.engine.estimates import believed_durations_s, rest_of
from swarm.engine.justify import is_too_large, justified_ranks_s, lock_ranks_s
from swarm.engine.ranks import rank_of, urgency, without_age
from swarm.engine.records import DurationRecord
from swarm.engine.schedule import TaskGraph, graph_of, list_schedule, upward_ranks_s
from swarm.engine.spliced import joined
from swarm.plan.model import Plan

MOVED = 0.25
LEAST_S = 0.05
"""A mean that has moved by less is the same: nobody waits for the difference."""
WORTH_IT = 0.999
"""Another order is told to the queue when it ends the rest of the run a thousandth sooner."""
COARSE = 1.1
"""Ranks made of guesses that differ by less count as equal; of such tasks the first submitted goes first."""


@dataclass
class _Ranked:
    """A run as it was last ranked."""

    plan: Plan
    graph: TaskGraph
    types: frozenset[str]
    joins: frozenset[str]  # tasks that were expanded: they take no time of their own any more
    means_s: dict[str, float] = field(default_factory=dict)
    workers: int = 0

    @property
    def is_guess(self) -> bool:
        """The plan says the same of every task, which is to say nothing of any."""
        return len({task.expected_s for task in self.plan.tasks}) == 1


class Ranking:
    """The ranks of one project's live runs. Any number may be at it: the last to tell wins.

    Args:
        lock_aware: also try orders in which the head of a line for a lock is as urgent as the line.
    """

    def __init__(self, engine: Engine, *, lock_aware: bool = True) -> None:
        self._engine = engine
        self._lock_aware = lock_aware
        self._runs: dict[str, _Ranked] = {}

    def refresh(self, *, workers: int, now_ms: int) -> int:
        """Rank again what has reason to; returns how many scores changed."""
        learnt = self._engine.durations()
        active = self._engine.active_runs()
        self._runs = {run: self._as_seen(run, tasks) for run, tasks in active.items()}
        return sum(
            self._rank(run, seen, learnt, workers, now_ms)
            for run, seen in self._runs.items()
            if _has_reason(seen, learnt, workers)
        )

    def is_due(self, learnt: Mapping[str, DurationRecord], *, workers: int) -> bool:
        """Whether `refresh` would rank anything, asked without a call by whoever knows all durations."""
        return not self._runs or any(_has_reason(seen, learnt, workers) for seen in self._runs.values())

    def _as_seen(self, run: str, tasks: int) -> _Ranked:
        """What is known of a run; read again when it has got more tasks."""
        seen = self._runs.get(run)
        if seen is not None and len(seen.plan.tasks) == tasks:
            return seen
        specs, joins = self._engine.specs(run)
        plan = Plan(tuple(joined(specs, joins)))
        types = frozenset(task.type for task in plan.tasks)
        return _Ranked(plan, graph_of(plan), types, frozenset(joins))

    def _rank(
        self, run: str, seen: _Ranked, learnt: Mapping[str, DurationRecord], workers: int, now_ms: int
    ) -> int:
        progress = self._engine.progress(run, [task.id for task in seen.plan.tasks])
        seen.workers = workers
        seen.means_s = {name: record.mean_s for name, record in learnt.items()}
        durations = believed_durations_s(seen.plan, progress, learnt, joins=seen.joins)
        graph = replace(seen.graph, durations_s=durations, limits=self._engine.controls().limits)
        rest, places = rest_of(graph, progress, now_ms)
        current = [rank_of(progress[place].score) for place in places]
        found = self._better(rest, workers, current, is_guess=seen.is_guess)
        told: dict[str, int] = {}
        for place, rank_s in zip(places, found, strict=True):
            task, now_told = seen.plan.tasks[place], without_age(progress[place].score)
            if urgency(rank_s, task.priority) != now_told:
                told[task.id] = urgency(rank_s, task.priority)
        return self._engine.rerank(run, told)

    def _better(self, rest: TaskGraph, workers: int, current: list[float], *, is_guess: bool) -> list[float]:
        """Ranks for the rest of a run; the current ones when others are not worth telling."""
        if is_guess:
            # To fit an order to durations that are all a type's mean is to fit it to noise.
            guessed = lock_ranks_s(rest) if self._lock_aware else upward_ranks_s(rest)
            return [COARSE ** round(math.log(rank, COARSE)) for rank in guessed]
        if is_too_large(rest):
            return upward_ranks_s(rest)
        found = justified_ranks_s(rest, workers, current, lock_aware=self._lock_aware)
        before_s = list_schedule(rest, workers, current).makespan_s
        return found if list_schedule(rest, workers, found).makespan_s < before_s * WORTH_IT else current


def _has_reason(seen: _Ranked, learnt: Mapping[str, DurationRecord], workers: int) -> bool:
    if workers < 1:
        return False
    return workers != seen.workers or any(
        abs(record.mean_s - seen.means_s.get(name, 0.0)) > max(MOVED * seen.means_s.get(name, 0.0), LEAST_S)
        for name, record in learnt.items()
        if name in seen.types
    )
