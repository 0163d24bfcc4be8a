"""Which process started a container, written in its labels, and whether that process is still there."""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

HOST = "swarm.host"
PID = "swarm.pid"
STARTED = "swarm.started"


def owner_labels() -> dict[str, str]:
    """Labels that name this process."""
    pid = os.getpid()
    return {HOST: _host(), PID: str(pid), STARTED: _started(pid)}


def is_owner_dead(labels: Mapping[str, str]) -> bool:
    """The process that the labels name ran here and is gone; False when that cannot be told from here."""
    pid = labels.get(PID, "")
    if labels.get(HOST) != _host() or not pid.isdigit():
        return False
    started = _started(int(pid))
    if started:
        return started != labels.get(STARTED, started)
    return not _exists(int(pid))


def _host() -> str:
    """This machine and its process ids: a container on it numbers its processes anew."""
    space = ""
    with suppress(OSError):
        space = str(Path("/proc/self/ns/pid").readlink())
    return f"{socket.gethostname()}/{space}"


def _started(pid: int) -> str:
    """When the process started, in clock ticks since boot: with the id it names one process.

    Empty when it is gone, a zombie, or cannot be looked at.
    """
    with suppress(OSError):
        # The command in brackets may hold anything, brackets too.
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return "" if fields[0] in {b"Z", b"X"} else fields[19].decode("ascii")
    return ""


def _exists(pid: int) -> bool:
    if Path("/proc/self/stat").exists():
        return False  # `_started` has looked
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
