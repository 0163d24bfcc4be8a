"""What a commit's tree holds, and how two trees differ: read as bytes, by ids only."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from swarm.repo.git.command import Git

SYMLINK = "120000"
GITLINK = "160000"
EXECUTABLE = "100755"
REGULAR = "100644"
ABSENT = "000000"

PATHS_A_CALL = 400
"""On a command line: what a system takes there is bounded."""

DIFF_OPTIONS = (
    "-r", "-z", "--raw", "--no-renames", "--no-abbrev", "--no-ext-diff",
    "--no-textconv", "--ignore-submodules=none",
)  # fmt: skip
"""Of `diff-tree`: every path by its bytes, and no program of the repository's choice."""

_NUL_WITHIN = 8000
"""git takes a file for binary that has a NUL this early."""
_RECORD = re.compile(r"([0-7]+) ([a-z]+) ([0-9a-f]+)\t([^\0]+)\0")
"""Of `ls-tree -z`."""


class TreeEntry(NamedTuple):
    """A file, symbolic link or submodule in a tree."""

    mode: str
    oid: str


@dataclass(frozen=True, slots=True)
class TreeChange:
    """One path that two trees disagree about; a move is a deletion and an addition."""

    path: bytes
    old_mode: str
    new_mode: str
    old_oid: str
    new_oid: str


def read_tree(git: Git, revision: str) -> dict[bytes, TreeEntry]:
    """Every entry of a tree, recursively: path -> entry."""
    return decode_entries(list_tree(git, revision))


def list_tree(git: Git, revision: str) -> bytes:
    """The same as git says it, for `decode_entries`."""
    return git.run("ls-tree", "-r", "-z", "--full-tree", revision)


def read_entries(git: Git, revision: str, paths: Sequence[bytes]) -> dict[bytes, TreeEntry]:
    """The files, links and submodules at these paths in a tree; other paths are left out."""
    entries: dict[bytes, TreeEntry] = {}
    for start in range(0, len(paths), PATHS_A_CALL):
        some = paths[start : start + PATHS_A_CALL]
        listing = git.run("--literal-pathspecs", "ls-tree", "-z", "--full-tree", revision, "--", *some)
        entries |= decode_entries(listing)
    return entries


def decode_entries(listing: bytes) -> dict[bytes, TreeEntry]:
    """The entries of a listing: path -> entry."""
    # As Latin-1 each byte is a character: one pass over thousands of lines, and paths come out as they were.
    records = _RECORD.findall(listing.decode("latin-1"))
    return {
        path.encode("latin-1"): TreeEntry(mode, oid) for mode, kind, oid, path in records if kind != "tree"
    }


def read_changes(git: Git, old: str, new: str) -> list[TreeChange]:
    """What has to change in one tree, or a commit's, to become another one."""
    fields = git.run("diff-tree", *DIFF_OPTIONS, old, new).split(b"\0")[:-1]
    return [decode_change(meta, path) for meta, path in zip(fields[::2], fields[1::2], strict=True)]


def read_moves(git: Git, old: str, new: str) -> dict[bytes, bytes]:
    """Where each file of `old` is in `new` of which git says that it was moved: those that are half alike."""
    fields = git.run("diff-tree", "-r", "-M", "-z", "--diff-filter=R", "--name-status", old, new).split(b"\0")
    return dict(zip(fields[1::3], fields[2::3], strict=False))


def decode_change(meta: bytes, path: bytes) -> TreeChange:
    """One record of `diff-tree --raw -z`."""
    old_mode, new_mode, old_oid, new_oid, _ = meta.decode().lstrip(":").split(" ")
    return TreeChange(path, old_mode, new_mode, old_oid, new_oid)


def read_links(git: Git, entries: dict[bytes, TreeEntry]) -> dict[bytes, bytes]:
    """The symbolic links among the entries -> their targets."""
    links = [(path, entry.oid) for path, entry in entries.items() if entry.mode == SYMLINK]
    targets = read_blobs(git, [oid for _, oid in links])
    return {path: target for (path, _), target in zip(links, targets, strict=True)}


def read_blobs(git: Git, oids: list[str]) -> list[bytes]:
    """The contents of many small blobs, in order, by one git process."""
    if not oids:
        return []
    said = git.run("cat-file", "--batch", stdin="".join(f"{oid}\n" for oid in oids).encode())
    contents = []
    start = 0
    for _ in oids:  # by places: to cut off what was read would copy all the rest, once for each
        end = said.index(b"\n", start)
        size = int(said[start:end].rsplit(b" ", 1)[1])
        contents.append(said[end + 1 : end + 1 + size])
        start = end + size + 2
    return contents


def is_binary(content: bytes) -> bool:
    """It is no text, as git would have it."""
    return b"\0" in content[:_NUL_WITHIN]
