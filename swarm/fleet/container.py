"""One started container as the sandbox sees it: how it ends, why it ended, and what it leaves behind."""

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from swarm.errors import DockerUnreachableError
from swarm.fleet.frames import StdoutReader
from swarm.sandbox.client import HostedSandbox
from swarm.sandbox.protocol import Ending, Finished

KILLED = 137
"""What a container exits with when SIGKILL ended it."""

END_LIMIT_S = 10.0
OWN_END_LIMIT_S = 2.0
OOM_NOTICE_LIMIT_S = 0.5
_POLL_S = 0.02
_OF_THE_HOST = frozenset({"PATH", "HOME", "TMPDIR", "VIRTUAL_ENV"})


@dataclass(frozen=True)
class ContainerState:
    """What the engine says about a container."""

    is_running: bool
    exit_code: int
    was_out_of_memory: bool  # also when only a child was killed
    error: str = ""


class EngineContainer(Protocol):
    """What is asked of the engine about one container.

    Each raises DockerUnreachableError when the engine does not answer.
    """

    def state(self) -> ContainerState | None:
        """How it is, or None when it was removed."""
        ...

    def kill(self) -> None:
        """Send it SIGKILL; a no-op when it is not running."""
        ...

    def remove(self) -> None:
        """Remove it and its volumes, running or not; a no-op when it is gone."""
        ...


class RunningContainer:
    """Ends one container, once, and remembers why it ended. Any thread may call."""

    def __init__(self, container: EngineContainer, stdout: StdoutReader, *, memory_mb: int) -> None:
        self._container = container
        self._stdout = stdout
        self._memory_mb = memory_mb
        self._lock = threading.Lock()
        self._ending: Ending | None = None

    def end(self) -> Ending:
        """Kill it and all it started; again is a no-op with the same answer."""
        with self._lock:
            if self._ending is None:
                self._ending = self._end()
            self._stdout.hang_up()
            return self._ending

    def ending(self) -> Ending | None:
        """How it ended, or None while it runs."""
        with self._lock:
            if self._ending is None:
                state = self._container.state()
                if state is None or not state.is_running:
                    self._ending = self._explain(state, was_ended=False)
            return self._ending

    def clean_up(self) -> None:
        """Remove it; what an unreachable engine keeps, a later sweep removes."""
        with suppress(DockerUnreachableError):
            self._container.remove()

    def _end(self) -> Ending:
        try:
            if self._stdout.ended.is_set():
                # It is ending by itself: wait for the reason instead of covering it up.
                self._await_end(OWN_END_LIMIT_S)
            state = self._container.state()
            was_ended = state is not None and state.is_running
            if was_ended:
                self._container.kill()
                state = self._await_end(END_LIMIT_S)
            return self._explain(state, was_ended=was_ended)
        except DockerUnreachableError as error:
            return Ending(KILLED, ran_out_of_memory=False, reason=error.message, was_killed=True)

    def _await_end(self, limit_s: float) -> ContainerState | None:
        deadline_s = time.monotonic() + limit_s
        while True:
            state = self._container.state()
            if state is None or not state.is_running or time.monotonic() > deadline_s:
                return state
            time.sleep(_POLL_S)

    def _explain(self, state: ContainerState | None, *, was_ended: bool) -> Ending:
        if state is None:
            return Ending(
                KILLED, ran_out_of_memory=False, reason="its container was removed", was_killed=True
            )
        if state.is_running:
            return Ending(KILLED, ran_out_of_memory=False, reason="its container could not be killed")
        if state.exit_code == KILLED and not was_ended:
            state = self._await_oom_notice(state)
        if state.was_out_of_memory:
            return Ending(state.exit_code, ran_out_of_memory=True, reason=out_of_memory(self._memory_mb))
        return Ending(
            state.exit_code,
            ran_out_of_memory=False,
            reason=self._reason(state, was_ended=was_ended),
            was_killed=state.exit_code == KILLED and not was_ended,
        )

    def _await_oom_notice(self, state: ContainerState) -> ContainerState:
        """The engine may hear of the exit a moment before it hears that memory was the cause."""
        deadline_s = time.monotonic() + OOM_NOTICE_LIMIT_S
        while not state.was_out_of_memory and time.monotonic() < deadline_s:
            time.sleep(_POLL_S)
            state = self._container.state() or state
        return state

    def _reason(self, state: ContainerState, *, was_ended: bool) -> str:
        if was_ended:
            return "it was ended"
        if state.exit_code == KILLED:
            return "its container was killed from outside"
        if state.exit_code == 0:
            return ""
        return state.error or self._stdout.last_stderr or f"its container exited with {state.exit_code}"


class ContainerSandbox(HostedSandbox):
    """A sandbox in a container: its own PATH and HOME, and a known limit on memory."""

    def __init__(
        self,
        tree: Path,
        *,
        requests: IO[bytes],
        replies: IO[bytes],
        host: RunningContainer,
        memory_mb: int,
        max_log_bytes: int,
        inside: str,
    ) -> None:
        super().__init__(tree, requests=requests, replies=replies, host=host, max_log_bytes=max_log_bytes)
        self._memory_mb = memory_mb
        self._inside = inside  # where the tree is mounted

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        env: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> Finished:
        """Run a command; what in `env` describes our own machine is left out: the image has its own.

        A path below the tree is given as the container sees it.
        """
        ours = {
            name: self._as_seen_inside(value)
            for name, value in (env or {}).items()
            if name not in _OF_THE_HOST
        }
        finished = super().run(argv, timeout_s=timeout_s, env=ours, log=log)
        if not finished.ran_out_of_memory:
            return finished
        return finished._replace(reason=out_of_memory(self._memory_mb))

    def _as_seen_inside(self, value: str) -> str:
        here = f"{self.tree}/"
        return f"{self._inside}/{value.removeprefix(here)}" if value.startswith(here) else value


def out_of_memory(memory_mb: int) -> str:
    """The reason for a person."""
    return f"exceeded its memory limit of {memory_mb} MiB"
