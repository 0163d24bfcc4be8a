"""Tasks of one run, read when somebody who walks along its graph comes to them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from swarm.engine.records import RunRecord, StoredLink, TaskRecord
from swarm.engine.run_reads import is_awaited
from swarm.engine.specs import decode_spec
from swarm.states import TaskState

if TYPE_CHECKING:
    from swarm.engine.reads import Reads

STEPS = 100
"""So far a chain is followed with a read a task; the links of the whole run are read beyond that."""

_GONE = StoredLink("", "", "", "")
"""Of a run that was forgotten while somebody walked along it: nothing comes before it."""

BLOCKED = (TaskState.FAILED, TaskState.CANCELLED, TaskState.UPSTREAM_FAILED)


class TasksOnDemand:
    """A run's tasks by id; each is read once, those that are asked for together in one go."""

    def __init__(self, reads: "Reads", run: RunRecord) -> None:
        self._reads = reads
        self._run = run.run
        self._known: dict[str, TaskRecord | None] = {}
        if run.is_archived:  # a file is read as a whole
            self._known |= {task.spec.id: task for task in reads.tasks(run.run)}

    def fetch(self, names: Iterable[str]) -> None:
        """Read those that were not read yet."""
        missing = [name for name in dict.fromkeys(names) if name not in self._known]
        if missing:
            found = {task.spec.id: task for task in self._reads.some_tasks(self._run, missing)}
            self._known |= {name: found.get(name) for name in missing}

    def get(self, name: str) -> TaskRecord | None:
        """One task; None when the run has none of this id."""
        self.fetch([name])
        return self._known[name]

    def stands_aside(self, task: TaskRecord) -> bool:
        """A claim has come by a ready task of a paused run, and taken it out of its queue."""
        return self._reads.stands_aside(task.run, task.spec.id)

    def blockers(self, task: TaskRecord) -> list[str]:
        """Those before a task that keep it from ever beginning."""
        names = (*task.spec.dependencies, *task.join)
        unknown = [name for name in names if name not in self._known]
        states = {name: one.state for name, one in self._known.items() if one}
        states |= {
            name: one.state
            for name, one in zip(unknown, self._reads.progress(self._run, unknown), strict=True)
        }
        return [name for name in names if states.get(name) in BLOCKED]

    def end_of(self, name: str) -> tuple[str, int]:
        """The last task that one waits for, first dependency by first dependency; how many come before it."""
        steps = max(STEPS, len(self._known))  # of an archived run all tasks are known
        for passed in range(steps):
            after = self._before(name)
            if not after:
                return name, passed
            name = after
        links = self._reads.links(self._run)
        passed = steps
        while after := _before_by(links, name):
            name, passed = after, passed + 1
        return name, passed

    def _before(self, name: str) -> str:
        task = self.get(name)
        if task is None:
            return ""
        if task.state is TaskState.UPSTREAM_FAILED:
            return next(iter(self.blockers(task)), "")
        return _first(task.waiting_for) if task.state is TaskState.PENDING else ""


def _before_by(links: Mapping[str, StoredLink], name: str) -> str:
    state, _, spec, join = links.get(name, _GONE)
    if state not in {TaskState.UPSTREAM_FAILED, TaskState.PENDING}:
        return ""
    awaited = (*decode_spec(spec).dependencies, *join.split())
    if state == TaskState.UPSTREAM_FAILED:
        return _first([before for before in awaited if links.get(before, _GONE).state in BLOCKED])
    return _first(sorted(before for before in awaited if is_awaited(*links.get(before, _GONE)[:2])))


def _first(names: Sequence[str]) -> str:
    return names[0] if names else ""
