"""Which paths git would not check out: it knows what file systems take for `.git` or `.gitmodules`."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

from swarm.repo.git.command import Git, GitError

_STRICT = ("-c", "core.protectHFS=true", "-c", "core.protectNTFS=true")
_IGNORES = b"Ignoring path "
_ANY = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
"""Whatever is there: only modes and names are looked at."""


def refused_names(git: Git, named: Iterable[tuple[str, bytes]]) -> list[bytes]:
    """Of paths with their modes, none with a line feed: those that git leaves out of an index.

    It says so and succeeds, so that a checkout from such an index would be another tree.
    """
    with tempfile.TemporaryDirectory(prefix="swarm-names-") as folder:
        return index_into(git, ((mode, _ANY, path) for mode, path in named), Path(folder) / "index")


def index_into(git: Git, entries: Iterable[tuple[str, str, bytes]], index: Path) -> list[bytes]:
    """Put entries (mode, object id, path) into an index file; returns the paths that git has left out.

    Raises:
        GitError: it did not work.
    """
    lines = b"".join(f"{mode} {oid}\t".encode() + path + b"\0" for mode, oid, path in entries)
    arguments = (*_STRICT, "update-index", "-z", "--index-info")
    answer = git.ask(*arguments, stdin=lines, env={"GIT_INDEX_FILE": str(index)})
    if not answer.succeeded:
        raise GitError(("git", *arguments), answer.exit_code, answer.stderr)
    said = answer.stderr.split(b"\n")
    return [line.removeprefix(_IGNORES) for line in said if line.startswith(_IGNORES)]
