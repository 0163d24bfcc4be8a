"""A task as JSON text in its hash, and back."""

import json
from dataclasses import MISSING, fields
from operator import attrgetter

from swarm.plan.model import TaskSpec

_LISTS = ("dependencies", "files", "reads", "needs")
_NAMES = [f.name for f in fields(TaskSpec)]
_DEFAULTS = [f.default for f in fields(TaskSpec)]
_values_of = attrgetter(*_NAMES)
_ABSENT = {f.name: f.default for f in fields(TaskSpec) if f.default is not MISSING}
_KNOWN = frozenset(_NAMES)
_REQUIRED = _KNOWN - _ABSENT.keys()
_read_json = json.JSONDecoder().raw_decode

encode_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
"""Compact JSON, by an encoder that is made once."""


def encode_spec(spec: TaskSpec) -> str:
    """A task as JSON, without the fields that have their default."""
    return encode_json(spec_fields(spec))


def decode_spec(text: str | bytes) -> TaskSpec:
    """The task that `encode_spec` wrote."""
    values, _ = _read_json(text if isinstance(text, str) else text.decode())
    for name in _LISTS:
        if name in values:
            values[name] = tuple(values[name])
    if "acceptance" in values:
        values["acceptance"] = tuple(map(tuple, values["acceptance"]))
    if values.get("command") is not None:
        values["command"] = tuple(values["command"])
    if not _REQUIRED <= values.keys() <= _KNOWN:
        return TaskSpec(**values)  # of another version: says what is wrong
    # Every claim comes through here, and a frozen dataclass sets seventeen fields one by one: half the time.
    spec = object.__new__(TaskSpec)
    object.__setattr__(spec, "__dict__", _ABSENT | values)
    return spec


def spec_fields(spec: TaskSpec) -> dict[str, object]:
    """The fields of a task that differ from their default."""
    stored = zip(_NAMES, _DEFAULTS, _values_of(spec), strict=True)
    return {name: value for name, default, value in stored if value is not default and value != default}
