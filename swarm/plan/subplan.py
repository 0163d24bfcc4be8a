"""A sub-plan as a value: what one expansion may hold, and its tasks under names of their own."""

import itertools
from collections.abc import Iterator
from dataclasses import replace

from swarm.errors import Problem
from swarm.plan.model import Plan, TaskSpec
from swarm.plan.reading import problems_error, shown

MOST_TASKS = 200
MOST_EDGES = 1_000
"""One script stores a sub-plan; a part of it may be expanded in its turn."""
MOST_ID_CHARS = 200

INHERITED = ("type", "needs", "tier", "timeout_s", "max_attempts", "priority", "review")
"""What a task of a sub-plan that does not say so itself has from the one it is a part of."""
ACCEPT = "accept"
"""The id of the part that holds all others to the acceptance commands of the task they stand for."""

_ATTEMPT_CHARS = 5


def check_size(plan: Plan, whole: TaskSpec) -> None:
    """Let pass what one script can store in place of the task `whole`.

    Raises:
        PlanError: it is too large, or an id would become too long.
    """
    if problems := list(size_problems(plan, whole)):
        raise problems_error(f"sub-plan of {whole.id}", problems)


def size_problems(plan: Plan, whole: TaskSpec) -> Iterator[Problem]:
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
        if _is_too_long(whole, task.id):
            path = f"{plan.where.get(task.id, f'tasks[{task.id!r}]')}.id"
            name = shown(f"{whole.id}.{task.id}")
            yield Problem(path, f"{name} would be longer than {MOST_ID_CHARS} characters", "shorten it")
    if whole.acceptance and plan.tasks and _is_too_long(whole, name := _accept_id(plan)):
        fault = f"{shown(f'{whole.id}.{name}')} would be longer than {MOST_ID_CHARS} characters"
        yield Problem("$", fault, "a task with so long an id and with acceptance commands cannot be expanded")


def accepted(plan: Plan, whole: TaskSpec) -> Plan:
    """The plan, and where `whole` has acceptance commands one task more, after all of it, that they judge.

    It changes nothing itself, and starts from a fresh checkout of all that the others landed: nothing that
    they say or do gets `whole` out of its acceptance.
    """
    if not whole.acceptance:
        return plan
    waited_for = {name for task in plan.tasks for name in task.dependencies}
    last = TaskSpec(
        _accept_id(plan),
        f"Hold what {whole.id} was expanded into to its acceptance commands",
        dependencies=tuple(task.id for task in plan.tasks if task.id not in waited_for),
        acceptance=whole.acceptance,
        executor="command",
        command=("true",),
    )
    last = replace(last, **{name: getattr(whole, name) for name in INHERITED})
    return Plan((*plan.tasks, last), goal=plan.goal)


def _accept_id(plan: Plan) -> str:
    """A name that no task of the plan has."""
    names = (ACCEPT if number == 1 else f"{ACCEPT}-{number}" for number in itertools.count(1))
    return next(name for name in names if name not in plan.by_id)


def _is_too_long(whole: TaskSpec, task: str) -> bool:
    return len(whole.id) + len(task) + _ATTEMPT_CHARS > MOST_ID_CHARS


def placed(plan: Plan, prefix: str) -> Plan:
    """The plan with `prefix` before every id."""
    tasks = [
        replace(task, id=prefix + task.id, dependencies=tuple(prefix + name for name in task.dependencies))
        for task in plan.tasks
    ]
    return Plan(tuple(tasks), goal=plan.goal)
