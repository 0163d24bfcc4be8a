"""Objects of a train apart until it is coupled, then one pack in the hub: synced files are what it costs.

git calls it a quarantine when a push is received: a folder for new objects, with the repository behind it. It
lies beside the repository, where no agent reaches: whoever changed an object in it would land what nobody has
judged.
"""

import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from swarm.repo.git.command import Git
from swarm.scratch import make_scratch, sweep_scratch

_PREFIX = "objects."
_UNSYNCED = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.fsync", "GIT_CONFIG_VALUE_0": "none"}
"""Nothing here has to outlive its process: the pack does, and is synced."""


class Quarantine:
    """A folder that new objects of a repository go to, unsynced. A context manager.

    A process that is killed leaves its folder, which `sweep_quarantines` finds unlocked.
    """

    def __init__(self, repository: Path) -> None:
        self._objects = repository / "objects"
        self._hub = Git.at(repository)
        self._folder, self._lock = make_scratch(repository.parent, prefix=_PREFIX)

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
                **_UNSYNCED,
            }
        )

    def keep(self) -> None:
        """Bring into the repository, durably, what was written so far.

        Raises:
            GitError: it could not be written there.
        """
        found = list(self._loose())
        if not found:
            return
        oids = "".join(f"{path.parent.name}{path.name}\n" for path in found)
        # git makes the pack where it writes objects, and only moves it into place.
        env = {
            "GIT_OBJECT_DIRECTORY": str(self._objects),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(self._folder),
        }
        self._hub.run(
            "pack-objects", "--quiet", "--window=0", str(self._objects / "pack" / "pack"),
            stdin=oids.encode(), env=env,
        )  # fmt: skip
        for path in found:
            path.unlink()

    def _loose(self) -> Iterator[Path]:
        return (path for path in self._folder.glob("??/*") if not path.name.startswith("tmp_"))


def sweep_quarantines(folder: Path) -> None:
    """Remove what killed processes left in the folder around a repository; what is in use is locked."""
    sweep_scratch(folder.glob(f"{_PREFIX}*"), partial(shutil.rmtree, ignore_errors=True))
