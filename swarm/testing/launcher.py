"""A launcher without isolation, for tests of what happens around a command."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from swarm.sandbox.protocol import Ending, Finished, SandboxEndedError, ToolError
from swarm.settings import scrubbed_environment


class SubprocessSandbox:
    """Runs commands as plain subprocesses; has no file tools."""

    def __init__(self, tree: Path, labels: Mapping[str, str]) -> None:
        self.tree = tree
        self.labels = dict(labels)
        self.is_closed = False
        self._running: subprocess.Popen[bytes] | None = None
        self._ending: Ending | None = None

    def call(self, tool: str, arguments: Mapping[str, object]) -> str:
        """Refuse: there are no file tools here."""
        raise ToolError(f"no tool {tool!r} for {sorted(arguments)}")

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        env: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> Finished:
        """Run argv in the tree, as the protocol says."""
        started = time.monotonic()
        timed_out = False
        self._running = subprocess.Popen(
            argv,
            cwd=self.tree,
            env=scrubbed_environment(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        with self._running as process:
            try:
                output, _ = process.communicate(timeout=timeout_s)
            except subprocess.TimeoutExpired:
                timed_out = True
                os.killpg(process.pid, signal.SIGKILL)
                output, _ = process.communicate()
        if self._ending:
            raise SandboxEndedError(self._ending.reason)
        if log:
            with log.open("ab") as file:
                file.write(output)
        text = output.decode("utf-8", "replace")
        return Finished(process.returncode, text, time.monotonic() - started, timed_out=timed_out)

    def kill(self) -> None:
        """End the running command and its process group."""
        self._ending = Ending(-signal.SIGKILL, ran_out_of_memory=False, reason="killed")
        if self._running and self._running.poll() is None:
            os.killpg(self._running.pid, signal.SIGKILL)

    def ending(self) -> Ending | None:
        """How it was killed, if it was."""
        return self._ending

    def close(self) -> None:
        """End whatever still runs."""
        self.is_closed = True
        if self._running and self._running.poll() is None:
            self.kill()


class SubprocessLauncher:
    """Remembers the sandboxes it opened; `before_open` is called each time first, and may race."""

    def __init__(self, before_open: Callable[[], object] = lambda: None) -> None:
        self._before_open = before_open
        self.sees_mounts = True
        self.opened: list[SubprocessSandbox] = []

    def open(self, tree: Path, *, labels: Mapping[str, str]) -> SubprocessSandbox:
        """Start nothing yet; commands start when they are run."""
        self._before_open()
        self.opened.append(SubprocessSandbox(tree, labels))
        return self.opened[-1]
