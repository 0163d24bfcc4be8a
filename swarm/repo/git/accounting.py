"""Hunk accounting: what an accepted attempt added and removed is in the merged tree, and nothing else is.

git's merge is not taken at its word: each file that both sides changed has to add up line by line (see
`line_accounting`), under whatever name it is now, and to have the mode that the side says which changed it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from swarm.repo.git.command import Git
from swarm.repo.git.line_accounting import Fault, Versions, find_faults, of_line, unexplained
from swarm.repo.git.tree import GITLINK, TreeChange, TreeEntry, read_blobs, read_entries, read_moves
from swarm.repo.git.workbench import Workbench

_NAMED = 5
"""So many lines a refusal names."""
_PAIRS = 1_000
"""So many pairs of an old name and a new one are tried, where moved files do not add up all together."""


def find_unaccounted(
    git: Git,
    bench: Workbench,
    *,
    base: str,
    theirs: str,
    ours: str,
    result: str,
    merged: Sequence[TreeChange],
) -> list[str]:
    """What does not add up in a merge, in words; empty when all does.

    Args:
        git: the repository.
        bench: compares trees.
        base: the tree that the attempt began with.
        theirs: the attempt's own.
        ours: the tree that it was merged onto.
        result: the merged tree.
        merged: what differs between `ours` and `result`.
    """
    meant = {change.path: change for change in bench.changes(base, theirs)}
    did = {change.path: change for change in merged}
    # A file that went from the same content to the same content was touched by nobody else.
    doubtful = sorted(path for path in meant | did if meant.get(path) != did.get(path))
    if not doubtful:
        return []
    entries = [read_entries(git, tree, doubtful) for tree in (base, theirs, ours, result)]
    stands = {path: Stands(*(each.get(path) for each in entries)) for path in doubtful}
    for path, now in _followed(git, base, ours, stands).items():
        stands[path] = Stands(stands[path].base, stands[path].attempt, now, now)
    moved = {path for path, one in stands.items() if (one.base is None) != (one.result is None)}
    if {stands[path].base is None for path in moved} != {False, True}:
        moved = set()  # nothing has vanished under one name and appeared under another
    blobs = _Blobs(git, stands.values())
    files = {path: Versions(*map(blobs.content, one)) for path, one in stands.items() if one.is_to_be_read}
    faults = [fault for path, one in files.items() if path not in moved for fault in find_faults(path, one)]
    moves = read_moves(git, base, theirs) | read_moves(git, base, ours) if moved else {}
    faults += _faults_of_moves({path: files[path] for path in moved & files.keys()}, moves)
    for path, one in stands.items():
        faults += [Fault(path, what) for what in one.faults(is_moved=path in moved)]
    more = [f"and {len(faults) - _NAMED} more"] if len(faults) > _NAMED else []
    return [str(fault) for fault in faults[:_NAMED]] + more


class Stands(NamedTuple):
    """What stands at a path in the four trees; None where nothing does."""

    base: TreeEntry | None
    attempt: TreeEntry | None
    ours: TreeEntry | None
    result: TreeEntry | None

    @property
    def is_to_be_read(self) -> bool:
        """Both sides have changed it, or the result is neither's: its lines have to add up."""
        if None in self:
            return True
        changed_once = self.base in {self.attempt, self.ours} or self.attempt == self.ours
        return not changed_once or self.result != self.wanted

    @property
    def wanted(self) -> TreeEntry | None:
        """What the side says that changed it last."""
        return self.ours if self.attempt == self.base else self.attempt

    def faults(self, *, is_moved: bool) -> list[str]:
        """Whether something stands there, and with which mode, is what the side that changed it says."""
        wanted = self.wanted
        if self.ours is None and self.base is not None and self.attempt not in {self.base, None}:
            return []  # removed here and changed there: where git merges that, it was a move
        found = []
        if (wanted is None) != (self.result is None):
            found.append("it is there, and was not to be" if wanted is None else "it is not there")
        if wanted and self.result and not is_moved:
            own = self.attempt.mode if self.attempt else ""
            mode = own if own and (not self.base or own != self.base.mode) else (self.ours or wanted).mode
            if self.result.mode != mode:
                found.append(f"its mode is {self.result.mode}, and was to be {mode}")
        return found


def _followed(git: Git, base: str, ours: str, stands: Mapping[bytes, Stands]) -> dict[bytes, TreeEntry]:
    """What the attempt edits and `ours` has moved, where nothing is left to do -> what stands there now."""
    lost = {
        path
        for path, one in stands.items()
        if one.base and one.attempt not in {one.base, None} and not one.ours and not one.result
    }
    if not lost:
        return {}
    moves = read_moves(git, base, ours)
    places = {path: moves[path] for path in lost & moves.keys() if moves[path] not in stands}
    there = read_entries(git, ours, sorted(places.values()))
    return {path: there[place] for path, place in places.items()}


class _Blobs:
    """The contents of many blobs, read at once."""

    def __init__(self, git: Git, stands: Iterable[Stands]) -> None:
        oids = sorted({entry.oid for one in stands for entry in one if entry and entry.mode != GITLINK})
        self._contents = dict(zip(oids, read_blobs(git, oids), strict=True))

    def content(self, entry: TreeEntry | None) -> bytes:
        """Of an entry; nothing where nothing stands."""
        return self._contents.get(entry.oid, b"") if entry else b""


def _faults_of_moves(moved: Mapping[bytes, Versions], moves: Mapping[bytes, bytes]) -> list[Fault]:
    """Where one side has renamed a file, what is missing under one name is there under the other.

    Args:
        moved: what has vanished, and what has appeared.
        moves: old name -> new name, by likeness; it may err.
    """
    known = {content for one in moved.values() for content in (one.attempt, one.ours)}
    faults = [
        Fault(path, "a binary file was merged")
        for path, one in moved.items()
        if one.is_binary and one.result and one.result not in known
    ]
    texts = {path: one for path, one in moved.items() if not one.is_binary}
    if not unexplained(texts.values()):  # but one file may have what is another's
        pairs = [(old, new) for old, new in moves.items() if old in texts and new in texts]
        return faults + [
            fault for old, new in pairs for fault in find_faults(new, texts[old].moved_to(texts[new]))
        ]
    # A line that one file gets and another one loses is not told in a sum: file by file it is.
    settled = {path for pair in _right_moves(texts) for path in pair}
    left = {path: one for path, one in texts.items() if path not in settled}
    for line, count in sorted(unexplained(left.values()).items()):
        alone = (path for path, one in left.items() if line in unexplained([one]))
        path = next(alone, None) or next(path for path, one in left.items() if one.has(line))
        faults.append(of_line(path, line, count))
    return faults


def _right_moves(moved: Mapping[bytes, Versions]) -> Iterator[tuple[bytes, bytes]]:
    """Names that a file had and has, with which all that is in it adds up; each name once."""
    come, tries = {path: one for path, one in moved.items() if one.result}, _PAIRS
    for old, before in moved.items():
        if not before.base:
            continue
        called = old.rpartition(b"/")[2]
        for new in sorted(come, key=lambda path: (path.rpartition(b"/")[2] != called, path)):
            tries -= 1
            if tries < 0:
                return
            if not find_faults(new, before.moved_to(come[new])):
                yield old, new
                del come[new]
                break
