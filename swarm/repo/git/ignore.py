"""Which untracked files of a workspace are artefacts: by the base commit's .gitignore files.

git is asked in a folder that holds copies of those files and nothing else; the agent's own edits of
.gitignore count for nothing.
"""

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

from swarm.repo.git.command import Git, GitError
from swarm.repo.git.tree import EXECUTABLE, REGULAR, TreeEntry, read_blobs

ARTEFACTS = (
    "__pycache__/",
    "*.py[co]",
    ".pytest_cache/",
    ".mypy_cache/",
    ".ruff_cache/",
    ".hypothesis/",
    ".coverage",
    "node_modules/",
)
"""Ignored in every repository, unless its own .gitignore says otherwise."""


def is_cache(path: bytes) -> bool:
    """A path is, or is in, what nobody misses; a folder's path may end in `/`."""
    names = os.fsdecode(path).rstrip("/").split("/")
    return any(fnmatchcase(name, pattern.rstrip("/")) for name in names for pattern in ARTEFACTS)


class IgnoreRules:
    """The ignore rules of one commit; valid inside `ignore_rules`."""

    def __init__(self, git: Git, defaults: Path) -> None:
        self._git = git
        self._defaults = defaults

    def ignored(self, paths: Iterable[bytes]) -> set[bytes]:
        """Those of the paths that are ignored; a folder's path ends in `/`."""
        stdin = b"".join(b"./" + path + b"\0" for path in paths)  # `./`: no name passes for pathspec magic
        if not stdin:
            return set()
        arguments = (
            "-c",
            f"core.excludesFile={self._defaults}",
            "check-ignore",
            "--no-index",
            "-z",
            "--stdin",
        )
        answer = self._git.ask(*arguments, stdin=stdin)
        if answer.exit_code not in {0, 1}:  # 1: none is ignored
            raise GitError(("git", *arguments), answer.exit_code, answer.stderr)
        return {path.removeprefix(b"./") for path in answer.stdout.split(b"\0")[:-1]}


@contextmanager
def ignore_rules(git_dir: Path, entries: dict[bytes, TreeEntry]) -> Iterator[IgnoreRules]:
    """Lay out the .gitignore files of a tree, for git to read."""
    with tempfile.TemporaryDirectory(prefix="swarm-ignore-") as made:
        work_tree = Path(made, "tree")
        work_tree.mkdir()
        defaults = Path(made, "defaults")
        defaults.write_text("\n".join(ARTEFACTS) + "\n")
        rules = [
            (path, entry.oid)
            for path, entry in entries.items()
            if path.rpartition(b"/")[2] == b".gitignore" and entry.mode in {REGULAR, EXECUTABLE}
        ]
        contents = read_blobs(Git.at(git_dir), [oid for _, oid in rules])
        for (path, _), content in zip(rules, contents, strict=True):
            copy = work_tree / os.fsdecode(path)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(content)
        yield IgnoreRules(Git.at(git_dir, work_tree=work_tree), defaults)
