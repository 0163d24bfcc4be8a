"""The two tools with which an agent asks the queue: to be replaced by tasks, and for more files."""

import json
from collections.abc import Mapping
from typing import Any  # arguments are whatever a model wrote; each is checked before use

from swarm.errors import PlanError, RefusedError
from swarm.plan.expansion import describe_problems
from swarm.plan.model import Plan
from swarm.plan.subplan import MOST_TASKS
from workers.agents.agent import AgentContext
from workers.tools import ToolAnswer

_PATHS = {"type": "array", "items": {"type": "string"}}
_TASK = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "description": "Unique among these tasks."},
        "description": {"type": "string", "description": "What is to be done, for whoever does it."},
        "dependencies": {
            **_PATHS,
            "description": "Ids among these tasks whose merged result it starts from.",
        },
        "files": {**_PATHS, "description": "Its write scope, inside yours."},
        "reads": {**_PATHS, "description": "What must not change while it runs."},
        "acceptance": {
            "type": "array",
            "items": _PATHS,
            "description": "Commands (argv) that must succeed on the merged tree.",
        },
    },
    "required": ["id", "description"],
}

EXPAND: dict[str, Any] = {
    "name": "expand_task",
    "description": (
        "Replace your task by smaller tasks that other agents do, each in its own copy; what depends on "
        f"your task waits for all of them. At most {MOST_TASKS}. Your work ends with this call, and what you "
        "have changed is dropped. For a task that is too large for one agent, or whose parts can go on at "
        "the same time."
    ),
    "input_schema": {
        "type": "object",
        "properties": {"tasks": {"type": "array", "items": _TASK, "minItems": 1}},
        "required": ["tasks"],
    },
}
EXTEND: dict[str, Any] = {
    "name": "extend_scope",
    "description": (
        "Ask for more files before you change them. If nobody else is at work on them your write scope "
        "grows; if somebody is, your task is put back and begun anew later, with all of them."
    ),
    "input_schema": {
        "type": "object",
        "properties": {
            "files": {**_PATHS, "description": "Paths or globs that you need to change."},
            "reads": {**_PATHS, "description": "Paths or globs that must not change while you work."},
        },
    },
}
ASKING: tuple[dict[str, Any], ...] = (EXPAND, EXTEND)
"""As the Messages API takes them; constant, so that the prompt cache holds."""


def ask_to_expand(arguments: object, context: AgentContext) -> Plan | ToolAnswer:
    """The tasks to be done instead, or what is wrong with them, for the model."""
    tasks = arguments.get("tasks") if isinstance(arguments, Mapping) else None
    if not isinstance(tasks, list):
        return ToolAnswer(
            f"expand_task: tasks must be an array of tasks, got {arguments!r}"[:500], is_error=True
        )
    try:
        return context.expand(json.dumps(tasks))
    except PlanError as error:
        return ToolAnswer(describe_problems(error), is_error=True)


def ask_to_extend(arguments: object, context: AgentContext) -> ToolAnswer:
    """Grow the write scope; says what it is then, or why not.

    Raises:
        LeaseLostError: somebody else holds what was asked for; the attempt is over.
    """
    given = arguments if isinstance(arguments, Mapping) else {}
    files, reads = given.get("files", []), given.get("reads", [])
    for paths in (files, reads):
        if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
            return ToolAnswer(
                f"extend_scope: files and reads must be lists of paths, got {arguments!r}"[:500],
                is_error=True,
            )
    try:
        task = context.extend(files, reads)
    except RefusedError as error:
        return ToolAnswer(f"{error.message} ({error.hint})" if error.hint else error.message, is_error=True)
    return ToolAnswer("Granted. Your write scope is now:\n" + "\n".join(task.files))
