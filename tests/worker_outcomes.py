"""What became of a worker's task."""

from swarm.engine.records import TaskRecord
from swarm.states import TaskState


def outcome(record: TaskRecord) -> tuple[TaskState, str, int]:
    """State, kind of failure, and how many failures were charged."""
    return record.state, record.failure_kind, record.failures
