"""Builders of plans with sane defaults."""

from collections.abc import Sequence

from swarm.plan.model import Plan, TaskSpec

BASE = "b" * 40
"""A commit id for plans that no git is behind."""


def make_task(  # noqa: D417  # the rest is TaskSpec's
    task_id: str,
    *,
    after: Sequence[str] = (),
    files: Sequence[str] = (),
    reads: Sequence[str] = (),
    type: str = "general",  # noqa: A002  # the field's name
    executor: str = "command",
    max_attempts: int = 3,
    priority: int = 0,
    estimate_s: float = 1.0,
    needs: Sequence[str] = (),
) -> TaskSpec:
    """A `command` task that does nothing.

    Args:
        after: ids of its dependencies.
    """
    return TaskSpec(
        id=task_id,
        description=f"do {task_id}",
        type=type,
        dependencies=tuple(after),
        files=tuple(files),
        reads=tuple(reads),
        executor=executor,
        command=("true",) if executor == "command" else None,
        max_attempts=max_attempts,
        priority=priority,
        estimate_s=estimate_s,
        needs=tuple(needs),
    )


def make_plan(*tasks: TaskSpec | str, goal: str = "a test") -> Plan:
    """A plan of these tasks, given in topological order; a plain id is a task with no dependencies."""
    made = tuple(make_task(task) if isinstance(task, str) else task for task in tasks)
    return Plan(tasks=made, goal=goal)
