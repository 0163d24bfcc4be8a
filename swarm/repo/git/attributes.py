"""Which files git would not merge as text: `merge-tree` in a bare repository reads no .gitattributes."""

import os
import tempfile
from collections.abc import Collection
from pathlib import Path

from swarm.repo.git.command import Git
from swarm.repo.git.tree import read_blobs
from swarm.repo.git.workbench import Workbench

_NAME = b".gitattributes"
_AS_TEXT = {b"unspecified", b"set", b"text", b"union"}
"""Values of `merge`. What `union` would put one after the other is a conflict, as in any text."""


def find_kept_whole(bench: Workbench, tree: str, paths: Collection[bytes]) -> set[bytes]:
    """Those of the paths that `-merge`, `binary` or `merge=<a driver>` says are no text.

    Args:
        bench: looks for the attributes; it costs no process where there are none.
        tree: whose .gitattributes count: the side that is merged onto, as where git merges in a checkout.
        paths: in the tree, or to be there.

    Raises:
        GitError: git could not be asked.
    """
    above = {path[: at + 1] for path in paths for at, letter in enumerate(path) if letter == ord("/")}
    names = [folder + _NAME for folder in (b"", *above) if b"\n" not in folder]
    found = [(name, oid) for name in names if (oid := bench.find_file(tree, name))]
    if not found:
        return set()
    with tempfile.TemporaryDirectory(prefix="swarm-attributes-") as folder:
        # As files: from an index git takes a byte order mark for part of the first pattern.
        for (name, _), content in zip(found, read_blobs(bench.git, [oid for _, oid in found]), strict=True):
            copy = Path(folder, os.fsdecode(name))
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(content)
        git = Git.at(bench.repository, work_tree=Path(folder))
        asked = b"".join(path + b"\0" for path in paths)
        said = git.run("check-attr", "-z", "--stdin", "merge", stdin=asked).split(b"\0")
    return {path for path, value in zip(said[::3], said[2::3], strict=False) if value not in _AS_TEXT}
