"""Commands about a run whose submission was stopped: they say what is there, and what to do."""

from collections.abc import Callable
from typing import Any

import pytest
from half_stored import store_half

# Any: these are the fixtures' own types, and a test cannot import from its conftest.
Swarm = Callable[..., Any]
Bench = Any


@pytest.fixture
def run(bench: Bench) -> str:
    """A run of a chain of 200 tasks, of which the last 150 are stored."""
    return store_half(bench.engine)


@pytest.mark.parametrize("words", [["show"], ["report"], ["report", "--format", "md"], ["status"], ["tasks"]])
def test_what_is_stored_can_be_looked_at(swarm: Swarm, run: str, words: list[str]) -> None:
    """Its first tasks wait for some that are not there."""
    shown = swarm(*words, run)
    again = swarm(*words, run, "--json") if len(words) == 1 else shown

    assert (shown.code, again.code) == (0, 0), shown.err + again.err
    assert "t199" in shown.out or "150" in shown.out


def test_a_replay_of_it_is_refused(swarm: Swarm, run: str) -> None:
    """Half a plan says nothing of the whole one."""
    refused = swarm("simulate", "--events", run)

    assert refused.code == 6
    assert f"run {run!r} is not wholly stored" in refused.err
    assert "`swarm submit FILE`" in refused.err


def test_one_that_was_cancelled_is_watched_to_its_end(swarm: Swarm, bench: Bench, run: str) -> None:
    """It has ended, whole or not."""
    bench.engine.cancel(run)

    watched = swarm("watch", run)

    assert watched.code == 1, watched.err
    assert "cancelled" in watched.out


def test_its_status_says_how_much_is_stored_and_what_goes_on(swarm: Swarm, run: str) -> None:
    """It is no run of 150 tasks of which none is done, and it cannot be resumed."""
    shown = swarm("status", run).out

    assert "150 stored so far" in shown
    assert "0/150" not in shown
    assert "its plan is not stored whole: `swarm submit FILE`, the same plan, goes on" in shown
    assert "--resume" not in shown


def test_what_steers_it_says_what_goes_on(swarm: Swarm, bench: Bench, run: str) -> None:
    """After a pause that is taken back, and for each of its tasks."""
    swarm("pause", run)
    resumed = swarm("resume", run)
    bench.engine.cancel(run)
    retried = swarm("retry", run)
    why = swarm("why", "t199", "--run", run, "--json").json()

    said = f"run {run} is not stored whole: `swarm submit FILE`, the same plan, goes on with it"
    assert (resumed.code, retried.code) == (0, 0)
    assert said in retried.err
    assert "--resume" not in resumed.err + retried.err
    assert why["next"] == ["swarm submit FILE"]
