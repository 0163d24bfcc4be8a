"""What a patch does not show: files that git takes for binary."""

from collections.abc import Iterable
from typing import NamedTuple

from swarm.repo.git.command import Git
from swarm.repo.git.tree import ABSENT, read_changes

_BINARY = b"-\t-\t"
"""How `--numstat` counts the lines of a file that has none."""


class Unseen(NamedTuple):
    """A file that changed, and of which a patch shows nothing but that."""

    path: str
    before: int  # bytes; 0 where it was not there
    after: int  # 0 where it is gone


def unseen_in_patch(git: Git, old: str, new: str, paths: Iterable[bytes] = ()) -> tuple[Unseen, ...]:
    """The changed files that git takes for binary, by content or by an attribute; none that only moved.

    Of these paths, or of all.
    """
    options = ("-r", "-z", "--numstat", "--no-renames", "--no-ext-diff", "--no-textconv")
    counted = git.run("--literal-pathspecs", "diff-tree", *options, old, new, "--", *paths).split(b"\0")
    binary = {line.removeprefix(_BINARY) for line in counted if line.startswith(_BINARY)}
    changes = [change for change in read_changes(git, old, new) if change.path in binary] if binary else []
    gone = {change.old_oid for change in changes if change.new_mode == ABSENT}
    come = {change.new_oid for change in changes if change.old_mode == ABSENT}
    found = [one for one in changes if not {one.old_oid, one.new_oid} & gone & come]
    asked = "".join(f"{one.old_oid}\n{one.new_oid}\n" for one in found)
    said = git.run("cat-file", "--batch-check=%(objectsize)", stdin=asked.encode()).decode() if asked else ""
    sizes = [int(line) if line.isdigit() else 0 for line in said.splitlines()]  # of what is absent: `missing`
    return tuple(
        Unseen(one.path.decode("utf-8", "replace"), before, after)
        for one, before, after in zip(found, sizes[::2], sizes[1::2], strict=True)
    )
