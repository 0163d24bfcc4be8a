"""How long the tasks of a run are believed to take, and what is left of it.

An estimate counts for what it says beside the others of its type; what the type takes is learnt, from tasks
with all of their agents.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from swarm.engine.records import DurationRecord, ProgressRecord
from swarm.engine.schedule import TaskGraph
from swarm.plan.model import Plan
from swarm.states import TaskState

SHORTEST_S = 0.001

_HELD = {TaskState.ACKED, TaskState.RUNNING}
_LEFT = {TaskState.PENDING, TaskState.QUEUED, *_HELD}


def believed_durations_s(
    plan: Plan,
    progress: Sequence[ProgressRecord],
    learnt: Mapping[str, DurationRecord],
    *,
    joins: Collection[str] = (),
) -> list[float]:
    """Seconds by place in the plan: the estimate times what its type took against what it was estimated at.

    Of a type of which this run has done a task, those tallies count; of another that the project knows, its
    mean against this plan's mean estimate; of one that nobody knows, the factor of all types together. Where
    every estimate is the default, this is the mean of the type. `joins` were expanded, and need no time.
    """
    took, planned = _tallies(plan, progress)
    of_type: dict[str, list[float]] = defaultdict(list)
    for task in plan.tasks:
        of_type[task.type].append(task.expected_s)
    for name, record in learnt.items():
        if name in of_type and not planned[name]:
            took[name] = record.mean_s * len(of_type[name])
            planned[name] = sum(of_type[name])
    total = sum(planned.values())
    overall = sum(took.values()) / total if total else 1.0
    factors = {name: took[name] / planned[name] if planned[name] else overall for name in of_type}
    return [
        SHORTEST_S if task.id in joins else max(task.expected_s * factors[task.type], SHORTEST_S)
        for task in plan.tasks
    ]


def _tallies(plan: Plan, progress: Sequence[ProgressRecord]) -> tuple[dict[str, float], dict[str, float]]:
    """What this run's done tasks of each type took, and what they were estimated at."""
    took: dict[str, float] = defaultdict(float)
    planned: dict[str, float] = defaultdict(float)
    for task, one in zip(plan.tasks, progress, strict=True):
        if one.state is TaskState.DONE:
            took[task.type] += one.busy_ms / 1000
            planned[task.type] += task.expected_s
    return took, planned


def rest_of(graph: TaskGraph, progress: Sequence[ProgressRecord], now_ms: int) -> tuple[TaskGraph, list[int]]:
    """What is left for workers of a run whose tasks have come so far; and its places in the whole graph.

    Those being worked on count with what they still need: a tenth of what is believed at least, and half as
    long again as they have taken once that is more than was believed. What is handed in needs no worker.
    """
    places = [place for place, one in enumerate(progress) if one.state in _LEFT]
    to_own = {place: own for own, place in enumerate(places)}
    seconds = list(graph.durations_s)
    held = [place for place in places if progress[place].state in _HELD]
    for place in held:
        elapsed_s = (now_ms - progress[place].claimed_ms) / 1000
        left_s = elapsed_s / 2 if elapsed_s > seconds[place] else seconds[place] - elapsed_s
        seconds[place] = max(left_s, seconds[place] / 10)
    rest = TaskGraph(
        [seconds[place] for place in places],
        [[to_own[d] for d in graph.before[place] if d in to_own] for place in places],
        [graph.priorities[place] for place in places],
        [graph.locks[place] for place in places],
        frozenset(to_own[place] for place in held),
        [graph.types[place] for place in places],
        graph.limits,
    )
    return rest, places
