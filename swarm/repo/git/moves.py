"""Merging, with what git's `merge-tree` gets wrong: moves that nobody has made, and files that are no text.

Its guess of a move counts only where one commit has moved the file.

git compares two trees, and takes a file that has gone and another that has come for one that was moved, if
they are much alike. With several tasks' changes between the trees these may have nothing to do with each
other: an edit of the one would land in the other, which its task has never seen.
"""

from collections import Counter
from collections.abc import Sequence

from swarm.repo.git.attributes import find_kept_whole
from swarm.repo.git.command import Git
from swarm.repo.git.merge import Conflict, Merged
from swarm.repo.git.tree import ABSENT, TreeChange, read_entries, read_moves
from swarm.repo.git.workbench import Workbench


def merge_moved(bench: Workbench, ours: str, theirs: str, *, base: str) -> Merged | Conflict:
    """Merge two commits. What one side edits and the other moves is edited where it is now.

    Args:
        bench: merges and compares.
        ours: a commit.
        theirs: another.
        base: the commit that both began with.

    Returns:
        As `Workbench.merge`; but where git has guessed a move that nobody has made, a conflict: one side
        edits what the other removes. And where both have changed what `ours` says is not merged as text.

    Raises:
        GitError: git could not even try.
    """
    merged = bench.merge(ours, theirs)
    before, mine, other = (bench.tree_of(each) for each in (base, ours, theirs))
    meant = bench.changes(before, other)
    brought = bench.changes(mine, merged.tree) if isinstance(merged, Merged) else []
    if isinstance(merged, Merged) and brought == meant:
        return merged  # no path was touched by both
    done = bench.changes(before, mine)
    result = merged.tree if isinstance(merged, Merged) else ""
    guessed = _guessed(bench, base, ours, done, meant, result=result)
    guessed |= _guessed(bench, base, theirs, meant, done, result=result)
    mixed = _mixed(done, meant, brought)
    whole = find_kept_whole(bench, mine, mixed) if mixed else set()
    known = merged if isinstance(merged, Conflict) else Conflict((), "")
    why = dict.fromkeys(whole, "content): {} was changed on both sides, and is no text by .gitattributes")
    why |= dict.fromkeys(guessed, "modify/delete): {} was changed on one side, and removed on the other")
    said = {path.decode("utf-8", "surrogateescape"): f"CONFLICT ({words}" for path, words in why.items()}
    paths = sorted(said.keys() - {*known.paths})
    if not paths:
        return merged
    lines = [said[path].format(path) for path in paths]
    return Conflict((*paths, *known.paths), "\n".join([*lines, known.evidence]))


def find_followed(bench: Workbench, ours: str, theirs: str, *, base: str) -> dict[bytes, bytes]:
    """What `theirs` edits and a commit of `ours` has moved -> where it is now, and `merge_moved` edits it.

    Empty where they conflict. The arguments are those of `merge_moved`.
    """
    if isinstance(merge_moved(bench, ours, theirs, base=base), Conflict):
        return {}
    before, mine, other = (bench.tree_of(each) for each in (base, ours, theirs))
    gone = {change.path for change in bench.changes(before, mine) if change.new_mode == ABSENT}
    places = {
        path: _place_of(bench.git, path, base, ours) for path in sorted(gone & _edited(bench, before, other))
    }
    return {path: place for path, place in places.items() if place}


def _edited(bench: Workbench, before: str, after: str) -> set[bytes]:
    """The paths that are in both trees, and not the same."""
    return {
        change.path
        for change in bench.changes(before, after)
        if ABSENT not in {change.old_mode, change.new_mode}
    }


def _mixed(
    done: Sequence[TreeChange], meant: Sequence[TreeChange], brought: Sequence[TreeChange]
) -> set[bytes]:
    """The paths whose content both sides have changed, each otherwise, under whatever name it is now."""
    mine = {change.path: change.new_oid for change in done if change.new_mode != ABSENT}
    both = {
        change.path
        for change in meant
        if change.new_mode != ABSENT
        and mine.get(change.path, change.old_oid) not in {change.old_oid, change.new_oid}
        and change.old_oid != change.new_oid
    }
    known = {change.new_oid for change in meant}
    return both | {change.path for change in brought if change.new_oid not in known}


def _guessed(
    bench: Workbench,
    base: str,
    side: str,
    changed: Sequence[TreeChange],
    by_other: Sequence[TreeChange],
    *,
    result: str,
) -> set[bytes]:
    """What the other side edits of which git says that this one has moved it, and no commit of this one has.

    Args:
        bench: compares trees.
        base: the commit that both began with.
        side: the last commit of this side.
        changed: what it has changed since.
        by_other: what the other has.
        result: the tree of both; empty when they conflict.
    """
    gone = {change.path: change.old_oid for change in changed if change.new_mode == ABSENT}
    edited = {change.path for change in by_other if ABSENT not in {change.old_mode, change.new_mode}}
    places = {path: _place_of(bench.git, path, base, side) for path in gone.keys() & edited}
    # Of files that were the same and went together, nobody can tell which of them is where.
    alike = Counter(gone.values())
    removed = {path for path, place in places.items() if place is None or alike[gone[path]] > 1}
    if removed or not result:
        return removed
    made = {change.path for change in changed if change.old_mode == ABSENT}
    touched = made & {change.path for change in bench.changes(bench.tree_of(side), result)}
    astray = touched - {*places.values(), *(change.path for change in by_other)}
    return set(places) or astray if astray else set()


def _place_of(git: Git, path: bytes, since: str, until: str) -> bytes | None:
    """Where a file is at `until` that was at `path` at `since`, and is no more; None when it was removed."""
    while True:
        removed_by = git.run(
            "--literal-pathspecs", "log", "-1", "--full-history", "--no-renames", "--diff-filter=D",
            "--format=%H", f"{since}..{until}", "--", path,
        ).decode().strip()  # fmt: skip
        if not removed_by:
            return None
        moves = read_moves(git, f"{removed_by}^", removed_by)
        if path not in moves:
            return None
        path, since = moves[path], removed_by
        if read_entries(git, until, [path]):
            return path
