"""Overlays: a folder that shows other folders, and keeps what is written to it in one of its own.

Linux alone has them, and who mounts one must be root. A mount outlives the process that made it, so every
removal takes off first what is mounted there (`removal.py`). What others mounted is left alone.
"""

import ctypes
import errno
import os
import re
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

SOURCE = "swarm"
"""What stands as the device of our mounts, so that they can be told from others'."""

_NOSUID, _NODEV = 2, 4
_DETACH, _NOFOLLOW = 2, 8
_OPTIONS = "redirect_dir=on,index=off,metacopy=off,volatile"
"""Folders can be renamed as anywhere else, and nothing is synced: `umount` would write out the whole disk."""

_MAX_BYTES = 4095
_UNSPEAKABLE = re.compile(r"[:,\\]")
_ESCAPED = re.compile(r"\\([0-7]{3})")
_TABLE = Path("/proc/self/mountinfo")
"""A line is `id parent device root folder options … - kind source options`, a blank in a name `\\040`."""


class Overlay(NamedTuple):
    """One of our mounts. Its names are text: as paths, hundreds would take a while to look through."""

    place: str
    options: str  # `lowerdir=…,upperdir=…`, as the kernel tells them

    @property
    def folder(self) -> Path:
        """Where it is."""
        return Path(self.place)

    @property
    def shown(self) -> list[str]:
        """The folders that it shows, the topmost first."""
        lower = next(each for each in self.options.split(",") if each.startswith("lowerdir="))
        return _unescaped(lower.removeprefix("lowerdir=")).split(":")


def mount_overlay(folder: Path, *, lower: Sequence[Path], upper: Path, work: Path) -> None:
    """Make `folder` show all of `lower`; changes go to `upper`.

    Args:
        folder: an empty folder.
        lower: the first is on top; none may be written to while it is shown.
        upper: an empty folder.
        work: an empty folder on the same file system, for the kernel.

    Raises:
        OSError: the kernel has no overlays, or we may not, or one of the file systems cannot.
    """
    paths = [str(path.resolve()) for path in (*lower, upper, work)]
    shown = ":".join(paths[: len(lower)])
    data = os.fsencode(f"lowerdir={shown},upperdir={paths[-2]},workdir={paths[-1]},{_OPTIONS}")
    if not sys.platform.startswith("linux"):
        raise OSError(errno.ENOSYS, "only Linux has overlays")
    if len(data) > _MAX_BYTES or any(map(_UNSPEAKABLE.search, paths)):
        raise OSError(errno.EINVAL, "these paths cannot be told to the kernel", shown)
    flags = ctypes.c_ulong(_NOSUID | _NODEV)
    _checked(_libc().mount(SOURCE.encode(), os.fsencode(folder), b"overlay", flags, data), folder)


def unmount_in(folder: Path) -> None:
    """Take off what we mounted on `folder` and on what is in it, even while it is used.

    Raises:
        OSError: we are not root.
    """
    top = str(folder.parent.resolve() / folder.name)
    for overlay in reversed([each for each in overlays() if _is_in(each.place, top)]):
        # Lazily: who still has a file open there keeps it, and keeps nobody from removing the rest.
        _checked(_libc().umount2(os.fsencode(overlay.place), _DETACH | _NOFOLLOW), overlay.folder)


def is_shown(folder: Path) -> bool:
    """Whether an overlay that this process can see shows `folder`, or one in it."""
    top = str(folder.resolve())
    return any(_is_in(shown, top) for overlay in overlays() for shown in overlay.shown)


def overlays() -> list[Overlay]:
    """Our mounts that this process can see, in the order in which they were made."""
    try:
        table = os.fsdecode(_TABLE.read_bytes())
    except OSError:  # no Linux
        return []
    lines = [line.partition(f" - overlay {SOURCE} ") for line in table.split("\n")]
    return [
        Overlay(_unescaped(before.split(" ", 5)[4]), options) for before, is_ours, options in lines if is_ours
    ]


def _is_in(path: str, top: str) -> bool:
    return path == top or path.startswith(f"{top}/")


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 8)), text) if "\\" in text else text


def _checked(answer: int, folder: Path) -> None:
    if answer:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(folder))


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
