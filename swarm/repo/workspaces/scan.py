"""Looking at a tree that an untrusted process wrote, without following, opening or running anything of it.

Every component is opened relative to its folder with O_NOFOLLOW, so a link that is swapped in while
we look leads nowhere. No git runs here: with an agent's `.git/config` in reach it would obey it.
"""

import contextlib
import os
import stat
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from swarm.sandbox.git_names import is_git_name

MAX_DEPTH = 256
_READ_TRIES = 3
_ENCODING = sys.getfilesystemencoding()
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Stamp(NamedTuple):
    """What changes when a file is written, replaced, or given another mode."""

    mode: int
    size: int
    mtime_ns: int
    ctime_ns: int = 0  # 0 of a file that was only heard of: it is in no copy before that is made
    inode: int = 0  # the same

    def describes(self, other: "Stamp") -> bool:
        """Nothing speaks for another file or another content."""
        return self == other or (not self.inode and self[:3] == other[:3])


class UnstableFileError(Exception):
    """A file kept changing while it was read, or is no longer what it was."""


@dataclass
class Survey:
    """What a walk found."""

    found: dict[bytes, Stamp] = field(default_factory=dict)  # files and symbolic links
    refused: dict[bytes, str] = field(default_factory=dict)  # path -> why it may never land
    skipped: set[bytes] = field(default_factory=set)  # submodules that are still folders
    untouched: Collection[bytes] = ()  # folders that were not looked into


def stamp_of(status: os.stat_result) -> Stamp:
    """The stamp in a stat result."""
    return Stamp(status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def survey_tree(
    root_fd: int,
    *,
    tracked_folders: Collection[bytes],
    submodules: Collection[bytes],
    choose: Callable[[list[bytes]], list[bytes]],
    untouched: Collection[bytes] = (),
) -> Survey:
    """Walk a tree.

    Args:
        root_fd: the tree's folder.
        tracked_folders: folders that are walked in any case.
        submodules: folders that are not looked into.
        choose: gets all other folders, level by level, and returns those worth walking.
        untouched: folders that are not looked into either: what is there is known.
    """
    survey = Survey(untouched=untouched)
    unknown = _scan(root_fd, b"", survey, tracked_folders, submodules)
    while unknown:
        chosen, unknown = choose(unknown), []
        for folder in chosen:
            with _opened(root_fd, folder, survey) as folder_fd:
                if folder_fd is not None:
                    unknown += _scan(folder_fd, folder + b"/", survey, (), submodules)
    return survey


def snapshot_tree(tree: Path) -> dict[bytes, Stamp]:
    """The stamps of every file and link of a checkout that nobody has written to yet."""
    root_fd = os.open(tree, _FOLDER)
    try:
        return survey_tree(root_fd, tracked_folders=(), submodules=(), choose=list).found
    finally:
        os.close(root_fd)


def open_folder(tree: Path) -> int:
    """A descriptor of the tree's folder, which is not a link."""
    return os.open(tree, _FOLDER)


def read_file(root_fd: int, path: bytes) -> bytes:
    """A regular file's content, or a link's target, as one consistent state.

    Raises:
        UnstableFileError: it changed each time it was read, or vanished, or is something else now.
    """
    with contextlib.suppress(OSError):
        for _ in range(_READ_TRIES):
            content = _read_once(root_fd, path)
            if content is not None:
                return content
    raise UnstableFileError(os.fsdecode(path))


def _read_once(root_fd: int, path: bytes) -> bytes | None:
    folder, _, name = path.rpartition(b"/")
    folder_fd = open_beneath(root_fd, folder)
    try:
        if stat.S_ISLNK(os.stat(name, dir_fd=folder_fd, follow_symlinks=False).st_mode):
            return os.readlink(name, dir_fd=folder_fd)
        with os.fdopen(os.open(name, _FILE, dir_fd=folder_fd), "rb") as file:
            before = os.fstat(file.fileno())
            if not stat.S_ISREG(before.st_mode):
                return None
            content = file.read(before.st_size + 1)
            after = os.fstat(file.fileno())
        is_whole = stamp_of(before) == stamp_of(after) and len(content) == before.st_size
        return content if is_whole else None
    finally:
        os.close(folder_fd)


def _scan(
    folder_fd: int,
    prefix: bytes,
    survey: Survey,
    tracked_folders: Collection[bytes],
    submodules: Collection[bytes],
) -> list[bytes]:
    """Record one folder and the tracked ones below it; return the folders that were not entered."""
    unknown: list[bytes] = []
    with os.scandir(folder_fd) as entries:
        for entry in sorted(entries, key=attrgetter("name")):
            name = entry.name.encode(_ENCODING, "surrogateescape")  # `os.fsencode`, thousands of times
            path = prefix + name
            if path == b".git":
                continue  # the workspace's own; its content is never read
            if is_git_name(entry.name):
                survey.refused[path] = "git data may not be nested"
            elif not entry.is_dir(follow_symlinks=False):
                _record(path, entry.stat(follow_symlinks=False), survey, submodules)
            elif path in survey.untouched:
                continue
            elif path in submodules:
                survey.skipped.add(path)
            elif path not in tracked_folders:
                unknown.append(path)
            else:
                with _opened(folder_fd, name, survey, shown_as=path) as child_fd:
                    if child_fd is not None:
                        unknown += _scan(child_fd, path + b"/", survey, tracked_folders, submodules)
    return unknown


def _record(path: bytes, status: os.stat_result, survey: Survey, submodules: Collection[bytes]) -> None:
    if path in submodules:
        survey.refused[path] = "replaces a submodule"
    elif stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode):
        survey.found[path] = stamp_of(status)
    else:
        survey.refused[path] = "is a device, a pipe or a socket"


@contextlib.contextmanager
def _opened(
    base_fd: int, path: bytes, survey: Survey, *, shown_as: bytes | None = None
) -> Iterator[int | None]:
    """A descriptor of the folder at `path`, or None, which is then recorded as refused."""
    shown_as = shown_as or path
    if shown_as.count(b"/") >= MAX_DEPTH:
        survey.refused[shown_as] = f"is nested deeper than {MAX_DEPTH} folders"
        yield None
        return
    try:
        folder_fd = open_beneath(base_fd, path)
    except OSError as error:
        survey.refused[shown_as] = f"cannot be opened: {error.strerror}"
        yield None
        return
    try:
        yield folder_fd
    finally:
        os.close(folder_fd)


def open_beneath(base_fd: int, path: bytes) -> int:
    """Open the folder at `path`, one component at a time, following no link."""
    folder_fd = os.dup(base_fd)
    for name in filter(None, path.split(b"/")):
        try:
            deeper_fd = os.open(name, _FOLDER, dir_fd=folder_fd)
        finally:
            os.close(folder_fd)
        folder_fd = deeper_fd
    return folder_fd
