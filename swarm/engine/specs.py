"""A task from the JSON text in its hash, which `encoding` wrote."""

import json
from dataclasses import MISSING, fields

from swarm.plan.model import TaskSpec

_LISTS = ("dependencies", "files", "reads", "needs")
_ABSENT = {f.name: f.default for f in fields(TaskSpec) if f.default is not MISSING}
_KNOWN = frozenset(f.name for f in fields(TaskSpec))
_REQUIRED = _KNOWN - _ABSENT.keys()
_read_json = json.JSONDecoder().raw_decode


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
