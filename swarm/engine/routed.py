"""A connection to whichever of many servers serves us now: found when needed, dropped when it cannot serve.

It repeats nothing: after a failover the call that fails says that the server is away, as that of a server
that was restarted does, and whoever repeats it with its op id is answered by the new one.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from swarm.engine.resolve import Resolver
from swarm.engine.store import Reply, Store
from swarm.errors import StoreMovedError, StoreReplyError, StoreUnreachableError
from swarm.keys import BEGINNING


class RoutedStore:
    """The master that serves our keys, over a connection of its own.

    Args:
        open_plain: opens a store for a plain URL.
    """

    def __init__(self, resolver: Resolver, open_plain: Callable[[str], Store]) -> None:
        self._resolver = resolver
        self._open_plain = open_plain
        self._key = ""  # one of ours, once it was seen: it says which server of a cluster is meant
        self._store: Store | None = None
        self._masters: tuple[str, ...] = ()

    def call(self, *command: str | bytes | int, timeout_s: float | None = None) -> Reply:
        """Send one command and return its reply."""
        store = self._found(command)
        try:
            if command[:2] == ("FUNCTION", "LOAD"):
                self._load_elsewhere(command)
            return store.call(*command, timeout_s=timeout_s)
        except (StoreUnreachableError, StoreMovedError) as error:
            raise self._lost(error) from error

    def pipeline(self, commands: Iterable[Sequence[str | bytes | int]]) -> list[Reply]:
        """Send commands as they come and return their replies in order; the first error is raised."""
        sent = list(commands) if not self._key else commands
        store = self._found(sent[0] if isinstance(sent, list) and sent else ())
        try:
            return store.pipeline(sent)
        except (StoreUnreachableError, StoreMovedError) as error:
            raise self._lost(error) from error

    def clone(self) -> "RoutedStore":
        """The same servers on a connection of its own."""
        return RoutedStore(Resolver(self._resolver.address), self._open_plain)

    def close(self) -> None:
        """Close the connection; the next call asks again whom to call."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def _found(self, command: Sequence[str | bytes | int]) -> Store:
        if not self._key:
            texts = (word for word in command if isinstance(word, str))
            self._key = next((word for word in texts if word.startswith(BEGINNING)), "")
            if self._key:
                self.close()  # whoever answered so far may be another
        if self._store is None:
            nodes = self._resolver.find(self._key)
            self._masters = tuple(url for url in nodes.masters if url != nodes.own)
            self._store = self._open_plain(nodes.own)
        return self._store

    def _load_elsewhere(self, command: Sequence[str | bytes | int]) -> None:
        """Load functions on every other master too: our keys may move there."""
        for url in self._masters:
            store = self._open_plain(url)
            # One that is away, or has them, is as good: whoever calls a function that is missing loads it.
            with suppress(StoreUnreachableError, StoreReplyError):
                store.call(*command)
            store.close()

    def _lost(self, error: StoreUnreachableError | StoreMovedError) -> StoreUnreachableError:
        self.close()
        if isinstance(error, StoreUnreachableError):
            return error
        return StoreUnreachableError(f"our keys are served elsewhere now: {error.message}")
