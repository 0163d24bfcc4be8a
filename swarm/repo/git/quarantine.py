"""Objects of a train in memory until it is coupled, then one pack in the hub: files are what landing costs.

git calls it a quarantine when a push is received: a folder for new objects, with the repository behind it.
"""

import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from swarm.repo.git.command import Git, GitError
from swarm.scratch import make_scratch, sweep_scratch

MEMORY = Path("/dev/shm")  # noqa: S108  # a folder of ours is made in it, with a name that nobody can guess
_PREFIX = "swarm-objects."
_CHUNK = 1 << 20
_ROOM = 1 << 30
"""Bytes that must be free there: a container has 64 MB by default, and a merged file may be large."""


class Quarantine:
    """A folder in memory that new objects of a repository go to. A context manager.

    A process that is killed leaves its folder, which `sweep_quarantines` finds unlocked.
    """

    def __init__(self, repository: Path) -> None:
        self._objects = repository / "objects"
        self._hub = Git.at(repository)
        self._folder, self._lock = make_scratch(MEMORY, prefix=_PREFIX)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        os.close(self._lock)

    @property
    def git(self) -> Git:
        """Git on the repository, with what it writes going here."""
        return self._hub.with_environment(
            {
                "GIT_OBJECT_DIRECTORY": str(self._folder),
                "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(self._objects),
            }
        )

    def keep(self) -> None:
        """Bring into the repository, durably, what was written so far.

        Agents may write to what is in memory, and git takes a file of its own at its name: what comes in is
        hashed anew, and nothing may be missing then.

        Raises:
            GitError: it could not be written there, or somebody has changed it.
        """
        found = list(self._loose())
        if not found:
            return
        oids = "".join(f"{path.parent.name}{path.name}\n" for path in found).encode()
        name = self.git.run("pack-objects", "--quiet", "--window=0", str(self._folder / "kept"), stdin=oids)
        with (self._folder / f"kept-{name.decode().strip()}.pack").open("rb") as pack:
            self._hub.feed("index-pack", "--stdin", stdin=iter(partial(pack.read, _CHUNK), b""))
        checked = self._hub.run("cat-file", "--batch-check=%(objectname)", stdin=oids)
        if b" missing\n" in checked:
            raise GitError(("git", "index-pack", "--stdin"), 0, b"an object was changed in memory")
        for path in (*found, *self._folder.glob("kept-*")):
            path.unlink()

    def _loose(self) -> Iterator[Path]:
        return (path for path in self._folder.glob("??/*") if not path.name.startswith("tmp_"))


def is_roomy() -> bool:
    """There is memory to write objects to; else they are written where they belong, one by one."""
    try:
        there = os.statvfs(MEMORY)
    except OSError:
        return False
    return os.access(MEMORY, os.W_OK) and there.f_bavail * there.f_frsize >= _ROOM


def sweep_quarantines() -> None:
    """Remove the folders of processes that were killed; those in use are locked."""
    found = MEMORY.glob(f"{_PREFIX}*") if MEMORY.is_dir() else ()
    sweep_scratch(found, partial(shutil.rmtree, ignore_errors=True))
