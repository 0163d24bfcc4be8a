"""A sub-plan as a value: what one expansion may hold, and its tasks under names of their own."""

from collections.abc import Iterator
from dataclasses import replace

from swarm.errors import Problem
from swarm.plan.model import Plan
from swarm.plan.reading import problems_error, shown

MOST_TASKS = 200
MOST_EDGES = 1_000
"""One script stores a sub-plan; a part of it may be expanded in its turn."""
MOST_ID_CHARS = 200

_ATTEMPT_CHARS = 5


def check_size(plan: Plan, whole: str) -> None:
    """Let pass what one script can store in place of the task `whole`.

    Raises:
        PlanError: it is too large, or an id would become too long.
    """
    if problems := list(size_problems(plan, whole)):
        raise problems_error(f"sub-plan of {whole}", problems)


def size_problems(plan: Plan, whole: str) -> Iterator[Problem]:
    """What is too large about these tasks in place of `whole`."""
    edges = sum(len(task.dependencies) for task in plan.tasks)
    hint = "let some of them expand in their turn"
    if not plan.tasks:
        yield Problem("$", "the plan has no tasks", "give at least one, with `id` and `description`")
    if len(plan.tasks) > MOST_TASKS:
        yield Problem("$", f"{len(plan.tasks)} tasks, at most {MOST_TASKS} at once", hint)
    if edges > MOST_EDGES:
        yield Problem("$", f"{edges} dependencies, at most {MOST_EDGES} at once", hint)
    for task in plan.tasks:
        if len(whole) + len(task.id) + _ATTEMPT_CHARS > MOST_ID_CHARS:
            path = f"{plan.where.get(task.id, f'tasks[{task.id!r}]')}.id"
            name = shown(f"{whole}.{task.id}")
            yield Problem(path, f"{name} would be longer than {MOST_ID_CHARS} characters", "shorten it")


def placed(plan: Plan, prefix: str) -> Plan:
    """The plan with `prefix` before every id."""
    tasks = [
        replace(task, id=prefix + task.id, dependencies=tuple(prefix + name for name in task.dependencies))
        for task in plan.tasks
    ]
    return Plan(tuple(tasks), goal=plan.goal)
