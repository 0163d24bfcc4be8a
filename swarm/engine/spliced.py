"""The graph of a run as it is stored: what waits for what, and what came after what.

Tasks may have been expanded; and a run whose submission was stopped has only the end of its plan, so what is
not stored is no dependency here.
"""

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
        return _closed(specs)
    specs = [replace(spec, dependencies=(*spec.dependencies, *joins.get(spec.id, ()))) for spec in specs]
    return _ordered(_closed(specs))


def as_happened(tasks: Sequence[TaskRecord]) -> list[TaskSpec]:
    """What came after what: a task that was expanded, its parts, and then what depends on it.

    In a topological order; as given when nothing was expanded.
    """
    joins = {task.spec.id: task.join for task in tasks if task.join}
    if not joins:
        return _closed([task.spec for task in tasks])
    expanded = {name for task in tasks for name in task.parts}
    specs = []
    for task in tasks:
        after = list(task.spec.dependencies)
        for name in after:  # grows while a sink was expanded in its turn
            after += joins.get(name, ())
        if task.spec.id in expanded and not after:
            after.append(task.part_of)
        specs.append(replace(task.spec, dependencies=tuple(dict.fromkeys(after))))
    return _ordered(_closed(specs))


def _closed(specs: Sequence[TaskSpec]) -> list[TaskSpec]:
    """The same tasks, without dependencies that are not among them."""
    stored = {spec.id for spec in specs}
    if all(map(stored.issuperset, (spec.dependencies for spec in specs))):
        return list(specs)
    return [
        replace(spec, dependencies=tuple(name for name in spec.dependencies if name in stored))
        for spec in specs
    ]


def _ordered(specs: Sequence[TaskSpec]) -> list[TaskSpec]:
    by_id = {spec.id: spec for spec in specs}
    return [by_id[name] for name in topological_order({spec.id: spec.dependencies for spec in specs})]
