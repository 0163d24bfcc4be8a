"""Which model a tier means."""

from swarm.errors import ConfigError
from swarm.plan.model import TIERS
from swarm.settings import Settings


def model_for(tier: str, settings: Settings) -> str:
    """The model id that the settings give to this tier.

    Raises:
        ConfigError: there is no such tier, or its setting is empty.
    """
    if tier not in TIERS:
        raise ConfigError(f"unknown tier {tier!r}", hint=f"tiers are {', '.join(TIERS)}")
    model = str(getattr(settings, f"model_{tier}"))
    if not model:
        raise ConfigError(f"model_{tier} is empty", hint="`swarm config show` lists the models of all tiers")
    return model
