"""The table [limits] of swarm.toml: how many tasks of a type workers may hold at once."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from swarm.errors import ConfigError
from swarm.plan.naming import NAME_IN_WORDS, is_name
from swarm.settings import CONFIG_NAME
from swarm.tables import parse_toml

MOST = 1_000_000
"""A limit is no larger: no fleet is, and a longer number is a slip of the pen."""

NONE: Mapping[str, int] = MappingProxyType({})


def load_limits(root: Path) -> Mapping[str, int]:
    """Type -> at most so many; `*` is all types together. Empty when the file or its table is not there.

    Raises:
        ConfigError: the table is malformed; names the key.
    """
    try:
        document = parse_toml((root / CONFIG_NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return NONE
    except (OSError, ValueError) as error:
        raise ConfigError(f"{CONFIG_NAME}: cannot be read: {error}") from error
    limits = document.get("limits", {})
    if not isinstance(limits, dict):
        raise ConfigError(f"{CONFIG_NAME}: limits must be a table, got {limits!r}", hint='such as "docs = 2"')
    for kind, most in limits.items():
        if kind != "*" and not is_name(kind):
            raise ConfigError(
                f"{CONFIG_NAME}: limits: no task can have the type {kind!r}",
                hint=f"a type is {NAME_IN_WORDS}; '*' is all types together",
            )
        if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= MOST:
            raise ConfigError(
                f"{CONFIG_NAME}: limits.{kind} must be a whole number from 1 up to {MOST:,}, got {most!r}",
                hint="leave the line out for no limit",
            )
    return limits
