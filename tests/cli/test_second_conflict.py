"""A second conflict: whoever has to decide is pointed at both sides."""

from collections.abc import Callable
from typing import Any

from swarm.engine.claims import Failure
from swarm.engine.records import Event
from swarm.observe.story import tell_event
from swarm.plan.model import TaskSpec
from swarm.repo.merging.conflicts import Sides
from swarm.states import FailureKind

Swarm = Callable[..., Any]
Task = Callable[..., TaskSpec]

SIDES = Sides(
    paths=("a.py",), landed=("other: Do the other", "third: Do the third"), ours="-x", theirs="-y", hunks="z"
)


def test_a_second_conflict_points_to_both_sides(swarm: Swarm, bench: Any, task: Task) -> None:
    """`why`, its JSON, `status` and the end of the report name the command; `why` also whom it met."""
    mine = task("mine")
    run = bench.submit(mine)
    reason = "conflicts with what has landed: a.py, for the second time"
    final = Failure(FailureKind.CONFLICT, reason, SIDES.render(mine), retryable=False)
    bench.engine.fail(bench.claim(), final)

    chain, steps = (swarm("why", "mine", "--json").json()[name] for name in ("chain", "next"))

    command = f"swarm diff mine --sides --run {run}"
    assert steps == [command, f"swarm retry {run} --task mine", f"swarm skip {run} mine"]
    met = [link["text"] for link in chain if "has landed there" in link["text"]]
    assert met == ["what has landed there, and conflicts with it: other: Do the other, third: Do the third"]
    assert f"then `{command}`, retry or skip" in swarm("status").out
    assert f"  {command}\n" in swarm("report").out


def test_that_it_conflicts_is_said_once_a_line(swarm: Swarm, bench: Any, task: Task) -> None:
    """By the kind of failure or by its reason, wherever both are told; the paths stay."""
    bench.submit(task("mine"))
    reason = "conflicts with what has landed: a.py, for the second time"
    bench.engine.fail(bench.claim(), Failure(FailureKind.CONFLICT, reason, retryable=False))

    reports = [["report", "--format", form] for form in ("md", "junit")]
    told = [swarm(*words).out for words in (["why", "mine"], *reports)]
    fields = {"kind_of_failure": FailureKind.CONFLICT.value, "reason": reason}
    told.append(tell_event(Event("1-0", "task_failed", "r", "mine", fields)))

    for text in told:
        assert "it conflicts with what landed before it: a.py, for the second time" in text
        assert "it: conflicts with" not in text
