"""What is told of a task beside why it is where it is: how its scope grew, and what was said of its work."""

from collections.abc import Iterator

from swarm.engine.records import TaskRecord
from swarm.observe.person import opposing
from swarm.observe.wording import first_few
from swarm.states import FailureKind

_MOST_FINDINGS = 5


def asides(task: TaskRecord) -> Iterator[str]:
    """A line for each; nothing of most tasks."""
    if task.widened:
        yield f"its write scope was widened by {first_few(task.widened)}"
    if task.failure_kind == FailureKind.CONFLICT and (others := opposing(task.evidence)):
        yield f"what has landed there, and conflicts with it: {first_few(others)}"
    if task.review:
        verdict, *findings = task.review
        yield f"looked at before it was handed in: {verdict}"
        yield from (f"| {finding}" for finding in findings[:_MOST_FINDINGS])
        if findings[_MOST_FINDINGS:]:
            yield f"| and {len(findings) - _MOST_FINDINGS} more: `swarm report {task.run} --format md`"
