"""What workers that died on this host left behind, found by the worker's id: the name of its process."""

from contextlib import suppress
from pathlib import Path

from swarm.fleet.process import kill_tagged_where
from swarm.fleet.process_id import ProcessId
from swarm.removal import remove_tree


def sweep_leftovers(workspaces: Path) -> list[str]:
    """End processes and delete workspaces of dead workers of this host; returns the workers' ids."""
    kill_tagged_where(lambda tag: _is_dead(tag.partition(":")[0]))
    swept = []
    for folder in sorted(workspaces.iterdir()) if workspaces.is_dir() else ():
        with suppress(OSError):
            if _is_dead(folder.name):
                remove_tree(folder)
                swept.append(folder.name)
    return swept


def _is_dead(worker_id: str) -> bool:
    process = ProcessId.parse(worker_id)
    return process is not None and process.is_dead()
