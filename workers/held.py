"""The sandbox that is open right now, so that another thread can end it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from swarm.sandbox.protocol import Sandbox


class HeldSandbox:
    """At most one open sandbox. Once killed, every later one is killed as it comes, until `reset`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sandbox: Sandbox | None = None
        self._is_killed = False

    def kill(self) -> None:
        """End the open sandbox, if there is one, and every later one."""
        with self._lock:
            self._is_killed = True
            sandbox = self._sandbox
        if sandbox is not None:
            sandbox.kill()

    def reset(self) -> None:
        """A new attempt begins; its sandboxes live."""
        with self._lock:
            self._is_killed = False

    @contextmanager
    def holding(self, sandbox: Sandbox) -> Iterator[Sandbox]:
        """Hold a sandbox for the block, then close it: everything in it is dead afterwards."""
        with self._lock:
            self._sandbox = sandbox
            is_killed = self._is_killed
        try:
            if is_killed:
                sandbox.kill()
            yield sandbox
        finally:
            with self._lock:
                self._sandbox = None
            sandbox.close()
