"""Giving a tree to the user that an agent runs as."""

import os
import stat
from pathlib import Path


def hand_over(tree: Path, *, uid: int, gid: int) -> None:
    """Make `uid` own everything below `tree`, following no link; needs root.

    What it owns already is not touched. A regular file with other names stays as it is: one of them
    may lie outside, and the change would reach it there.
    """
    _give(tree, uid=uid, gid=gid)
    for _, folders, files, folder_fd in os.fwalk(tree):
        for name in (*folders, *files):
            _give(name, uid=uid, gid=gid, folder_fd=folder_fd)


def _give(path: Path | str, *, uid: int, gid: int, folder_fd: int | None = None) -> None:
    found = os.stat(path, dir_fd=folder_fd, follow_symlinks=False)
    is_shared = stat.S_ISREG(found.st_mode) and found.st_nlink > 1
    if not is_shared and (found.st_uid, found.st_gid) != (uid, gid):
        os.chown(path, uid, gid, dir_fd=folder_fd, follow_symlinks=False)
