"""Plan documents: bytes from outside to a `Plan`, and a `Plan` back to a document.

The document is either the bare array of tasks or an object with `version`, `goal` and `tasks`.
Whatever is wrong with it is reported at once, each problem with its JSON path.
"""

import json
from dataclasses import fields
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, PydanticSerializationError, to_json

from swarm.errors import PlanError, Problem
from swarm.plan.checks import MAX_TEXT_BYTES, find_problems
from swarm.plan.graph import topological_order
from swarm.plan.model import (
    DEFAULT_ESTIMATE_S,
    DEFAULT_TYPE,
    MAX_SECONDS,
    MOST_CANDIDATES,
    MOST_PRIORITY,
    Plan,
    TaskSpec,
)
from swarm.plan.naming import NAME_PATTERN
from swarm.plan.reading import path_of, problems_error, read_json, shown
from swarm.plan.scope import normalise_pattern
from swarm.plan.spelling import MEANT, nearest

MAX_TASKS = 100_000

Name = Annotated[str, StringConstraints(pattern=f"^{NAME_PATTERN}$")]
Text = Annotated[str, StringConstraints(max_length=MAX_TEXT_BYTES)]
Argv = Annotated[list[Text], Field(min_length=1, max_length=1_000)]
Paths = Annotated[list[Text], Field(max_length=1_000)]
Seconds = Annotated[float, Field(gt=0, le=MAX_SECONDS, allow_inf_nan=False)]


class TaskDocument(BaseModel):
    """One task as it stands in a plan file."""

    model_config = ConfigDict(extra="forbid", strict=True, title="Task")

    id: Name = Field(description="Unique in the plan; dependencies, branches and logs use it.")
    description: Annotated[Text, Field(min_length=1)] = Field(
        description="What is to be done, for whoever does it."
    )
    type: Name = Field(
        default=DEFAULT_TYPE, description="Kind of worker that takes it, such as frontend or docs."
    )
    needs: Annotated[list[Name], Field(max_length=10)] = Field(
        default=[], description="Tags that its worker must have, such as gpu."
    )
    dependencies: list[Name] = Field(
        default=[], description="Ids of tasks whose merged result it starts from."
    )
    files: Paths = Field(default=[], description="Write scope: paths or globs relative to the repository.")
    reads: Paths = Field(default=[], description="Paths or globs that must not change while it runs.")
    acceptance: Annotated[list[Argv], Field(max_length=100)] = Field(
        default=[], description="Commands (argv, no shell) that must succeed on the merged tree."
    )
    executor: Literal["command", "messages", "claude-code", "plan"] | None = Field(
        default=None, description="What does it; `command` when there is a command, else `messages`."
    )
    command: Argv | None = Field(default=None, description="Argv of executor `command`; no shell.")
    tier: Literal["cheap", "worker", "planner", "top"] = Field(
        default="worker", description="Which model does it."
    )
    estimate_s: Seconds = Field(
        default=DEFAULT_ESTIMATE_S, description="Seconds an agent is expected to take."
    )
    timeout_s: Seconds = Field(default=3600.0, description="Seconds after which an attempt is ended.")
    max_attempts: Annotated[int, Field(ge=1, le=100)] = Field(
        default=3, description="Attempts before it has failed."
    )
    priority: Annotated[int, Field(ge=-MOST_PRIORITY, le=MOST_PRIORITY)] = Field(
        default=0, description="Higher goes first among equals."
    )
    context: Text = Field(default="", description="What else the agent should know.")
    expected_output: Text | None = Field(default=None, description="What is there when it is done.")
    deadline_s: Seconds | None = Field(
        default=None, description="Seconds after the run's submission; it fails if it has not ended by then."
    )
    deadline: Text | None = Field(default=None, description="ISO 8601 time by which it should be done.")
    review: bool | None = Field(
        default=None, description="Whether a second model must approve each attempt; else the run's default."
    )
    best_of: Annotated[int, Field(ge=1, le=MOST_CANDIDATES)] = Field(
        default=1, description="Agents that try it, each by itself; a judge picks among what passes."
    )


class PlanDocument(BaseModel):
    """The object form of a plan file."""

    model_config = ConfigDict(extra="forbid", strict=True, title="Plan")

    version: Literal[1] = 1
    goal: Text = Field(default="", description="What the whole plan is for, in a sentence.")
    tasks: Annotated[list[TaskDocument], Field(min_length=1, max_length=MAX_TASKS)]


ARRAY: TypeAdapter[list[TaskDocument]] = TypeAdapter(list[TaskDocument])
_DEFAULTS = {f.name: f.default for f in fields(TaskSpec)}


def parse_plan(text: str | bytes, *, source: str = "plan.json") -> Plan:
    """Read a plan in either form.

    Raises:
        PlanError: the text is not JSON (with line and column), or `problems` holds all that is wrong.
    """
    document, problems = read_json(text, source=source)
    is_bare = isinstance(document, list)
    root = "$" if is_bare else "$.tasks"
    rows = document if isinstance(document, list) else _tasks_of(document)
    if len(rows) > MAX_TASKS:
        raise PlanError(f"{source}: {root}: {len(rows)} tasks, at most {MAX_TASKS} in a plan")
    whole = PlanDocument.model_construct(tasks=[])
    try:
        if is_bare:
            whole.tasks = ARRAY.validate_python(document)
        else:
            whole = PlanDocument.model_validate(document)
    except ValidationError as error:
        problems += [_problem(one) for one in error.errors(include_url=False)]
    if isinstance(document, list) or (isinstance(document, dict) and isinstance(document.get("tasks"), list)):
        problems += find_problems(rows, root)
    if problems:
        raise problems_error(source, problems)
    return _plan(whole, root)


def dump_plan(plan: Plan) -> str:
    """The plan as a document: stable, without defaults, and parsed back to an equal plan."""
    tasks = [_dumped(task) for task in plan.tasks]
    head: dict[str, object] = {"version": plan.version, **({"goal": plan.goal} if plan.goal else {})}
    document = {**head, "tasks": tasks}
    try:
        text = to_json(document, indent=2).decode()  # as `json` writes it, ten times as fast
    except PydanticSerializationError:  # a file name that is no UTF-8
        text = json.dumps(document, indent=2, ensure_ascii=False)
    return text + "\n"


def _tasks_of(document: object) -> list[object]:
    tasks = document.get("tasks") if isinstance(document, dict) else None
    return tasks if isinstance(tasks, list) else []


def _problem(error: ErrorDetails) -> Problem:  # noqa: PLR0911  # a table, one row a kind
    """One pydantic error in our words."""
    location = error["loc"]
    path = path_of("$", location)
    name = str(location[-1]) if location else ""
    value = shown(error["input"])
    match error["type"]:
        case "extra_forbidden":
            return Problem(path, f"unknown field {shown(name)}", _meant(name, is_task=len(location) > 1))
        case "missing":
            return Problem(path, "required, but not there")
        case "string_pattern_mismatch":
            rule = "letters, digits, '.', '_' and '-', beginning with a letter or digit, at most 100"
            return Problem(path, f"not a usable name: {value}", rule)
        case "too_short" if location == ("tasks",):
            return Problem(path, "the plan has no tasks", "give at least one, with `id` and `description`")
        case "string_unicode":
            return Problem(path, f"lone surrogate in {value}", "text must be Unicode")
        case "string_too_long":
            return Problem(path, f"text of more than {MAX_TEXT_BYTES} characters", "put it in a file")
        case "too_short" | "string_too_short":
            return Problem(path, "must not be empty", "leave the field out, or fill it")
        case "model_type" if not location:
            return Problem(
                path, f"not a plan: {value}", "give a JSON array of tasks, or an object with `tasks`"
            )
        case "model_type":
            return Problem(path, f"not a task: {value}", "a task is an object with `id` and `description`")
    # "Input should be a valid string" -> "should be a valid string, got 3"
    return Problem(
        path, f"{error['msg'].removeprefix('Input ').replace('String should', 'should')}, got {value}"
    )


def _meant(name: str, *, is_task: bool) -> str:
    known = list((TaskDocument if is_task else PlanDocument).model_fields)
    likely = [MEANT[name]] if MEANT.get(name) in known else nearest(name, known)
    if likely:
        return f"did you mean {' or '.join(map(repr, likely))}?"
    return f"known: {', '.join(known)}"


def _plan(document: PlanDocument, root: str) -> Plan:
    by_id = {task.id: (index, task) for index, task in enumerate(document.tasks)}
    order = topological_order({task.id: task.dependencies for task in document.tasks})
    return Plan(
        tasks=tuple(_spec(by_id[task_id][1]) for task_id in order),
        goal=document.goal,
        where={task_id: f"{root}[{index}]" for task_id, (index, _) in by_id.items()},
    )


def _spec(task: TaskDocument) -> TaskSpec:
    values = dict(task.__dict__)
    values["dependencies"] = tuple(dict.fromkeys(task.dependencies))
    values["needs"] = tuple(dict.fromkeys(task.needs))
    values["files"] = tuple(dict.fromkeys(map(normalise_pattern, task.files)))
    values["reads"] = tuple(dict.fromkeys(map(normalise_pattern, task.reads)))
    values["acceptance"] = tuple(map(tuple, task.acceptance))
    values["command"] = None if task.command is None else tuple(task.command)
    values["executor"] = task.executor or _default_executor(task.command)
    return TaskSpec(**values)


def _default_executor(command: object) -> str:
    return "messages" if command is None else "command"


def _dumped(task: TaskSpec) -> dict[str, object]:
    # Any: the fields of a task are of several types, all of them plain values.
    values: dict[str, Any] = task.__dict__
    defaults = {**_DEFAULTS, "executor": _default_executor(task.command)}
    return {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, default in defaults.items()
        if (value := values[name]) is not default and value != default
    }
