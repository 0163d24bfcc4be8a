"""Files that a stop at any instruction leaves whole: replaced in one step, or appended to and mended."""

import os
from collections.abc import Iterable
from pathlib import Path

TEXT = {"encoding": "utf-8", "errors": "surrogateescape", "newline": "\n"}
"""How archived text is written: names that are no UTF-8 come back as they were."""

_TAIL = 65_536


def write_whole(path: Path, pieces: Iterable[str]) -> None:
    """Put a file in place of another, or of none: readers see one of the two, also after a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    with new.open("w", **TEXT) as file:  # type: ignore[call-overload]  # the stub wants each keyword by itself
        file.writelines(pieces)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    _sync_folder(path.parent)


def append(path: Path, lines: Iterable[str]) -> None:
    """Add lines to the end of a file; they are on disk when this returns."""
    is_new = not path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", **TEXT) as file:  # type: ignore[call-overload]  # as above
        file.writelines(f"{line}\n" for line in lines)
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        _sync_folder(path.parent)


def read_lines(path: Path) -> list[str]:
    """All whole lines of a file; none when it is not there."""
    try:
        with path.open(**TEXT) as file:  # type: ignore[call-overload]  # as above
            return [line.removesuffix("\n") for line in file if line.endswith("\n")]
    except FileNotFoundError:
        return []


def mend(path: Path) -> str:
    """Cut off a last line that a stop left torn; returns the last whole one, empty when there is none."""
    try:
        file = path.open("r+b")
    except FileNotFoundError:
        return ""
    with file:
        size = file.seek(0, os.SEEK_END)
        tail, start = b"", size
        # Until the tail holds the whole of the last whole line: a line feed before it, and one at its end.
        while start > 0 and tail.count(b"\n") < 2:  # noqa: PLR2004  # those two
            start = max(0, start - _TAIL)
            file.seek(start)
            tail = file.read(size - start)
        whole, _, torn = tail.rpartition(b"\n")
        if torn:
            file.truncate(size - len(torn))
    return whole.rpartition(b"\n")[2].decode("utf-8", "surrogateescape")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
