"""A template's stamps in a file: what every overlay of it shows, found out once."""

import struct
from pathlib import Path

from swarm.repo.workspaces.scan import Stamp

_STAMP = struct.Struct("<IQqqQ")
"""As a `Stamp`: mode, size, mtime and ctime in nanoseconds, inode."""


def write_stamps(path: Path, stamps: dict[bytes, Stamp]) -> None:
    """Store the stamps of a tree: their number, all paths with a NUL each, then the stamps in that order."""
    names = b"".join(name + b"\0" for name in stamps)
    packed = b"".join(_STAMP.pack(*stamp) for stamp in stamps.values())
    path.write_bytes(len(stamps).to_bytes(8, "little") + names + packed)


def read_stamps(path: Path) -> dict[bytes, Stamp]:
    """Read what `write_stamps` stored."""
    content = path.read_bytes()
    count = int.from_bytes(content[:8], "little")
    start = len(content) - count * _STAMP.size
    names = content[8:start].split(b"\0")[:-1]
    return dict(zip(names, map(Stamp._make, _STAMP.iter_unpack(content[start:])), strict=True))
