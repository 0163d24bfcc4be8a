"""What workers that died on this host left behind, found by the worker's id."""

import secrets
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from swarm.fleet.process import kill_tagged_where
from swarm.removal import remove_tree


@dataclass(frozen=True)
class WorkerId:
    """`<host>-<pid>-<4 hex>`: where a worker runs or ran, and which process it is or was."""

    host: str
    pid: int
    nonce: str

    def __str__(self) -> str:
        return f"{self.host}-{self.pid}-{self.nonce}"

    @classmethod
    def mine(cls) -> "WorkerId":
        """A fresh id for this process."""
        return cls(socket.gethostname(), psutil.Process().pid, secrets.token_hex(2))

    @classmethod
    def parse(cls, text: str) -> "WorkerId | None":
        """Read an id, or None when the text is not one."""
        host, pid, nonce = ["", "", *text.rsplit("-", 2)][-3:]
        return cls(host, int(pid), nonce) if host and pid.isdigit() and nonce else None


def sweep_leftovers(workspaces: Path) -> list[str]:
    """End processes and delete workspaces of dead workers of this host; returns the workers' ids."""
    kill_tagged_where(lambda tag: _is_dead(tag.partition(":")[0], since_s=None))
    swept = []
    for folder in sorted(workspaces.iterdir()) if workspaces.is_dir() else ():
        with suppress(OSError):
            if _is_dead(folder.name, since_s=folder.stat().st_mtime):
                remove_tree(folder)
                swept.append(folder.name)
    return swept


def _is_dead(worker_id: str, *, since_s: float | None) -> bool:
    """The id is a worker's of this host whose process is gone, or whose number another process has now."""
    worker = WorkerId.parse(worker_id)
    if worker is None or worker.host != socket.gethostname():
        return False
    try:
        process = psutil.Process(worker.pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return True
        return since_s is not None and process.create_time() > since_s + 1
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False
