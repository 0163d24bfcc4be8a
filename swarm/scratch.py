"""Scratch folders: locked for as long as the process lives that made them, and swept once it does not."""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def make_scratch(parent: Path, *, prefix: str = "") -> tuple[Path, int]:
    """A new folder, and a descriptor of it that holds its lock until it is closed."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        # In this moment it looks like that of a dead process: a sweep that is quicker has it.
        with contextlib.suppress(FileNotFoundError):
            folder_fd = os.open(folder, _FOLDER)
            try:
                fcntl.flock(folder_fd, fcntl.LOCK_EX)
                if os.path.samestat(os.fstat(folder_fd), folder.stat()):
                    return folder, folder_fd
            except BaseException:
                os.close(folder_fd)
                raise
            os.close(folder_fd)


def sweep_scratch(folders: Iterable[Path], remove: Callable[[Path], object]) -> None:
    """Remove those folders whose processes are gone, each under its lock; leave what is none of ours."""
    for folder in folders:
        with contextlib.suppress(BlockingIOError, FileNotFoundError, PermissionError, NotADirectoryError):
            folder_fd = os.open(folder, _FOLDER)
            try:
                fcntl.flock(folder_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove(folder)
            finally:
                os.close(folder_fd)
