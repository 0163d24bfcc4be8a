"""The file tools: read, write, edit, list and search below one folder, within bounds.

Every function takes the open root folder first; what they refuse they refuse with a `ToolError`
that names the value. Text is UTF-8; line ends are kept as they are.
"""

import os
import re
import signal
import types
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from .git_names import is_git_name
from .paths import open_file, open_folder
from .protocol import ToolError

MAX_READ_BYTES = 256 * 1024
MAX_EDIT_BYTES = 4 * 1024 * 1024
MAX_LISTED = 2000
MAX_MATCHES = 200
MAX_LINE_CHARS = 300
SEARCH_LIMIT_S = 5.0


class _TimeIsUpError(Exception):
    """A search took too long. Not a TimeoutError: that is an OSError, which other code handles."""


def read_file(root_fd: int, path: str) -> str:
    """The text of a file of at most 256 KiB."""
    with open_file(root_fd, path) as fd:
        return _text(fd, path, MAX_READ_BYTES)


def write_file(root_fd: int, path: str, content: str) -> str:
    """Make or replace a file, with the folders above it; says what was written."""
    data = _encoded(content, path)
    with open_file(root_fd, path, os.O_WRONLY | os.O_CREAT) as fd:
        _replace(fd, data)
    return f"wrote {len(data)} bytes to {path}"


def edit_file(root_fd: int, path: str, old: str, new: str) -> str:
    """Replace the one place where `old` stands; refuses when there is none, or more than one."""
    if not old:
        raise ToolError("old must not be empty")
    with open_file(root_fd, path, os.O_RDWR) as fd:
        text = _text(fd, path, MAX_EDIT_BYTES)
        found = text.count(old)
        if found != 1:
            raise ToolError(f"old occurs {found} times in {path!r}; it must occur exactly once")
        _replace(fd, _encoded(text.replace(old, new), path))
    return f"edited {path}"


def list_files(root_fd: int, path: str = ".") -> str:
    """Files below a folder, one a line, nearest first; at most 2,000, `.git` and links not entered."""
    listed: list[str] = []
    for name in _walk(root_fd, path):
        if len(listed) == MAX_LISTED:
            listed.append(f"[more than {MAX_LISTED} files; list a folder further down]")
            break
        listed.append(_shown(name))
    return "\n".join(listed) if listed else "[no files]"


def search_files(root_fd: int, pattern: str, path: str = ".") -> str:
    """Lines that match a regular expression, as `path:line: text`; at most 200, within 5 seconds."""
    try:
        regex = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ToolError(f"pattern {pattern!r} is not a regular expression: {error}") from None
    search = _Search(regex)
    try:
        with _time_limit(SEARCH_LIMIT_S):
            for name in _names_to_search(root_fd, path):
                search.look_into(root_fd, name)
                if len(search.matches) >= MAX_MATCHES:
                    search.matches.append(
                        f"[stopped after {MAX_MATCHES} matches; narrow the pattern or path]"
                    )
                    break
    except _TimeIsUpError:
        search.matches.append(f"[stopped after {SEARCH_LIMIT_S:.0f} seconds; narrow the pattern or path]")
    return "\n".join(search.matches) if search.matches else "[no match]"


class _Search:
    def __init__(self, regex: re.Pattern[str]) -> None:
        self.regex = regex
        self.matches: list[str] = []

    def look_into(self, root_fd: int, name: str) -> None:
        """Add the matching lines of one file; skips what is not text, too large or gone."""
        with suppress(ToolError), open_file(root_fd, name) as fd:
            for number, line in enumerate(_text(fd, name, MAX_EDIT_BYTES).splitlines(), 1):
                if len(self.matches) >= MAX_MATCHES:
                    return
                if self.regex.search(line):
                    self.matches.append(f"{_shown(name)}:{number}: {line[:MAX_LINE_CHARS]}")


def _names_to_search(root_fd: int, path: str) -> Iterator[str]:
    """The file itself, or the files below the folder."""
    try:
        with open_file(root_fd, path):
            pass
    except ToolError:
        yield from _walk(root_fd, path)
        return
    yield path


def _walk(root_fd: int, path: str) -> Iterator[str]:
    """Regular files and links below a folder, breadth first, sorted within each folder."""
    top = "" if path in {"", "."} else path.rstrip("/") + "/"
    todo = deque([top])
    is_first = True
    while todo:
        folder = todo.popleft()
        try:
            with open_folder(root_fd, folder or ".") as fd, os.scandir(fd) as entries:
                found = sorted((e.name, e.is_dir(follow_symlinks=False)) for e in entries)
        except ToolError:
            if is_first:
                raise
            continue
        is_first = False
        for name, is_folder in found:
            if is_git_name(name):
                continue
            if is_folder:
                todo.append(f"{folder}{name}/")
            else:
                yield folder + name


def _text(fd: int, path: str, limit_bytes: int) -> str:
    size = os.fstat(fd).st_size
    if size > limit_bytes:
        raise ToolError(f"path {path!r}: has {size} bytes, more than {limit_bytes}; use search_files")
    with open(fd, "rb", closefd=False) as file:
        data = file.read(limit_bytes + 1)
    if len(data) > limit_bytes:
        raise ToolError(f"path {path!r}: has more than {limit_bytes} bytes; use search_files")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise ToolError(f"path {path!r}: is not UTF-8 text ({size} bytes)")
    return text


def _encoded(text: str, path: str) -> bytes:
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError:
        raise ToolError(f"path {path!r}: content is not valid text") from None
    if len(data) > MAX_EDIT_BYTES:
        raise ToolError(f"path {path!r}: {len(data)} bytes are more than {MAX_EDIT_BYTES}")
    return data


def _replace(fd: int, data: bytes) -> None:
    if os.fstat(fd).st_nlink > 1:
        raise ToolError("the file has other names (hard links); it is not changed through one of them")
    os.ftruncate(fd, 0)
    os.lseek(fd, 0, os.SEEK_SET)
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _shown(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raise `_TimeIsUpError` in here after some seconds; Python's regex engine checks for signals."""

    def stop(_signal: int, _frame: types.FrameType | None) -> None:
        raise _TimeIsUpError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
