"""Whether a worker or supervisor that Redis knows of still lives, as far as this host can tell."""

from collections.abc import Iterable

from swarm.engine.records import AgentRecord
from swarm.fleet.process_id import ProcessId

SUPERVISOR = "supervisor-"
"""What the id of a supervisor begins with; the rest of it, and all of a worker's, is its process."""


def supervisor_id() -> str:
    """This process's id as a supervisor."""
    return f"{SUPERVISOR}{ProcessId.mine()}"


def judged_here(agents: Iterable[AgentRecord]) -> list[AgentRecord]:
    """The same agents; those of this host know whether they are dead."""
    return [agent._replace(is_dead=is_dead_here(agent)) for agent in agents]


def is_dead_here(agent: AgentRecord) -> bool:
    """The agent ran on this host, and its process has ended."""
    process = ProcessId.parse(agent.worker_id.removeprefix(SUPERVISOR))
    return process is not None and process.is_dead()
