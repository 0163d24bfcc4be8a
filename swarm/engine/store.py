"""How a process talks to Redis: one connection that never repeats a call on its own."""

from collections.abc import Iterable, Sequence
from typing import Protocol, Self

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

    def pipeline(self, commands: Iterable[Sequence[str | bytes | int]]) -> list[Reply]:
        """Send commands as they come and return their replies in order; not a transaction."""
        ...

    def clone(self) -> Self:
        """The same server on a connection of its own."""
        ...

    def close(self) -> None:
        """Close the connection; the next call opens it again."""
        ...
