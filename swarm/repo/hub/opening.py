"""The hub that the settings name."""

from pathlib import Path
from typing import Protocol

from swarm.errors import RefusedError
from swarm.repo.hub.hub import Hub
from swarm.repo.hub.identity import RunInHub, refuse_other_hub
from swarm.repo.hub.putting_back import put_back
from swarm.repo.hub.user_repository import is_ancestor, ssh_command_of
from swarm.settings import Settings


class LandingRun(RunInHub, Protocol):
    """A run, and how far it has come."""

    @property
    def branch(self) -> str:
        """Its integration branch."""

    @property
    def landed(self) -> str:
        """The newest commit that Redis knows to have landed; empty before the first."""


def open_hub(settings: Settings) -> Hub:
    """Open this repository's hub; the git server that hosts share is not asked yet.

    Raises:
        ConfigError: the address of that is none.
    """
    address = _address(settings)
    return Hub.open_or_create(
        settings.mirror,
        address=address,
        limit_s=settings.hub_timeout_s,
        ssh_command=ssh_command_of(settings.root) if address else "",
    )


def open_hub_for(settings: Settings, record: LandingRun) -> Hub:
    """Open it as it is for a run now, whichever host has done what.

    Args:
        settings: name it.
        record: the run, as Redis has it.

    Raises:
        HubUnreachableError: the git server could not be asked.
        OtherHubError: the run is in another hub.
        RefusedError: the branch is there without what has landed: this is not the hub that the run is in, or
            somebody has moved the branch.
    """
    hub, run, branch, landed = open_hub(settings), record.run, record.branch, record.landed
    refuse_other_hub(hub, record)
    hub.mirror_run(run, branch)
    tip = hub.tip(branch)
    if landed and (tip is None or not is_ancestor(hub.git, landed, tip)):
        place = f"hub {hub.remote}" if hub.remote else "this repository's own hub"
        at = f"is at {tip[:12]}" if tip else "is not there"
        command = put_back(hub, branch, landed)
        raise RefusedError(
            f"{landed[:12]} of run {run} has landed on {branch!r}, which in {place} {at}",
            hint="name the hub that the run is in (SWARM_HUB); if somebody has moved the branch there, put it"
            + (f" back: `{command}`" if command else f" back to {landed}"),
        )
    return hub


def _address(settings: Settings) -> str:
    """As git needs it: a path counts from the repository's top, wherever the command was given."""
    is_path = ":" not in settings.hub.partition("/")[0]
    return str(Path(settings.root, settings.hub).resolve()) if settings.hub and is_path else settings.hub
