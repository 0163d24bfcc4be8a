"""Looks at the server before it is trusted with work: refuse what loses data, warn about what might."""

from swarm.engine.store import Store
from swarm.engine.words import hash_of, text_of
from swarm.errors import ConfigError, StoreReplyError


def check_server(store: Store) -> tuple[str, ...]:
    """Warnings about the server's settings.

    Raises:
        ConfigError: the server evicts keys, or is too old for functions.
    """
    try:
        store.call("FUNCTION", "STATS")
    except StoreReplyError as error:
        raise ConfigError(
            f"redis_url: the server has no functions: {error.message}",
            hint="use Redis 7 or later, or Valkey",
        ) from error
    warnings = []
    policy = _setting(store, "maxmemory-policy")
    if policy is None:
        warnings.append("the server does not show its settings: check that maxmemory-policy is noeviction")
    elif policy != "noeviction":
        raise ConfigError(
            f"redis_url: maxmemory-policy is {policy!r}: the server would evict tasks to make room",
            hint="redis-cli CONFIG SET maxmemory-policy noeviction",
        )
    if _persistence_is_off(store):
        warnings.append(
            "the server keeps nothing on disk: a restart of Redis loses every run (set appendonly yes)"
        )
    return tuple(warnings)


def _setting(store: Store, name: str) -> str | None:
    try:
        return hash_of(store.call("CONFIG", "GET", name)).get(name)
    except StoreReplyError:
        return None


def _persistence_is_off(store: Store) -> bool:
    info = text_of(store.call("INFO", "persistence"))
    return "aof_enabled:0" in info and not _setting(store, "save")
