"""How a process talks to Redis: one connection that never repeats a call on its own."""

from collections.abc import Sequence
from typing import Protocol, Self
from urllib.parse import urlsplit

from swarm.errors import ConfigError

Reply = bytes | int | None | list["Reply"]
"""What Redis answers, undecoded."""


class Store(Protocol):
    """A connection to Redis. Not shared between threads."""

    def call(self, *command: str | bytes | int, timeout_s: float | None = None) -> Reply:
        """Send one command and return its reply.

        Raises:
            StoreUnreachableError: no reply; whether the command took effect is unknown.
            StoreReplyError: the server answered with an error.
            AuthenticationError: the server refused our credentials.
        """
        ...

    def pipeline(self, commands: Sequence[Sequence[str | bytes | int]]) -> list[Reply]:
        """Send commands together and return their replies in order; not a transaction."""
        ...

    def clone(self) -> Self:
        """The same server on a connection of its own."""
        ...

    def close(self) -> None:
        """Close the connection; the next call opens it again."""
        ...


def open_store(url: str, *, timeout_s: float = 5.0) -> Store:
    """A store for a Redis URL; connects when first called.

    `redis://` and `unix://` go over our own connection, any other scheme over redis-py.

    Raises:
        ConfigError: the URL cannot be understood.
    """
    scheme = urlsplit(url).scheme
    if scheme in {"redis", "unix"}:
        from swarm.engine.wire import HiredisStore  # noqa: PLC0415  # both import this module's types

        return HiredisStore(url, timeout_s=timeout_s)
    if not scheme:
        raise ConfigError(f"redis_url: {url!r} is not a URL", hint="for example redis://127.0.0.1:6379/0")
    from swarm.engine.redis_py import RedisPyStore  # noqa: PLC0415  # redis-py takes 200 ms to import

    return RedisPyStore(url, timeout_s=timeout_s)
