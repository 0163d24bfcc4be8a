"""A task as JSON in its hash, and back."""

import json

import pytest

from swarm.engine.encoding import encode_spec
from swarm.engine.specs import decode_spec
from swarm.plan.model import TaskSpec

FULL = TaskSpec(
    "a",
    "do it: “ü”\n",
    dependencies=("b", "c"),
    files=("x.py", "ü\udce9.py"),
    reads=("docs/*",),
    acceptance=(("pytest", "-q"), ("true",)),
    executor="command",
    command=("true",),
    estimate_s=1.5,
    priority=-3,
    needs=("gpu",),
    deadline_s=60.0,
)


@pytest.mark.parametrize("spec", [FULL, TaskSpec("a", "do it")], ids=["all fields", "defaults"])
def test_a_task_is_read_as_it_was_written(spec: TaskSpec) -> None:
    """Also a file name that is no UTF-8, and what nobody has set."""
    assert decode_spec(encode_spec(spec)) == spec


def test_only_what_differs_from_the_default_is_written() -> None:
    """A hundred thousand tasks are stored so."""
    assert json.loads(encode_spec(TaskSpec("a", "do it", priority=2))) == {
        "id": "a",
        "description": "do it",
        "priority": 2,
    }


@pytest.mark.parametrize("text", ['{"id": "a"}', '{"id": "a", "description": "b", "colour": "red"}'])
def test_a_task_of_another_version_is_refused_at_once(text: str) -> None:
    """Not where somebody first asks for what is missing."""
    with pytest.raises(TypeError):
        decode_spec(text)
