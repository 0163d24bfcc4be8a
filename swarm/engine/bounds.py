"""What no schedule of a plan can beat, for a number of workers."""

import heapq

from swarm.engine.schedule import TaskGraph, upward_ranks_s

MOST_STEPS = 2_000_000
"""Of the tighter bound: large plans try fewer thresholds, each of which is a bound of its own."""


def lower_bound_s(graph: TaskGraph, workers: int) -> float:
    """The longest of the critical path, work ÷ workers, and a limited type's work ÷ its limit."""
    by_type = [_work_s(graph, kind) / most for kind, most in graph.limits.items()]
    work_s = sum(graph.durations_s)
    return max(max(upward_ranks_s(graph), default=0.0), work_s / graph.at_once(workers), *by_type)


def _work_s(graph: TaskGraph, kind: str) -> float:
    """Seconds of all tasks of a type; of none that no task has, such as `*`."""
    return sum(s for s, own in zip(graph.durations_s, graph.types, strict=True) if own == kind)


def tight_bound_s(graph: TaskGraph, workers: int, *, most_steps: int = MOST_STEPS) -> float:
    """A bound from heads (longest path before a task) and tails (longest path after it), locks left out.

    For each pair of thresholds, the tasks with at least such a head and such a tail: no worker begins
    on them before the least head, all of them take their energy, and the least tail comes after the
    last. With at least as many tasks as workers, the workers' own least heads and tails count instead of the
    least of all: Carlier, "Scheduling jobs with release dates and tails on identical machines to minimize
    the makespan", European Journal of Operational Research 29 (1987), 298-306.
    """
    ranks = upward_ranks_s(graph)
    tails = [rank - own for rank, own in zip(ranks, graph.durations_s, strict=True)]
    heads = _heads(graph)
    rows = sorted(zip(tails, heads, graph.durations_s, strict=True), reverse=True)
    thresholds = sorted(set(heads))
    stride = max(1, len(thresholds) * len(tails) // most_steps)
    found = [_energy(rows, graph.at_once(workers), least) for least in thresholds[::stride]]
    return max([lower_bound_s(graph, workers), *found])


def _energy(rows: list[tuple[float, float, float]], workers: int, least: float) -> float:
    """The best bound over all thresholds of tails, of the tasks with at least this head.

    Rows are tail, head and seconds of a task, the longest tails first.
    """
    work = early = late = best = 0.0
    earliest: list[float] = []  # the least heads, negated, of as many tasks as there are workers
    latest: list[float] = []  # tails as they come: the least are the last
    for tail, head, seconds in rows:
        if head < least:
            continue
        work += seconds
        latest.append(tail)
        late += tail
        early += head
        heapq.heappush(earliest, -head)
        if len(earliest) > workers:
            early += heapq.heappop(earliest)
            late -= latest[-workers - 1]
        if len(earliest) == workers:
            best = max(best, (early + work + late) / workers)
        best = max(best, least + work / workers + tail)
    return best


def _heads(graph: TaskGraph) -> list[float]:
    heads: list[float] = []
    for dependencies in graph.before:
        heads.append(max((heads[d] + graph.durations_s[d] for d in dependencies), default=0.0))
    return heads
