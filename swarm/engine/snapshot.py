"""One look at a run: its record, its tasks, who is alive, how deep the queues are, what just happened."""

from dataclasses import dataclass

from swarm.engine.engine import Engine
from swarm.engine.records import AgentRecord, Event, QueueRecord, RunRecord, TaskRecord
from swarm.engine.views import is_alive, recent_events


@dataclass(frozen=True)
class Snapshot:
    """What was read in one go; not a transaction, so neighbours may be one step apart."""

    run: RunRecord
    tasks: tuple[TaskRecord, ...]  # in the plan's order
    agents: tuple[AgentRecord, ...]
    queues: tuple[QueueRecord, ...]  # of the whole project: workers serve all of its runs
    events: tuple[Event, ...]  # the newest few of this run, oldest first
    taken_ms: int  # Redis' now

    @property
    def alive(self) -> tuple[AgentRecord, ...]:
        """The workers and supervisors that were seen lately."""
        return tuple(agent for agent in self.agents if is_alive(agent, self.taken_ms))

    @property
    def elapsed_s(self) -> float:
        """From submission to the end, or to now while it goes on."""
        return max(0, (self.run.ended_ms or self.taken_ms) - self.run.submitted_ms) / 1000


def take_snapshot(engine: Engine, run: str) -> Snapshot:
    """Read everything that a screen or a report about this run needs.

    Raises:
        UnknownRunError: there is no such run.
    """
    return Snapshot(
        run=engine.run(run),
        tasks=tuple(engine.tasks(run)),
        agents=tuple(engine.agents()),
        queues=tuple(engine.queues()),
        events=tuple(recent_events(engine, run)),
        taken_ms=engine.now_ms(),
    )
