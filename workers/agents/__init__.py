"""What an executor's name in a plan stands for.

An agent is made when the first task asks for it: a worker that runs only commands never imports the
model's SDK.
"""

import functools
from collections.abc import Callable

from swarm.models.tiers import model_for
from swarm.plan.model import COMMAND_WITH_MODEL
from swarm.settings import Settings
from workers.agents.agent import Agent
from workers.agents.command import CommandAgent


def known_agents(settings: Settings) -> dict[str, Callable[[], Agent]]:
    """Executor name -> what makes its agent; those that ask a model only where there is one."""
    known: dict[str, Callable[[], Agent]] = {"command": CommandAgent}
    if settings.has_model_credential or settings.anthropic_base_url:
        known["messages"] = functools.cache(lambda: _messages_agent(settings))
        known[COMMAND_WITH_MODEL] = CommandAgent
    return known


def _messages_agent(settings: Settings) -> Agent:
    # Imported here: the SDK takes half a second.
    from swarm.models.client import ModelClient  # noqa: PLC0415
    from workers.agents.messages import Limits, MessagesAgent  # noqa: PLC0415

    limits = Limits(max_turns=settings.max_turns, max_tokens=settings.max_attempt_tokens)
    return MessagesAgent(
        ModelClient(settings), model_of=lambda tier: model_for(tier, settings), limits=limits
    )
