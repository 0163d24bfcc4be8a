"""Stores that lose or repeat what is sent or answered, or whose server stalls, as happens in networks."""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from threading import Timer
from typing import Literal

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


Fault = Literal["lost request", "lost reply", "twice", "stall"]
STALL_S = 0.02


class FaultyStore:
    """Does one fault to the next script call, and keeps what was sent, so that it can come again late.

    Args:
        server_pid: the server, which a `stall` stops until the caller has given up waiting.
    """

    def __init__(self, inner: Store, server_pid: int) -> None:
        self._inner = inner
        self._server_pid = server_pid
        self._fault: Fault | None = None
        self._until_fault = 0
        self.sent: list[tuple[str | bytes | int, ...]] = []
        self.calls: Counter[str] = Counter()

    def arm(self, fault: Fault, *, after: int = 0) -> None:
        """What happens to the next script call, or to the one so many calls after it."""
        self._fault, self._until_fault = fault, after

    def call(self, *command: str | bytes | int, timeout_s: float | None = None) -> Reply:
        """Send one command and return its reply, unless a fault is armed."""
        return self._send(
            [command], lambda limit_s: [self._inner.call(*command, timeout_s=limit_s)], timeout_s
        )[0]

    def pipeline(self, commands: Iterable[Sequence[str | bytes | int]]) -> list[Reply]:
        """Send commands together, unless a fault is armed."""
        sent = list(commands)
        return self._send(sent, lambda _: self._inner.pipeline(sent), None)

    def _send(
        self,
        commands: Sequence[Sequence[str | bytes | int]],
        send: Callable[[float | None], list[Reply]],
        timeout_s: float | None,
    ) -> list[Reply]:
        scripts = [tuple(command) for command in commands if command[0] == "FCALL"]
        if not scripts:
            return send(timeout_s)
        fault = None
        if self._until_fault:
            self._until_fault -= 1
        else:
            fault, self._fault = self._fault, None
        self.sent += scripts
        self.calls.update(str(command[1]).rpartition("_")[0] for command in scripts)
        if fault == "stall":
            return self._send_stalled(send)
        if fault == "lost request":
            raise StoreUnreachableError("the request was lost on purpose")
        replies = send(timeout_s)
        if fault == "lost reply":
            raise StoreUnreachableError("the reply was lost on purpose")
        return send(timeout_s) if fault == "twice" else replies

    def _send_stalled(self, send: Callable[[float | None], list[Reply]]) -> list[Reply]:
        """The request waits in the server's buffer while its caller gives up; then it is executed."""
        self._inner.call("PING")  # a connection that is not there yet would not get the request across
        os.kill(self._server_pid, signal.SIGSTOP)
        resume = Timer(STALL_S, os.kill, (self._server_pid, signal.SIGCONT))
        resume.start()
        try:
            send(STALL_S / 2)
            raise StoreUnreachableError("the reply came too late")
        finally:
            resume.join()

    def clone(self) -> "FaultyStore":
        """The same server on a connection of its own."""
        return FaultyStore(self._inner.clone(), self._server_pid)

    def close(self) -> None:
        """Close the connection."""
        self._inner.close()
