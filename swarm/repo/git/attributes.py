"""Which files git would not merge as text: `merge-tree` in a bare repository reads no .gitattributes."""

import tempfile
from collections.abc import Collection
from pathlib import Path

from swarm.repo.git.checked_names import index_into
from swarm.repo.git.tree import REGULAR
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
    entries = [(REGULAR, oid, name) for name in names if (oid := bench.find_file(tree, name))]
    if not entries:
        return set()
    with tempfile.TemporaryDirectory(prefix="swarm-attributes-") as folder:
        index = Path(folder) / "index"
        index_into(bench.git, entries, index)
        said = bench.git.run(
            "check-attr", "--cached", "-z", "--stdin", "merge",
            stdin=b"".join(path + b"\0" for path in paths),
            env={"GIT_INDEX_FILE": str(index)},
        ).split(b"\0")  # fmt: skip
    return {path for path, value in zip(said[::3], said[2::3], strict=False) if value not in _AS_TEXT}
