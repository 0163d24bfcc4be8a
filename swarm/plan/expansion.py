"""Sub-plans: the tasks that a running task asks for in its own place, held to what a plan file is held to."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any  # rows are whatever stood in the document

from swarm.errors import PlanError, Problem
from swarm.plan.document import parse_plan
from swarm.plan.lint import lint
from swarm.plan.model import Plan, TaskSpec
from swarm.plan.reading import problems_error, read_json, shown
from swarm.plan.scope import is_inside

MOST_TASKS = 200
MOST_EDGES = 1_000
"""One script stores a sub-plan; a part of it may be expanded in its turn."""
MOST_ID_CHARS = 200

_INHERITED = ("type", "needs", "tier", "timeout_s", "max_attempts", "priority")
"""What a task of a sub-plan that does not say so itself has from the one it is a part of."""


def read_expansion(document: str | bytes, whole: TaskSpec, *, bounds: Sequence[str] = ()) -> Plan:
    """Read the tasks that `whole` is to be expanded into, in either form of a plan file.

    Args:
        document: JSON.
        whole: the task that asks.
        bounds: patterns that all of their `files` lie in; none: anywhere in the repository.

    Raises:
        PlanError: with everything that is wrong, in `problems`.
    """
    source = f"sub-plan of {whole.id}"
    plan = parse_plan(json.dumps(_inheriting(read_json(document, source=source), whole)), source=source)
    problems = [*_scope_problems(plan, bounds), *_size_problems(plan, whole.id)]
    problems += [Problem(one.path, one.message, one.hint) for one in lint(plan) if one.level == "error"]
    if problems:
        raise problems_error(source, problems)
    return plan


def check_size(plan: Plan, whole: str) -> None:
    """Let pass what one script can store in place of the task `whole`.

    Raises:
        PlanError: it is too large, or an id would become too long.
    """
    if problems := list(_size_problems(plan, whole)):
        raise problems_error(f"sub-plan of {whole}", problems)


def placed(plan: Plan, prefix: str) -> Plan:
    """The plan with `prefix` before every id."""
    tasks = (
        replace(task, id=prefix + task.id, dependencies=tuple(prefix + other for other in task.dependencies))
        for task in plan.tasks
    )
    return Plan(tuple(tasks), goal=plan.goal)


def describe_problems(error: PlanError) -> str:
    """All that is wrong, one problem a line."""
    return "\n".join([error.message, *(str(problem) for problem in error.problems)])


def _inheriting(document: object, whole: TaskSpec) -> object:
    rows = document.get("tasks") if isinstance(document, dict) else document
    if not isinstance(rows, list):
        return document
    # Any: the fields are of several types, all of them plain values.
    inherited: dict[str, Any] = {name: getattr(whole, name) for name in _INHERITED}
    made = [{**inherited, **row} if isinstance(row, dict) else row for row in rows]
    return {**document, "tasks": made} if isinstance(document, dict) else made


def _scope_problems(plan: Plan, bounds: Sequence[str]) -> Iterator[Problem]:
    for task in plan.tasks if bounds else ():
        for pattern in task.files:
            if not is_inside(pattern, bounds):
                where = f"{plan.where[task.id]}.files"
                fault = f"{shown(pattern)} is not inside the write scope of the task it is a part of"
                yield Problem(where, fault, f"stay within {', '.join(map(shown, bounds[:5]))}")


def _size_problems(plan: Plan, whole: str) -> Iterator[Problem]:
    edges = sum(len(task.dependencies) for task in plan.tasks)
    hint = "let some of them expand in their turn"
    if not plan.tasks:
        yield Problem("$", "the plan has no tasks", "give at least one, with `id` and `description`")
    if len(plan.tasks) > MOST_TASKS:
        yield Problem("$", f"{len(plan.tasks)} tasks, at most {MOST_TASKS} at once", hint)
    if edges > MOST_EDGES:
        yield Problem("$", f"{edges} dependencies, at most {MOST_EDGES} at once", hint)
    for task in plan.tasks:
        if len(whole) + len(task.id) + 5 > MOST_ID_CHARS:
            name = f"{whole}.{task.id}"
            where = plan.where.get(task.id, f"tasks[{task.id!r}]")
            yield Problem(
                f"{where}.id", f"{shown(name)} is longer than {MOST_ID_CHARS} characters", "shorten it"
            )
