"""The read side of a project for people: older runs are in files, and whose process has ended is dead.

Whoever asks need not know where a run is, nor wait until a heartbeat is old.
"""

from collections.abc import Iterator

from swarm.archive.shelf import Shelf
from swarm.engine.reads import Reads
from swarm.engine.records import AgentRecord, Event, RunRecord, TaskRecord
from swarm.engine.run_reads import Ask
from swarm.engine.stored import id_parts
from swarm.errors import UnknownRunError, UnknownTaskError
from swarm.fleet.liveness import judged_here
from swarm.keys import Keys
from swarm.plan.model import TaskSpec

EVENTS_A_CALL = 500


class ArchivedReads(Reads):
    """Reads Redis first, and the archive for what Redis has forgotten."""

    def __init__(self, ask: Ask, keys: Keys, shelf: Shelf) -> None:
        super().__init__(ask, keys)
        self.shelf = shelf

    def all_run_ids(self) -> list[str]:
        """All runs, those in files first, each part oldest first."""
        live = self.run_ids()
        return [run for run in self.shelf.run_ids() if run not in live] + live

    def run(self, run: str) -> RunRecord:
        """One run. Raises UnknownRunError."""
        try:
            return super().run(run)
        except UnknownRunError:
            return self.shelf.run(run)

    def tasks(self, run: str) -> list[TaskRecord]:
        """All tasks of a run, in the plan's order. Raises UnknownRunError."""
        try:
            return super().tasks(run)
        except UnknownRunError:
            return self.shelf.tasks(run)

    def task(self, run: str, task: str) -> TaskRecord:
        """One task. Raises UnknownTaskError."""
        try:
            return super().task(run, task)
        except UnknownTaskError:
            found = (
                [one for one in self.shelf.tasks(run) if one.spec.id == task] if self.shelf.has(run) else []
            )
            if not found:
                raise
            return found[0]

    def task_ids(self, run: str) -> list[str]:
        """The ids of a run's tasks in the plan's order; none for an unknown run."""
        return super().task_ids(run) or [spec.id for spec in self._archived_specs(run)]

    def agents(self) -> list[AgentRecord]:
        """Every worker and supervisor that has not signed off; of this host's, also whether it is dead."""
        return judged_here(super().agents())

    def events_of(self, run: str, *, after: str) -> Iterator[Event]:
        """A run's events later than the event `after`: those in its file, then those in Redis."""
        for event in self.shelf.events(run):
            if id_parts(event.id) > id_parts(after):
                after = event.id
                yield event
        while page := self.events(after=after, limit=EVENTS_A_CALL):
            after = page[-1].id
            yield from (event for event in page if event.run == run)

    def _archived_specs(self, run: str) -> list[TaskSpec]:
        return [task.spec for task in self.shelf.tasks(run)] if self.shelf.has(run) else []
