"""A task as JSON text in its hash; `specs` reads it back."""

from dataclasses import MISSING, fields

from pydantic_core import PydanticSerializationError, to_json

from swarm.engine.locks import encode_json
from swarm.plan.model import TaskSpec

_FIELDS = [(field.name, None if field.default is MISSING else field.default) for field in fields(TaskSpec)]


def encode_spec(spec: TaskSpec) -> str:
    """A task as JSON, without the fields that have their default."""
    # A plan of 100,000 tasks waits for this, twice over: attributes one by one took three times as long.
    values = spec.__dict__
    stored = {
        name: values[name]
        for name, default in _FIELDS
        if values[name] is not default and values[name] != default
    }
    try:
        return to_json(stored).decode()
    except PydanticSerializationError:  # a file name that is no UTF-8
        return encode_json(stored)
