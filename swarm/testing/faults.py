"""A store that loses what is sent or what is answered, as networks do."""

from collections.abc import Iterable, Sequence

from swarm.engine.store import Reply, Store
from swarm.errors import StoreUnreachableError


class LossyStore:
    """Passes calls on; loses the requests or replies of scripts that it is told to lose."""

    def __init__(self, inner: Store) -> None:
        self._inner = inner
        self._replies_to_lose = 0
        self._requests_to_lose = 0
        self.lost = 0

    def lose_replies(self, count: int) -> None:
        """Let the next script calls take effect, and lose their answers."""
        self._replies_to_lose = count

    def lose_requests(self, count: int) -> None:
        """Lose the next script calls before they reach the server."""
        self._requests_to_lose = count

    def call(self, *command: str | bytes | int, timeout_s: float | None = None) -> Reply:
        """Send one command and return its reply, unless it is to be lost."""
        is_script = command[0] == "FCALL"
        if is_script and self._requests_to_lose:
            self._requests_to_lose -= 1
            self.lost += 1
            raise StoreUnreachableError("the request was lost on purpose")
        reply = self._inner.call(*command, timeout_s=timeout_s)
        if is_script and self._replies_to_lose:
            self._replies_to_lose -= 1
            self.lost += 1
            raise StoreUnreachableError("the reply was lost on purpose")
        return reply

    def pipeline(self, commands: Iterable[Sequence[str | bytes | int]]) -> list[Reply]:
        """Send commands together; none is lost."""
        return self._inner.pipeline(commands)

    def clone(self) -> "LossyStore":
        """The same server on a connection of its own, which loses nothing yet."""
        return LossyStore(self._inner.clone())

    def close(self) -> None:
        """Close the connection."""
        self._inner.close()
