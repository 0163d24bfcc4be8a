"""What every agent is: something that works on one task in a sandbox."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from swarm.clock import Clock, SystemClock
from swarm.engine.claims import Failure
from swarm.models.usage import Usage
from swarm.plan.model import TaskSpec
from swarm.sandbox.protocol import Sandbox


def _nothing() -> None:
    """The claim cannot be lost."""


def _ignore(_usage: Usage) -> None:
    """Nobody counts."""


@dataclass(frozen=True)
class AgentContext:
    """What an agent is told besides its task, and whom it reports to."""

    run: str
    attempt: int
    log: Path  # for people: what the agent did and what its commands printed
    transcript: Path  # for replay: every message, one JSON object a line
    evidence: str = ""  # what earlier attempts failed with
    clock: Clock = field(default_factory=SystemClock)
    report_usage: Callable[[Usage], None] = _ignore  # cumulative
    check: Callable[[], None] = _nothing  # raises when the claim is lost


@dataclass(frozen=True)
class AgentResult:
    """How an agent's work ended; without a failure the workspace holds the result."""

    failure: Failure | None = None
    summary: str = ""
    usage: Usage = field(default_factory=Usage)


class Agent(Protocol):
    """Works on tasks, one at a time."""

    def run(self, task: TaskSpec, sandbox: Sandbox, context: AgentContext) -> AgentResult:
        """Work on a task until it is done, has failed, or a limit is reached.

        Raises:
            SandboxEndedError: the sandbox is gone.
        """
        ...
