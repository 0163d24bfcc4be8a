"""How a task ended by itself, in lines: what landed, or what was tried and why it failed."""

from collections.abc import Iterator

from swarm.engine.records import TaskRecord
from swarm.observe.wording import WAITS_FOR_APPROVAL, duration, failure_with_reason, plural, time_of_day
from swarm.states import FailureKind, TaskState

_EVIDENCE_LINES = 3


def how_it_ended(task: TaskRecord, now_ms: int) -> Iterator[tuple[int, str]]:
    """Of a task that is done, failed or skipped: what to say, each with how much deeper it stands."""
    if task.state is TaskState.SKIPPED:
        yield 0, "skipped by a person: it counts as done"
    elif task.state is TaskState.DONE:
        yield 0, _done(task, now_ms)
    else:
        yield from _failed(task, now_ms)


def _done(task: TaskRecord, now_ms: int) -> str:
    commit = f"landed as {task.merged_commit[:12]}" if task.merged_commit else "nothing to land"
    if task.join and not task.merged_commit:
        commit = f"with the {plural(len(task.parts), 'task')} that it was expanded into"
    attempts = f" at attempt {task.attempt}" if task.attempt > 1 else ""
    return f"done {_ago(task.ended_ms, now_ms)}{attempts}: {commit}"


def _failed(task: TaskRecord, now_ms: int) -> Iterator[tuple[int, str]]:
    ago = _ago(task.ended_ms, now_ms)
    if task.failure_kind == FailureKind.APPROVAL:
        since = f"{WAITS_FOR_APPROVAL} since {time_of_day(task.ended_ms)}, {ago}"
        yield 0, f"{since}, with attempt {task.attempt}: {task.failure_reason}"
        return
    how, tried = "failed", plural(task.attempt, "attempt")
    if task.failure_kind == FailureKind.CRASH:
        how, tried = "failed for good", f"{plural(task.crashes, 'crash', 'crashes')} in {tried}"
    yield 0, f"{how} {ago} after {tried}: {failure_with_reason(task.failure_kind, task.failure_reason)}"
    for one in task.history[:-1]:
        took = duration((one.ended_ms - one.since_ms) / 1000)
        said = failure_with_reason(one.kind, one.message)
        yield 1, f"attempt {one.attempt}, {took} on worker {one.worker}: {said}"
    for line in [line for line in task.evidence.splitlines() if line.strip()][-_EVIDENCE_LINES:]:
        yield 1, f"| {line}"


def _ago(then_ms: int, now_ms: int) -> str:
    return f"{duration((now_ms - then_ms) / 1000)} ago"
