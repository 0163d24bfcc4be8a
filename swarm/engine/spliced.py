"""The graph of a run in which tasks were expanded: what waits for what, and what came after what."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from swarm.engine.records import TaskRecord
from swarm.plan.graph import topological_order
from swarm.plan.model import TaskSpec


def joined(specs: Sequence[TaskSpec], joins: Mapping[str, Sequence[str]]) -> list[TaskSpec]:
    """What still waits: a task that was expanded comes after the parts that it waits for.

    In a topological order; as given when nothing was expanded.
    """
    if not joins:
        return list(specs)
    return _ordered(
        [replace(spec, dependencies=(*spec.dependencies, *joins.get(spec.id, ()))) for spec in specs]
    )


def as_happened(tasks: Sequence[TaskRecord]) -> list[TaskSpec]:
    """What came after what: a task that was expanded, its parts, and then what depends on it.

    In a topological order; as given when nothing was expanded.
    """
    joins = {task.spec.id: task.join for task in tasks if task.join}
    if not joins:
        return [task.spec for task in tasks]
    expanded = {name for task in tasks for name in task.parts}
    specs = []
    for task in tasks:
        after = list(task.spec.dependencies)
        for name in after:  # grows while a sink was expanded in its turn
            after += joins.get(name, ())
        if task.spec.id in expanded and not after:
            after.append(task.part_of)
        specs.append(replace(task.spec, dependencies=tuple(dict.fromkeys(after))))
    return _ordered(specs)


def _ordered(specs: Sequence[TaskSpec]) -> list[TaskSpec]:
    by_id = {spec.id: spec for spec in specs}
    return [by_id[name] for name in topological_order({spec.id: spec.dependencies for spec in specs})]
