"""What a plan's graph says: order, waves, cycles, ranks and the critical path.

Nothing here recurses, so a chain of 10,000 tasks is as good as any. `dependencies` maps each task id
to the ids that must be done before it.
"""

import heapq
from collections.abc import Iterator, Mapping, Sequence

from swarm.plan.model import Plan, TaskSpec


def topological_order(dependencies: Mapping[str, Sequence[str]]) -> list[str]:
    """Every id after its dependencies, ties in the mapping's order; ids on or behind a cycle are left out.

    Dependencies that are not keys are ignored.
    """
    position = {task: index for index, task in enumerate(dependencies)}
    ids = list(dependencies)
    waiting = {task: len({d for d in before if d in position}) for task, before in dependencies.items()}
    dependents = dependents_of(dependencies)
    ready = [position[task] for task, count in waiting.items() if not count]
    order: list[str] = []
    while ready:
        task = ids[heapq.heappop(ready)]
        order.append(task)
        for dependent in dependents[task]:
            waiting[dependent] -= 1
            if not waiting[dependent]:
                heapq.heappush(ready, position[dependent])
    return order


def dependents_of(dependencies: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """The same edges the other way: each id and the ids that wait for it."""
    dependents: dict[str, list[str]] = {task: [] for task in dependencies}
    for task, before in dependencies.items():
        for dependency in dict.fromkeys(before):
            if dependency in dependents:
                dependents[dependency].append(task)
    return dependents


def find_cycles(dependencies: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """One cycle of each knot of tasks that wait for each other, its first id repeated at its end.

    Each id in a cycle depends on the next. A task that depends on itself is not reported here.
    """
    left = set(dependencies).difference(topological_order(dependencies))
    if not left:
        return []
    # Only a plan that is wrong pays for this import.
    import networkx as nx  # noqa: PLC0415

    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_edges_from((task, d) for task in left for d in dependencies[task] if d in left)
    position = {task: index for index, task in enumerate(dependencies)}
    knots = [knot for knot in nx.strongly_connected_components(graph) if len(knot) > 1]
    knots.sort(key=lambda knot: min(map(position.__getitem__, knot)))
    return [_one_cycle(dependencies, knot, min(knot, key=position.__getitem__)) for knot in knots]


def _one_cycle(dependencies: Mapping[str, Sequence[str]], knot: set[str], start: str) -> list[str]:
    """Walk inside the knot until a task comes again; every task there has a way on."""
    seen: dict[str, int] = {}
    walk: list[str] = []
    task = start
    while task not in seen:
        seen[task] = len(walk)
        walk.append(task)
        task = next(d for d in dependencies[task] if d in knot and d != task)
    return [*walk[seen[task] :], task]


def waves(plan: Plan) -> list[list[str]]:
    """Tasks by level: a task's level is one more than the highest of its dependencies."""
    level: dict[str, int] = {}
    levels: list[list[str]] = []
    for task in plan.tasks:
        level[task.id] = 1 + max((level[d] for d in task.dependencies), default=-1)
        if level[task.id] == len(levels):
            levels.append([])
        levels[level[task.id]].append(task.id)
    return levels


def walk_up(plan: Plan) -> Iterator[tuple[TaskSpec, float, list[str]]]:
    """Each task, the plan's last first, with its upward rank and its dependents in the plan's order.

    The upward rank is the seconds on the longest estimated path from its start to a leaf's end, as in HEFT.
    """
    after_s: dict[str, float] = {}
    dependents: dict[str, list[str]] = {}
    for task in reversed(plan.tasks):
        name = task.id
        rank_s = task.expected_s + after_s.pop(name, 0.0)
        for dependency in dict.fromkeys(task.dependencies):
            if dependency not in after_s:
                after_s[dependency], dependents[dependency] = rank_s, [name]
                continue
            dependents[dependency].append(name)
            if after_s[dependency] < rank_s:  # noqa: PLR1730  # for every edge; a call costs more than all else
                after_s[dependency] = rank_s
        waiting = dependents.pop(name, [])
        waiting.reverse()
        yield task, rank_s, waiting


def critical_path(plan: Plan, durations: Mapping[str, float] | None = None) -> tuple[tuple[str, ...], float]:
    """The longest path through the plan, in order, and its seconds; no worker count makes a run shorter.

    `durations` holds seconds by task id; a task it does not name counts with its estimate.
    """
    known = durations or {}
    seconds = {task.id: known.get(task.id, task.expected_s) for task in plan.tasks}
    end: dict[str, float] = {}
    via: dict[str, str | None] = {}
    for task in plan.tasks:
        via[task.id] = max(task.dependencies, key=end.__getitem__, default=None)
        before = via[task.id]
        end[task.id] = seconds[task.id] + (end[before] if before is not None else 0.0)
    last = max(end, key=end.__getitem__, default=None)
    path: list[str] = []
    task_id = last
    while task_id is not None:
        path.append(task_id)
        task_id = via[task_id]
    return tuple(reversed(path)), (end[last] if last is not None else 0.0)
