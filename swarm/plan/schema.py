"""The JSON Schemas of a plan: for people and editors, and for a model that is to write one."""

from typing import Any

from swarm.plan.document import ARRAY, PlanDocument

PLANNED_FIELDS = (
    "id",
    "type",
    "description",
    "dependencies",
    "files",
    "reads",
    "acceptance",
    "tier",
    "estimate_s",
    "context",
)
"""What a planner decides about a task; the rest are settings of whoever runs the plan."""

_SUPPORTED = frozenset(
    {"type", "properties", "required", "additionalProperties", "items", "enum", "const", "description"}
)

# Any: JSON Schema is JSON; its shape is what the two functions return.
Schema = dict[str, Any]


def plan_schema() -> Schema:
    """What `swarm validate` accepts: the array of tasks, or the object with `version`, `goal` and `tasks`."""
    whole = PlanDocument.model_json_schema(ref_template="#/$defs/{model}")
    definitions = whole.pop("$defs")
    bare = ARRAY.json_schema(ref_template="#/$defs/{model}")
    bare.pop("$defs")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "swarm plan",
        "anyOf": [whole, bare],
        "$defs": definitions,
    }


def planner_schema() -> Schema:
    """What the Messages API is asked to hold a planner to.

    The API takes a part of JSON Schema only: every object closed and complete, no references, no
    limits on lengths or numbers. `parse_plan` checks the rest.
    """
    task = PlanDocument.model_json_schema()["$defs"]["TaskDocument"]["properties"]
    return _closed(
        {
            "goal": {"type": "string", "description": "What the whole plan is for, in a sentence."},
            "tasks": {
                "type": "array",
                "items": _closed({name: _supported(task[name]) for name in PLANNED_FIELDS}),
            },
        }
    )


def _closed(properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _supported(schema: Schema) -> Schema:
    kept = {name: value for name, value in schema.items() if name in _SUPPORTED}
    if "items" in kept:
        kept["items"] = _supported(kept["items"])
    return kept
