"""What a schema cannot say about a plan: names that mean nothing, cycles, scopes that cannot be used.

The checks read plain values as they came, so that a plan with a wrong type in one place still gets
all its other problems reported with it.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from swarm.errors import Problem
from swarm.plan.graph import find_cycles
from swarm.plan.model import DEFAULT_TYPE
from swarm.plan.reading import path_of, shown
from swarm.plan.scope import PatternError, normalise_pattern
from swarm.plan.spelling import first_few, nearest

MAX_TEXT_BYTES = 64 * 1024
MAX_QUEUES = 200
"""A worker of all types looks at the head of each before it takes a task: 1,000 of them cost it 5 ms."""
_NAMED_IDS = 8
_SUGGESTIONS = 50
_CYCLE_SHOWN = 12


def find_problems(tasks: Sequence[object], root: str) -> list[Problem]:
    """Everything wrong with the meaning of these tasks; `root` is the JSON path of their array."""
    if not tasks:
        return [Problem(root, "the plan has no tasks", "give at least one, with `id` and `description`")]
    # Any: a task is whatever stood in the document; each check looks at what it finds.
    rows = [(index, dict[str, Any](task)) for index, task in enumerate(tasks) if isinstance(task, dict)]
    first: dict[str, int] = {}
    problems: list[Problem] = []
    for index, task in rows:
        task_id = task.get("id")
        if isinstance(task_id, str) and first.setdefault(task_id, index) != index:
            before = path_of(root, (first[task_id],))
            problems.append(
                Problem(path_of(root, (index, "id")), f"duplicate id {shown(task_id)}", f"first at {before}")
            )
    queues = {_queue_name(task) for _, task in rows}
    if len(queues) > MAX_QUEUES:
        what = f"{len(queues)} different `type`s (with their `needs`), at most {MAX_QUEUES}"
        problems.append(
            Problem(root, what, "a type is what workers are told apart by; tasks need none of their own")
        )
    problems += _dependency_problems(rows, first, root)
    for index, task in rows:
        problems += [Problem(path_of(root, (index, *parts)), *what) for parts, *what in _task_problems(task)]
    return problems


def _queue_name(task: Mapping[str, Any]) -> str:
    name, needs = str(task.get("type", DEFAULT_TYPE)), task.get("needs")
    return "+".join([name, *sorted({tag for tag in _texts(needs) if tag})]) if needs else name


def _dependency_problems(
    rows: Sequence[tuple[int, Mapping[str, Any]]], known: Mapping[str, int], root: str
) -> list[Problem]:
    problems: list[Problem] = []
    suggestions = _SUGGESTIONS
    for index, task in rows:
        for place, dependency in enumerate(_texts(task.get("dependencies"))):
            if dependency is None:
                continue
            what, hint = "", ""
            if dependency == task.get("id"):
                what = f"task {shown(dependency)} depends on itself"
            elif dependency not in known:
                what = f"unknown dependency {shown(dependency)}"
                hint = _known_names(dependency, known) if suggestions else ""
                suggestions -= bool(suggestions)
            if what:
                problems.append(Problem(path_of(root, (index, "dependencies", place)), what, hint))
    edges = {
        task["id"]: [d for d in _texts(task.get("dependencies")) if d is not None]
        for index, task in rows
        if isinstance(task.get("id"), str) and known[task["id"]] == index
    }
    return problems + [_cycle_problem(cycle, known, root) for cycle in find_cycles(edges)]


def _known_names(dependency: str, known: Mapping[str, int]) -> str:
    likely = nearest(dependency, known)
    meant = f"did you mean {' or '.join(map(repr, likely))}? " if likely else ""
    return f"{meant}known: {first_few(known, _NAMED_IDS)}"


def _cycle_problem(cycle: Sequence[str], known: Mapping[str, int], root: str) -> Problem:
    names = list(cycle)
    if len(names) > _CYCLE_SHOWN:
        names = [*names[: _CYCLE_SHOWN - 2], f"… {len(cycle) - _CYCLE_SHOWN} more …", *names[-2:]]
    path = path_of(root, (known[cycle[0]], "dependencies"))
    return Problem(path, f"cycle: {' -> '.join(names)}", "each depends on the next; remove one dependency")


def _task_problems(task: Mapping[str, Any]) -> Iterator[tuple[tuple[int | str, ...], str, str]]:
    """Problems within one task: the path below it, what, and what to do."""
    for field in ("files", "reads"):
        for place, pattern in enumerate(_texts(task.get(field))):
            try:
                normalise_pattern("x" if pattern is None else pattern)
            except PatternError as error:
                yield (field, place), str(error), "give a path or glob inside the repository"
    task_id = task.get("id")
    if isinstance(task_id, str) and (".." in task_id or task_id.endswith((".", ".lock"))):
        yield (
            ("id",),
            f"id {shown(task_id)} cannot be part of a git ref",
            "no `..`, no `.` or `.lock` at the end",
        )
    yield from _executor_problems(task)
    yield from _text_problems(task)


def _executor_problems(task: Mapping[str, Any]) -> Iterator[tuple[tuple[int | str, ...], str, str]]:
    command, executor = task.get("command"), task.get("executor")
    if executor == "command" and command is None:
        yield ("command",), "executor 'command' needs a command", 'such as ["make", "docs"]'
    if command is not None and executor not in (None, "command"):
        yield ("executor",), f"executor {shown(executor)} takes no command", "leave one of the two out"
    arguments = [(("command", i), a) for i, a in enumerate(_texts(command))]
    acceptance = task.get("acceptance")
    for row, argv in enumerate(acceptance if isinstance(acceptance, list) else ()):
        arguments += [(("acceptance", row, i), a) for i, a in enumerate(_texts(argv))]  # type: ignore[misc]  # deeper
    for parts, argument in arguments:
        if argument is not None and "\0" in argument:
            yield parts, f"NUL character in {shown(argument)}", "no program can be given it"
        if argument == "" and parts[-1] == 0:
            yield parts, "the program's name is empty", 'an argv begins with a program, such as ["make"]'


def _text_problems(task: Mapping[str, Any]) -> Iterator[tuple[tuple[int | str, ...], str, str]]:
    for field, value in task.items():
        texts = value if isinstance(value, list) else [value]
        for place, text in enumerate(texts):
            # The schema has refused what is longer in characters; only a long text needs encoding.
            if isinstance(text, str) and MAX_TEXT_BYTES // 4 < len(text) <= MAX_TEXT_BYTES < _size(text):
                parts = (field,) if texts is not value else (field, place)
                yield parts, f"text of {_size(text)} bytes", f"at most {MAX_TEXT_BYTES}; put it in a file"
    description = task.get("description")
    if isinstance(description, str) and description and not description.strip():
        yield ("description",), "the description is blank", "say what the task is to do"
    deadline = task.get("deadline")
    if isinstance(deadline, str) and not _is_instant(deadline):
        yield ("deadline",), f"not an ISO 8601 time: {shown(deadline)}", "such as 2026-12-31T18:00:00Z"


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _is_instant(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _texts(value: object) -> list[str | None]:
    """The list's strings, None where something else stands; empty for what is not a list."""
    return [text if isinstance(text, str) else None for text in value] if isinstance(value, list) else []
