"""A task as JSON text in its hash, and back."""

import json
from dataclasses import fields

from swarm.plan.model import TaskSpec

_LISTS = ("dependencies", "files", "reads", "needs")
_DEFAULTS = {f.name: f.default for f in fields(TaskSpec)}


_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def encode_spec(spec: TaskSpec) -> str:
    """A task as JSON, without the fields that have their default."""
    return _encode({name: value for name, value in vars(spec).items() if value != _DEFAULTS[name]})


def decode_spec(text: str | bytes) -> TaskSpec:
    """The task that `encode_spec` wrote."""
    values = json.loads(text)
    for name in _LISTS:
        if name in values:
            values[name] = tuple(values[name])
    if "acceptance" in values:
        values["acceptance"] = tuple(map(tuple, values["acceptance"]))
    if values.get("command") is not None:
        values["command"] = tuple(values["command"])
    return TaskSpec(**values)

