"""Tasks for the messages agent and a scripted model."""

from collections.abc import Callable, Sequence

from swarm.models.client import ModelClient
from swarm.models.tiers import model_for
from swarm.plan.model import TaskSpec
from swarm.sandbox.client import HostedSandbox
from swarm.settings import Settings
from swarm.states import FailureKind
from swarm.testing.script import ScriptedReply, using
from swarm.testing.scripted_model import ScriptedModel
from workers.agents.agent import AgentContext, AgentResult
from workers.agents.messages import Limits, MessagesAgent

TASK = TaskSpec(id="t", description="Write hello.txt", files=("hello.txt",), timeout_s=60)

Serve = Callable[[Sequence[ScriptedReply]], ScriptedModel]


def calls(name: str, **arguments: object) -> ScriptedReply:
    """A turn that calls one tool."""
    return using(name, arguments, say="Let me see.")


def work(
    model: ScriptedModel,
    sandbox: HostedSandbox,
    context: AgentContext,
    *,
    task: TaskSpec = TASK,
    limits: Limits | None = None,
) -> AgentResult:
    """Let the agent work on the task."""
    settings = Settings(anthropic_api_key="scripted", anthropic_base_url=model.url)
    client = ModelClient(settings)
    try:
        agent = MessagesAgent(
            client, model_of=lambda tier: model_for(tier, settings), limits=limits or Limits()
        )
        return agent.run(task, sandbox, context)
    finally:
        client.close()


def failed(result: AgentResult) -> tuple[FailureKind, str]:
    """The failure's kind and reason."""
    assert result.failure is not None
    return result.failure.kind, result.failure.reason
