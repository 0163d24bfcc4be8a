"""Deleting a tree that an untrusted process wrote: read-only folders, and nested without end.

`shutil.rmtree` recurses, so a thousand nested folders stop it. Here every folder is moved to the top
before it is emptied; nothing is ever more than two names deep. A mount of ours is taken off, not emptied.
"""

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from swarm.mounts import unmount_in

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(folder: Path) -> None:
    """Delete a folder and all that is in it, following no link; a missing one is fine.

    Raises:
        OSError: something belongs to another user, or is mounted there by others, or the disk failed.
    """
    with contextlib.suppress(FileNotFoundError):
        folder.lstat()  # where nothing is nothing is mounted: no need to read the table of all mounts
        unmount_in(folder)
        if not folder.is_dir() or folder.is_symlink():
            folder.unlink()
            return
        if folder.is_mount():
            raise OSError(errno.EBUSY, "something is mounted here", str(folder))
        folder.chmod(0o700)
        with _opened(folder, None) as top_fd:
            waiting = _empty(top_fd, top_fd, [])
            while waiting:
                name = waiting.pop()
                with _opened(name, top_fd) as folder_fd:
                    waiting = _empty(folder_fd, top_fd, waiting)
                os.rmdir(name, dir_fd=top_fd)  # relative to a descriptor
        folder.rmdir()


def _empty(folder_fd: int, top_fd: int, waiting: list[str]) -> list[str]:
    """Unlink a folder's files and move its folders to the top; return all that wait there."""
    with os.scandir(folder_fd) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_folder in found:
        if not is_folder:
            os.unlink(name, dir_fd=folder_fd)  # relative to a descriptor
            continue
        os.chmod(name, 0o700, dir_fd=folder_fd)  # moving a folder takes the right to write it
        moved = f".removing-{secrets.token_hex(8)}"
        os.rename(name, moved, src_dir_fd=folder_fd, dst_dir_fd=top_fd)
        waiting.append(moved)
    return waiting


@contextlib.contextmanager
def _opened(name: str | Path, folder_fd: int | None) -> Iterator[int]:
    opened_fd = os.open(name, _FOLDER, dir_fd=folder_fd)
    try:
        yield opened_fd
    finally:
        os.close(opened_fd)
