"""From requirements and a repository to a plan, with the settings in force."""

import itertools
from collections.abc import Callable
from pathlib import Path

from swarm.errors import UsageError
from swarm.models.client import ModelClient
from swarm.models.tiers import model_for
from swarm.planning.planner import PlannedResult, plan_requirements
from swarm.planning.repo_map import repo_map
from swarm.settings import Settings

MAX_REQUIREMENTS_BYTES = 1024 * 1024


def plan_text(
    settings: Settings,
    text: str,
    *,
    source: str = "requirements",
    tell: Callable[[str], None] = lambda _: None,
) -> PlannedResult:
    """Plan these requirements for the repository of the settings.

    What the model says is kept in a new folder under `<home>/planning/`. `tell` hears what is about to
    be asked, once nothing here speaks against it.
    """
    if not text.strip():
        raise UsageError(
            f"{source}: the requirements are empty", hint="say what should be true when all is done"
        )
    if len(text.encode()) > MAX_REQUIREMENTS_BYTES:
        raise UsageError(f"{source}: the requirements are longer than {MAX_REQUIREMENTS_BYTES} bytes")
    with ModelClient(settings) as client:
        client.require_credential()
        tell(f"planning {source} with {settings.model_planner}")
        return plan_requirements(
            text,
            repo_map(settings.root),
            client,
            model=model_for("planner", settings),
            keep=_new_folder(settings.home / "planning"),
        )


def _new_folder(parent: Path) -> Path:
    """The first numbered folder that is not there yet; made when the first answer comes."""
    return next(folder for n in itertools.count(1) if not (folder := parent / f"{n:04d}").exists())
