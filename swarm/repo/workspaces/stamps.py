"""The stamps of a template as bytes: what every checkout of it shows, found out once.

They stay bytes until an attempt is taken: most of what they tell is asked for once, and thousands of them
take longer to decode than an overlay to mount.
"""

import struct
from itertools import starmap

from swarm.repo.workspaces.scan import Stamp

_STAMP = struct.Struct("<IQqqQ")
"""As a `Stamp`: mode, size, mtime and ctime in nanoseconds, inode."""
_OF_A_COPY = struct.Struct("<IQq16x")
"""The same without ctime and inode, which a copy has of its own."""


def encode_stamps(stamps: dict[bytes, Stamp]) -> bytes:
    """The stamps of a tree: their number, all paths with a NUL each, then the stamps in that order."""
    names = b"".join(name + b"\0" for name in stamps)
    packed = b"".join(_STAMP.pack(*stamp) for stamp in stamps.values())
    return len(stamps).to_bytes(8, "little") + names + packed


def decode_stamps(content: bytes, *, is_copy: bool = False) -> dict[bytes, Stamp]:
    """The stamps of a template's overlay, or of a copy of it: path -> stamp."""
    count = int.from_bytes(content[:8], "little")
    start = len(content) - count * _STAMP.size
    names = content[8:start].split(b"\0")[:-1]
    layout = _OF_A_COPY if is_copy else _STAMP
    return dict(zip(names, starmap(Stamp, layout.iter_unpack(memoryview(content)[start:])), strict=True))
