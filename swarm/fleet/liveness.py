"""Whether a worker that Redis knows of still lives, as far as this host can tell."""

import os
import socket
from pathlib import Path

from swarm.engine.records import AgentRecord


def is_dead_here(agent: AgentRecord) -> bool:
    """The agent ran on this host, and its process is gone.

    A process id that was used again reads as alive: then the lease decides, later.
    """
    if agent.host != socket.gethostname() or agent.pid <= 0:
        return False
    try:
        os.kill(agent.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return _is_zombie(agent.pid)


def _is_zombie(pid: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return text.rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, IndexError):
        return False
