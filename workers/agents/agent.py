"""What every agent is: something that works on one task in a sandbox."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from swarm.clock import Clock, SystemClock
from swarm.engine.claims import Failure
from swarm.errors import PlanError, RefusedError
from swarm.models.usage import Usage
from swarm.plan.model import Plan, TaskSpec
from swarm.sandbox.protocol import Sandbox


def _nothing() -> None:
    """The claim cannot be lost."""


def _ignore(_usage: Usage) -> None:
    """Nobody counts."""


def _refuse_to_expand(_document: str) -> Plan:
    raise PlanError("there is no queue to put tasks into")


def _refuse_to_extend(_files: Sequence[str], _reads: Sequence[str]) -> TaskSpec:
    raise RefusedError("there is no queue to ask for files")


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
    expand: Callable[[str], Plan] = _refuse_to_expand
    """Reads a JSON array of tasks to be done instead, for `AgentResult.expansion`. Raises PlanError."""
    extend: Callable[[Sequence[str], Sequence[str]], TaskSpec] = _refuse_to_extend
    """Asks for more `files` and `reads`; the task with its larger scope. Raises RefusedError when no task may
    have that, LeaseLostError when it has to wait: the attempt is over then."""


@dataclass(frozen=True)
class AgentResult:
    """How an agent's work ended; without a failure the workspace holds the result, or `expansion` is it."""

    failure: Failure | None = None
    expansion: Plan | None = None  # tasks to be done in its place, as `AgentContext.expand` read them
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
