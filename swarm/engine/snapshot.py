"""One look at a run: its record, its tasks, who is alive, how deep the queues are, what just happened."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from swarm.engine.records import (
    NO_CONTROLS,
    AgentRecord,
    Controls,
    Event,
    QueueRecord,
    RunRecord,
    TaskRecord,
    Unserved,
)
from swarm.plan.model import queue_of
from swarm.states import ALIVE_MS, TaskState

if TYPE_CHECKING:
    from swarm.engine.reads import Reads

RECENT = 12

MOST_FORECAST = 5_000
"""Larger runs are not forecast: whoever asks where they stand must not wait for it."""

_LOOK_BACK = 200


class Snapshot(NamedTuple):
    """What was read in one go; not a transaction, so neighbours may be one step apart."""

    run: RunRecord
    tasks: tuple[TaskRecord, ...]  # in the plan's order
    agents: tuple[AgentRecord, ...]
    queues: tuple[QueueRecord, ...]  # of the whole project: workers serve all of its runs
    events: tuple[Event, ...]  # the newest few of this run, oldest first
    taken_ms: int  # Redis' now
    controls: Controls = NO_CONTROLS  # what people have ordered
    unserved: Mapping[str, Unserved] = MappingProxyType({})  # queue with tasks of this run that nobody can do
    tagged: tuple[str, ...] = ()  # queues of tasks that need tags, in which tasks of this run are ready

    @property
    def alive(self) -> tuple[AgentRecord, ...]:
        """The workers and supervisors that were seen lately."""
        return tuple(agent for agent in self.agents if is_alive(agent, self.taken_ms))

    @property
    def elapsed_s(self) -> float:
        """From submission to the end, or to now while it goes on."""
        return max(0, (self.run.ended_ms or self.taken_ms) - self.run.submitted_ms) / 1000


def take_snapshot(queue: "Reads", run: str, *, with_tasks: bool = True) -> Snapshot:
    """Read everything that a screen or a report about this run needs, or all of it but its tasks.

    Raises:
        UnknownRunError: there is no such run.
    """
    record, tasks = queue.run(run), tuple(queue.tasks(run)) if with_tasks else ()
    given_out, queues = () if record.is_paused else tasks, tuple(queue.queues())
    tagged = [one.type for one in queues if one.queued and "+" in one.type]
    return Snapshot(
        run=record,
        tasks=tasks,
        agents=tuple(queue.agents()),
        queues=queues,
        events=tuple(_recent_events(queue, run)),
        taken_ms=queue.now_ms(),
        controls=queue.controls(),
        unserved=_unserved_among(given_out, queue.unserved()) if with_tasks else queue.unserved_of(run),
        tagged=tuple(_ready_among(given_out, tagged) if with_tasks else queue.ready_of(run, tagged)),
    )


def is_ready_in(task: TaskRecord, queue: str, executor: str) -> bool:
    """The task is in the queue; where an executor is named, for it."""
    is_queued = task.state is TaskState.QUEUED and not task.parked_on and not task.not_before_ms
    return is_queued and queue_of(task.spec) == queue and executor in {"", task.spec.executor_needed}


def _unserved_among(tasks: Sequence[TaskRecord], unserved: Mapping[str, Unserved]) -> Mapping[str, Unserved]:
    return {
        name: one
        for name, one in unserved.items()
        if any(is_ready_in(task, name, one.executor) for task in tasks)
    }


def _ready_among(tasks: Sequence[TaskRecord], queues: Iterable[str]) -> list[str]:
    return [name for name in queues if any(is_ready_in(task, name, "") for task in tasks)]


def is_alive(agent: AgentRecord, now_ms: int) -> bool:
    """Seen lately, and not known to be dead; a killed one stays listed until its tasks are taken back."""
    return not agent.is_dead and now_ms - agent.seen_ms < ALIVE_MS


def _recent_events(queue: "Reads", run: str) -> list[Event]:
    """The newest events of a run, oldest first; looks at the last `_LOOK_BACK` of the project."""
    return [event for event in queue.newest_events(_LOOK_BACK) if event.run == run][-RECENT:]
