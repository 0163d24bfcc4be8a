"""The project's `swarm.toml` as a commit has it: what decides over attempts is read from the base."""

from pathlib import Path
from typing import Any

from swarm.errors import ConfigError
from swarm.repo.hub.hub import Hub
from swarm.settings import CONFIG_NAME
from swarm.tables import parse_toml, refuse_unread

JUDGING = ("gate", "approval")
"""Tables that are read from a commit only."""


def edited_since(root: Path, hub: Hub, commit: str) -> bool:
    """Whether the file in this checkout would decide otherwise than that of the commit, or cannot be read."""
    try:
        here = parse_toml((root / CONFIG_NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        here = {}
    except (OSError, ValueError):
        return True
    return any(here.get(name, {}) != read_table(hub, commit, name) for name in JUDGING)


def read_table(hub: Hub, commit: str, name: str) -> dict[str, Any]:  # Any: straight from TOML
    """One table of the file, such as `gate`; empty when it, or the file, is not there.

    Raises:
        ConfigError: the file is not TOML, this is no table, or it has one that nobody reads.
    """
    content = hub.read_blob(commit, CONFIG_NAME)
    if content is None:
        return {}
    try:
        document = parse_toml(content.decode("utf-8"))
    except ValueError as error:
        raise ConfigError(f"{CONFIG_NAME} in {commit[:12]} cannot be read: {error}") from error
    refuse_unread(document, f"{CONFIG_NAME} in {commit[:12]}")
    return dict(document.get(name, {}))


def wrong(key: str, wanted: str, found: object) -> ConfigError:
    """What is to be said of a value that is not what its key takes."""
    shown = "nothing" if found is None else repr(found)
    return ConfigError(f"{CONFIG_NAME}: {key} must be {wanted}, got {shown}")
