"""What must be nowhere: leftovers of a run that has ended (I8), and a secret (I10)."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from swarm.engine.store import Store
from swarm.fleet.server_file import read_server_file
from swarm.testing.dumps import content

QUIET_S = 60.0
_POLL_S = 0.1


def check_leftovers(home: Path, *, within_s: float = QUIET_S) -> list[str]:
    """Violations of I8 that are still there after a while: processes and workspaces of this home.

    Its embedded server may run on; locks are the matter of I4.
    """
    return _at_last(lambda: [*_processes(home), *_workspaces(home)], within_s)


def check_canary(canary: str, store: Store, home: Path | None) -> Iterator[str]:
    """Violations of I10: the text stands in a key, an event, a file under `home` or an object of git."""
    for name, value in content(store).items():
        if canary in name or canary in str(value):
            yield f"I10 the canary is in the key {name}"
    if home is None:
        return
    secret = canary.encode()
    for path in sorted(home.rglob("*")):
        if path.is_file() and not path.is_symlink() and secret in path.read_bytes():
            yield f"I10 the canary is in {path.relative_to(home)}"
    if (home / "repo.git").exists() and secret in _objects(home / "repo.git"):
        yield "I10 the canary is in an object of the hub"


def _objects(repository: Path) -> bytes:
    argv = ["git", "-C", str(repository), "cat-file", "--batch", "--batch-all-objects"]
    return subprocess.run(argv, capture_output=True, check=True).stdout


def _processes(home: Path) -> Iterator[str]:
    server = read_server_file(home)
    spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    place = str(home)
    for process in psutil.process_iter():
        try:
            words = [process.cwd(), *process.cmdline()]
            if server and server.pid in {process.pid, process.ppid()}:
                continue  # or it rewrites its append-only file
        except psutil.Error:  # it has ended, or is none of ours
            continue
        if process.pid not in spared and any(word.startswith(place) for word in words):
            yield f"I8 process {process.pid} is left: {list(filter(None, words))}"


def _workspaces(home: Path) -> Iterator[str]:
    for folder in sorted((home / "workspaces").glob("*/*")):
        yield f"I8 workspace {folder.relative_to(home)} is left"


def _at_last(look: Callable[[], list[str]], within_s: float) -> list[str]:
    deadline_s = time.monotonic() + within_s
    while (found := look()) and time.monotonic() < deadline_s:
        time.sleep(_POLL_S)
    return found
