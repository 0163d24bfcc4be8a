"""Options that take seconds: what is no such number is refused before anything is stored."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from swarm.testing.plans import make_task

# Any: these are the fixtures' own types, and a test cannot import from its conftest.
Swarm = Callable[..., Any]
Bench = Any


@pytest.mark.parametrize("given", ["nan", "inf", "-inf", "10m", ""])
@pytest.mark.parametrize(
    "words",
    [
        ["submit", "plan.json", "--deadline"],
        ["run", "plan.json", "-y", "--deadline"],
        ["simulate", "plan.json", "--deadline"],
        ["wait", "--timeout"],
    ],
)
def test_what_is_no_number_of_seconds_is_refused(
    swarm: Swarm, folder: Path, bench: Bench, words: list[str], given: str
) -> None:
    """Nothing is stored by then."""
    (folder / "plan.json").write_text('[{"id": "a", "description": "d", "command": ["true"]}]')

    refused = swarm(*words, given)

    assert refused.code == 2
    assert f"{given!r} is not a number of seconds" in refused.err
    assert bench.engine.run_ids() == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["submit", "plan.json", "--deadline", "0"], "'0' is not more than 0 and at most 2592000 seconds"),
        (["submit", "plan.json", "--deadline", "1e300"], "'1e300' is not more than 0 and at most"),
        (["wait", "--timeout", "-1"], "'-1' is less than 0 seconds"),
    ],
)
def test_what_is_out_of_range_is_refused(swarm: Swarm, words: list[str], said: str) -> None:
    """A deadline has the bounds that `deadline_s` of a task has."""
    refused = swarm(*words)

    assert refused.code == 2
    assert said in refused.err


def test_no_time_to_wait_is_a_look(swarm: Swarm, bench: Bench) -> None:
    """A script asks whether a run has ended."""
    bench.submit(make_task("a"))

    assert swarm("wait", "--timeout", "0").code == 8
