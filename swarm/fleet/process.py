"""Isolation `process`: a tool host as a plain subprocess, for repositories that are trusted.

Its environment is scrubbed and HOME and TMPDIR are its own. What it starts is found in three ways:
as a descendant of the tool host, which adopts orphans; by process group; and, once the tool host is
dead, by a tag in the environment. Its commands are confined by Landlock; where the kernel cannot, the
attempt's log says so.
"""

import json
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from swarm.fleet.confinement import with_writable
from swarm.removal import remove_tree
from swarm.sandbox import tool_host
from swarm.sandbox.client import MAX_LOG_BYTES, HostedSandbox
from swarm.sandbox.landlock import Confinement, describe_landlock
from swarm.sandbox.protocol import Ending, SandboxEndedError
from swarm.settings import scrubbed_environment

TAG = "SWARM_ATTEMPT"
"""The variable that marks every process of a sandbox; its value is `<worker>:<attempt>:<random>`."""

_SWEEP_LIMIT_S = 5.0


class ProcessLauncher:
    """Starts tool hosts as subprocesses. The thread that opens a sandbox must outlive it.

    Args:
        max_log_bytes: what one command adds to its log at most.
        confinement: what commands may see and change beside their tree; None confines nothing.
    """

    def __init__(self, *, max_log_bytes: int = MAX_LOG_BYTES, confinement: Confinement | None = None) -> None:
        self._max_log_bytes = max_log_bytes
        self.sees_mounts = True
        can_confine, how = describe_landlock()
        self._confinement = confinement if can_confine else None
        self._notice = how if confinement and not can_confine else ""

    def open(self, tree: Path, *, labels: Mapping[str, str]) -> HostedSandbox:
        """Start a tool host on `tree`; the labels `swarm.worker` and `swarm.attempt` go into its tag."""
        label = f"{labels.get('swarm.worker', '')}:{labels.get('swarm.attempt', '')}"
        host = _ProcessHost(tree, label=label, confinement=self._confinement)
        return HostedSandbox(
            tree,
            requests=host.stdin,
            replies=host.stdout,
            host=host,
            max_log_bytes=self._max_log_bytes,
            notice=self._notice,
        )


class _ProcessHost:
    """One tool host, its private folders beside the tree, and the tag on all it starts."""

    def __init__(self, tree: Path, *, label: str, confinement: Confinement | None) -> None:
        self._tag = f"{label}:{uuid.uuid4().hex}"
        self._folders = [tree.parent / f"{tree.name}.home", tree.parent / f"{tree.name}.tmp"]
        for folder in self._folders:
            folder.mkdir(mode=0o700, exist_ok=True)
        home, tmp = map(str, self._folders)
        argv = [sys.executable, "-I", tool_host.__file__, "--tree", str(tree)]
        if confinement is not None:
            own = with_writable(confinement, (tree, *self._folders))
            argv += ["--confine", json.dumps(own._asdict())]
        self._process = subprocess.Popen(
            argv,
            env=scrubbed_environment({"HOME": home, "TMPDIR": tmp, TAG: self._tag}),
            cwd=tree,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        if self._process.stdin is None or self._process.stdout is None:
            raise SandboxEndedError("the tool host has no pipes")
        self.stdin = self._process.stdin
        self.stdout = self._process.stdout
        self._ending: Ending | None = None
        self._lock = threading.Lock()

    def end(self) -> Ending:
        """Kill the tool host and all it started; see `client.Host`."""
        with self._lock:
            if self._ending is None:
                self._ending = self._kill()
            return self._ending

    def ending(self) -> Ending | None:
        """How it ended, or None while it runs."""
        if self._ending is None and self._process.poll() is None:
            return None
        return self.end()

    def clean_up(self) -> None:
        """Remove its HOME and TMPDIR; what cannot be removed stays."""
        for folder in self._folders:
            with suppress(OSError):
                remove_tree(folder)

    def _kill(self) -> Ending:
        code_before = self._process.poll()
        if code_before is None:
            _kill_family(self._process.pid)
        self._process.kill()
        self._process.wait()
        kill_tagged(self._tag)
        if code_before is None:
            return Ending(-signal.SIGKILL, ran_out_of_memory=False, reason="the sandbox was ended")
        # Commands that are confined cannot signal their tool host; those that are not may have done it.
        was_killed = code_before in {-signal.SIGKILL, -signal.SIGTERM}
        return Ending(code_before, ran_out_of_memory=False, was_killed=was_killed)


def kill_tagged(tag: str) -> None:
    """Kill every process whose environment carries `SWARM_ATTEMPT=<tag>`, until there is none left."""
    kill_tagged_where(lambda found: found == tag)


def kill_tagged_where(is_wanted: Callable[[str], bool]) -> None:
    """Kill every process whose tag satisfies the condition, until there is none left."""
    deadline = time.monotonic() + _SWEEP_LIMIT_S
    while _kill_all(_tagged(is_wanted)) and time.monotonic() < deadline:
        time.sleep(0.005)


def _kill_family(pid: int) -> None:
    """Kill the descendants first, while the tool host still adopts what they orphan."""
    deadline = time.monotonic() + _SWEEP_LIMIT_S
    with suppress(psutil.Error):
        host = psutil.Process(pid)
        host.suspend()
        while _kill_all(host.children(recursive=True)) and time.monotonic() < deadline:
            time.sleep(0.005)


def _kill_all(processes: list[psutil.Process]) -> bool:
    """Stop, then kill; True when there was anything alive to kill."""
    alive = [process for process in processes if _is_alive(process)]
    for act in (psutil.Process.suspend, psutil.Process.kill):
        for process in alive:
            with suppress(psutil.Error):
                act(process)
    return bool(alive)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() not in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD})
    except psutil.Error:
        return False


def _tagged(is_wanted: Callable[[str], bool]) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            tag = process.environ().get(TAG)
            if tag is not None and is_wanted(tag):
                found.append(process)
    return found
