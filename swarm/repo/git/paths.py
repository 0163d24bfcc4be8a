"""Which path names and symbolic links may land in a repository."""

import os
from collections.abc import Collection, Iterable, Mapping

from swarm.plan.scope import name_fault
from swarm.sandbox.git_names import is_git_name

MAX_PATH_BYTES = 3_500
"""Systems have room for 4,096, and whoever checks it out has folders above it."""

MAX_LINK_HOPS = 40  # as Linux resolves them
_MAX_ARGUMENTS = 100_000
"""Bytes of a command line that are spent on paths; Linux takes some 2 million, of which it counts more."""


def fitting(paths: Iterable[bytes]) -> list[bytes]:
    """The first of these, as many as a command line takes."""
    found, left = [], _MAX_ARGUMENTS
    for path in paths:
        left -= len(path) + 1
        if left < 0:
            break
        found.append(path)
    return found


def newly_escaping(before: Mapping[bytes, bytes], after: Mapping[bytes, bytes]) -> list[bytes]:
    """The links whose target lies outside the tree, inside `.git`, or nowhere, and did not before.

    A link that is the same may lead elsewhere when one on its way has changed, or become a folder.

    Args:
        before: every symbolic link that a tree had -> its target.
        after: every one that it has.
    """
    outward = _escaping(after, after)
    known = _escaping(before, [path for path in outward if before.get(path) == after[path]])
    return [path for path in outward if path not in known]


def _escaping(links: Mapping[bytes, bytes], some: Collection[bytes]) -> list[bytes]:
    return sorted(path for path in some if not _stays_inside(path, links))


def _stays_inside(link: bytes, links: Mapping[bytes, bytes]) -> bool:
    reached = link.split(b"/")[:-1]
    ahead = _steps(links[link])
    hops = 1
    while ahead:
        step = ahead.pop()
        if step == b"..":
            if not reached:
                return False
            reached.pop()
            continue
        if is_git_name(os.fsdecode(step)) or step == b"/":
            return False
        reached.append(step)
        target = links.get(b"/".join(reached))
        if target is None:
            continue
        hops += 1
        if hops > MAX_LINK_HOPS:
            return False
        reached.pop()
        ahead.extend(_steps(target))
    return True


def _steps(target: bytes) -> list[bytes]:
    """A target's components, last first; `/` leads an absolute one."""
    steps = [part for part in target.split(b"/") if part not in {b"", b"."}]
    if target.startswith(b"/") or not target:
        steps.insert(0, b"/")
    return steps[::-1]


def quote_path(path: bytes) -> bytes:
    """A path as `git fast-import` reads it: C-quoted, whatever bytes it holds."""
    return b'"' + b"".join(_QUOTED[byte] for byte in path) + b'"'


_QUOTED = [
    bytes([byte])
    if chr(byte).isascii() and chr(byte).isprintable() and byte not in b'"\\'
    else b"\\%03o" % byte
    for byte in range(256)
]


def spelling_fault(path: bytes) -> str:
    """Why a path of this spelling may never land, whatever the scope; empty when it may."""
    try:
        fault = name_fault(path.decode())
    except UnicodeDecodeError:
        return "name is not UTF-8"
    if len(path) > MAX_PATH_BYTES:
        return f"path longer than {MAX_PATH_BYTES} bytes"
    return f"name with {fault}" if fault else ""


def shown(path: bytes) -> str:
    r"""A path for people: what is not UTF-8 or cannot be seen is escaped, such as `\xff` and `\u202e`."""
    text = path.decode("utf-8", "backslashreplace")
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text
    )
