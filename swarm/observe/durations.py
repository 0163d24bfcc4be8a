"""How long a task took: one measure for `swarm tasks` and for reports.

Imported by `swarm tasks`, so it imports nothing heavy.
"""

from collections.abc import Iterable

from swarm.engine.records import TaskRecord
from swarm.states import TaskState

HELD = (TaskState.ACKED, TaskState.RUNNING)
"""A worker has it."""


def duration_s(task: TaskRecord, now_ms: int) -> float:
    """How long a task's last attempt took: claimed to handed in, and merge begun to landed.

    The wait for the merge queue between the two is not work.
    """
    return (held_ms(task, now_ms) + landing_ms(task, now_ms)) / 1000


def held_ms(task: TaskRecord, now_ms: int) -> int:
    """While a worker held the last attempt; 0 when there was none or it was put back.

    Of a task that was expanded the time until then: its parts are measured by themselves.
    """
    if not task.claimed_ms:
        return 0
    if task.join:
        return task.busy_ms
    if task.handed_in_ms >= task.claimed_ms:
        return task.handed_in_ms - task.claimed_ms
    if task.state in HELD:
        return max(0, now_ms - task.claimed_ms)
    # Whoever is put back is nobody's, and may end so.
    return max(0, task.ended_ms - task.claimed_ms) if task.ended_ms and task.worker_id else 0


def all_landings_ms(tasks: Iterable[TaskRecord], now_ms: int) -> int:
    """While anything was merged: a train's attempts are, together."""
    merged = [task for task in tasks if landing_ms(task, now_ms)]
    covered_ms, until_ms = 0, 0
    for task in sorted(merged, key=lambda task: task.merge_begun_ms):
        end_ms = task.merge_begun_ms + landing_ms(task, now_ms)
        covered_ms += max(0, end_ms - max(until_ms, task.merge_begun_ms))
        until_ms = max(until_ms, end_ms)
    return covered_ms


def landing_ms(task: TaskRecord, now_ms: int) -> int:
    """While the last attempt was merged and its gates ran; 0 when it was not."""
    if not task.merge_begun_ms or task.merge_begun_ms < task.handed_in_ms:
        return 0
    if task.state is TaskState.MERGING:
        return max(0, now_ms - task.merge_begun_ms)
    return max(0, task.ended_ms - task.merge_begun_ms) if task.ended_ms else 0
