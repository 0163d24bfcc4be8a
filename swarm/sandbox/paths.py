"""Opening paths below one folder, and nothing else.

Each component is opened by `openat` with O_NOFOLLOW, so no link that appears in between can lead
outside. A symbolic link is followed by reading it and walking on from where it stands; one that
leads outside the folder, an absolute one, and `.git` in any spelling are refused.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator

from .git_names import is_git_name
from .protocol import ToolError

MAX_PATH_CHARS = 4096
MAX_NAME_BYTES = 255
MAX_LINKS = 40

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def split_path(path: str) -> list[str]:
    """The components of a relative path that stays inside; `.` and empty ones dropped.

    Raises:
        ToolError: absolute, `..`, NUL, `.git`, too long, or not UTF-8.
    """
    shown = path if len(path) <= 200 else path[:200] + "…"  # noqa: PLR2004  # for the message only
    if "\0" in path:
        raise ToolError(f"path {shown!r}: holds a NUL character")
    if path.startswith("/"):
        raise ToolError(f"path {shown!r}: must be relative to the top of the repository")
    if len(path) > MAX_PATH_CHARS:
        raise ToolError(f"path {shown!r}: is longer than {MAX_PATH_CHARS} characters")
    parts = [part for part in path.split("/") if part not in {"", "."}]
    for part in parts:
        if part == "..":
            raise ToolError(f"path {shown!r}: must not hold '..'")
        _check_name(part, shown)
    return parts


def _check_name(name: str, path: str) -> None:
    if is_git_name(name):
        raise ToolError(f"path {path!r}: {name!r} is not yours to touch")
    try:
        encoded = name.encode("utf-8")
    except UnicodeEncodeError:
        raise ToolError(f"path {path!r}: is not valid text") from None
    if len(encoded) > MAX_NAME_BYTES:
        raise ToolError(f"path {path!r}: a name is longer than {MAX_NAME_BYTES} bytes")


class _Walk:
    """A position below the root: a stack of open folders, the root first."""

    def __init__(self, root_fd: int, path: str) -> None:
        self.folders = [os.dup(root_fd)]
        self.path = path
        self.links_left = MAX_LINKS

    def close(self) -> None:
        for fd in self.folders:
            os.close(fd)

    def follow(self, target: str) -> list[str]:
        """The components that a link's target adds to the way."""
        self.links_left -= 1
        if self.links_left < 0:
            raise ToolError(f"path {self.path!r}: too many symbolic links")
        if target.startswith("/"):
            raise ToolError(f"path {self.path!r}: a symbolic link leads outside, to {target!r}")
        return [part for part in target.split("/") if part not in {"", "."}]

    def up(self) -> None:
        if len(self.folders) == 1:
            raise ToolError(f"path {self.path!r}: a symbolic link leads outside")
        os.close(self.folders.pop())

    def down(self, name: str, *, make: bool) -> str | None:
        """Enter a folder; return the target instead when `name` is a symbolic link."""
        here = self.folders[-1]
        if make:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, dir_fd=here)
        try:
            self.folders.append(os.open(name, _FOLDER, dir_fd=here))
        except OSError as error:
            if error.errno in {errno.ELOOP, errno.ENOTDIR}:
                with contextlib.suppress(OSError):
                    return os.readlink(name, dir_fd=here)
            raise
        return None


@contextlib.contextmanager
def open_folder(root_fd: int, path: str) -> Iterator[int]:
    """A file descriptor of the folder `path` below the root."""
    with _opening(path):
        walk = _Walk(root_fd, path)
        try:
            _enter(walk, split_path(path), make=False)
            yield walk.folders[-1]
        finally:
            walk.close()


@contextlib.contextmanager
def open_file(root_fd: int, path: str, flags: int = os.O_RDONLY) -> Iterator[int]:
    """A file descriptor of the regular file `path` below the root; missing folders are made with O_CREAT.

    Raises:
        ToolError: it is not there, not a regular file, or not inside; the message names the path.
    """
    parts = split_path(path)
    if not parts:
        raise ToolError(f"path {path!r}: is the top folder, not a file")
    with _opening(path):
        walk = _Walk(root_fd, path)
        try:
            fd = _open_last(walk, parts, flags)
        finally:
            walk.close()
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise ToolError(f"path {path!r}: is not a regular file")
            yield fd
        finally:
            os.close(fd)


def _open_last(walk: _Walk, parts: list[str], flags: int) -> int:
    make = bool(flags & os.O_CREAT)
    while True:
        *folders, name = parts
        _enter(walk, folders, make=make)
        if name == "..":
            raise ToolError(f"path {walk.path!r}: is a folder")
        _check_name(name, walk.path)
        try:
            # O_NONBLOCK: opening a FIFO must not wait for its other end.
            return os.open(
                name,
                flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK,
                0o666,
                dir_fd=walk.folders[-1],
            )
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
        parts = walk.follow(os.readlink(name, dir_fd=walk.folders[-1]))
        if not parts:
            raise ToolError(f"path {walk.path!r}: is a folder")


def _enter(walk: _Walk, parts: list[str], *, make: bool) -> None:
    todo = parts[::-1]
    while todo:
        name = todo.pop()
        if name == "..":
            walk.up()
            continue
        _check_name(name, walk.path)
        target = walk.down(name, make=make)
        if target is not None:
            todo += walk.follow(target)[::-1]


@contextlib.contextmanager
def _opening(path: str) -> Iterator[None]:
    """Say which path an operating system error was about."""
    try:
        yield
    except OSError as error:
        raise ToolError(f"path {path!r}: {os.strerror(error.errno or 0).lower()}") from None
