"""Reads the tasks that a running task asks for in its own place: held to what a plan file is held to."""

import json
from collections.abc import Iterator, Sequence
from typing import Any  # rows are whatever stood in the document

from swarm.errors import PlanError, Problem
from swarm.plan.lint import lint
from swarm.plan.model import Plan, TaskSpec
from swarm.plan.reading import path_of, problems_error, read_json, shown
from swarm.plan.scope import PatternError, is_inside, normalise_pattern
from swarm.plan.subplan import INHERITED, size_problems

_NAMED_BOUNDS = 5


def read_expansion(document: str | bytes, whole: TaskSpec, *, bounds: Sequence[str] = ()) -> Plan:
    """Read the tasks that `whole` is to be expanded into, in either form of a plan file.

    Args:
        document: JSON.
        whole: the task that asks.
        bounds: patterns that all of their `files` lie in; none: anywhere in the repository.

    Raises:
        PlanError: with everything that is wrong, in `problems`.
    """
    # Imported here: workers read no plan until a task is expanded, and pydantic takes a tenth of a second.
    from swarm.plan.document import parse_plan  # noqa: PLC0415

    source = f"sub-plan of {whole.id}"
    value, problems = read_json(document, source=source)
    root = "$" if isinstance(value, list) else "$.tasks"
    rows = value.get("tasks") if isinstance(value, dict) else value
    problems += _scope_problems(rows if isinstance(rows, list) else [], root, bounds)
    try:
        plan = parse_plan(json.dumps(_inheriting(value, rows, whole)), source=source)
    except PlanError as error:
        if not error.problems:
            raise
        raise problems_error(source, [*error.problems, *problems]) from None
    problems += size_problems(plan, whole)
    problems += [Problem(one.path, one.message, one.hint) for one in lint(plan) if one.level == "error"]
    if problems:
        raise problems_error(source, problems)
    return plan


def describe_problems(error: PlanError) -> str:
    """All that is wrong, one problem a line."""
    return "\n".join([error.message, *(str(problem) for problem in error.problems)])


def _inheriting(document: object, rows: object, whole: TaskSpec) -> object:
    if not isinstance(rows, list):
        return document
    # Any: the fields are of several types, all of them plain values.
    inherited: dict[str, Any] = {name: getattr(whole, name) for name in INHERITED}
    made = [{**inherited, **row} if isinstance(row, dict) else row for row in rows]
    return {**document, "tasks": made} if isinstance(document, dict) else made


def _scope_problems(rows: Sequence[object], root: str, bounds: Sequence[str]) -> Iterator[Problem]:
    """Write scopes that reach beyond the bounds; what is no path at all is said by others."""
    hint = f"stay within {', '.join(map(shown, bounds[:_NAMED_BOUNDS]))}"
    for index, row in enumerate(rows if bounds else ()):
        files = row.get("files") if isinstance(row, dict) else None
        for place, text in enumerate(files if isinstance(files, list) else ()):
            if isinstance(text, str) and not _may_be_inside(text, bounds):
                fault = f"{shown(text)} is not inside the write scope of the task it is to be a part of"
                yield Problem(path_of(root, (index, "files", place)), fault, hint)


def _may_be_inside(text: str, bounds: Sequence[str]) -> bool:
    try:
        return is_inside(normalise_pattern(text), bounds)
    except PatternError:
        return True
