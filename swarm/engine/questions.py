"""What views and screens ask of a queue: an `Engine` answers, and so does `Reads` alone."""

from typing import Protocol

from swarm.engine.records import AgentRecord, Event, LockRecord, QueueRecord, RunRecord, TaskRecord


class Questions(Protocol):
    """The reads that are put together elsewhere; each is documented in `reads.Reads`."""

    def run_ids(self) -> list[str]:
        """All runs, oldest first."""
        ...

    def run(self, run: str) -> RunRecord:
        """One run."""
        ...

    def task(self, run: str, task: str) -> TaskRecord:
        """One task."""
        ...

    def tasks(self, run: str) -> list[TaskRecord]:
        """All tasks of a run, in the plan's order."""
        ...

    def queues(self) -> list[QueueRecord]:
        """Every task type and how much of it waits."""
        ...

    def depth(self, part: str) -> int:
        """How many members one of the project's sorted sets has."""
        ...

    def locks(self) -> list[LockRecord]:
        """Every lock held now."""
        ...

    def agents(self) -> list[AgentRecord]:
        """Every worker and supervisor that has not signed off."""
        ...

    def events(self, *, after: str, limit: int) -> list[Event]:
        """Up to `limit` events later than the entry `after`."""
        ...

    def newest_events(self, limit: int) -> list[Event]:
        """The last `limit` events of the project, oldest first."""
        ...

    def last_event_id(self) -> str:
        """The id of the newest event; `0-0` before the first."""
        ...

    def now_ms(self) -> int:
        """Redis' clock."""
        ...
