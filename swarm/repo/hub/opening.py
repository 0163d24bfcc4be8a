"""The hub that the settings name."""

from pathlib import Path

from swarm.repo.hub.hub import Hub
from swarm.settings import Settings


def open_hub(settings: Settings) -> Hub:
    """Open this repository's hub; the git server that hosts share is not asked yet.

    Raises:
        ConfigError: the address of that is none.
    """
    return Hub.open_or_create(settings.mirror, address=_address(settings))


def open_hub_for(settings: Settings, run: str, branch: str) -> Hub:
    """Open it as it is for a run now, whichever host has done what.

    Raises:
        HubUnreachableError: the git server could not be asked.
    """
    hub = open_hub(settings)
    hub.mirror_run(run, branch)
    return hub


def _address(settings: Settings) -> str:
    """As git needs it: a path counts from the repository's top, wherever the command was given."""
    is_path = ":" not in settings.hub.partition("/")[0]
    return str(Path(settings.root, settings.hub).resolve()) if settings.hub and is_path else settings.hub
