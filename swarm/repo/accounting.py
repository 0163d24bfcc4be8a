"""Hunk accounting: what an accepted attempt added and removed is in the merged tree, and nothing else is.

git's merge is not taken at its word: with Δ(a, b) as the lines of b less those of a, Δ(base → attempt) must
be Δ(ours → result) in every file, but for what both sides had changed alike.
"""

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from swarm.repo.git import Git
from swarm.repo.paths import shown
from swarm.repo.tree import TreeChange, TreeEntry, read_blobs, read_entries
from swarm.repo.workbench import Workbench

_NAMED = 5
"""So many lines a refusal names."""
_LONGEST = 120
_NUL_WITHIN = 8000
"""git takes a file for binary that has a NUL this early."""
Lines = Counter[bytes]


@dataclass(frozen=True)
class Versions:
    """A file's content in the base, in the attempt, in what it was merged onto, and in the result."""

    base: bytes
    attempt: bytes
    ours: bytes
    result: bytes

    @property
    def is_binary(self) -> bool:
        """Some version is no text."""
        return any(b"\0" in each[:_NUL_WITHIN] for each in (self.base, self.attempt, self.ours, self.result))

    def missing(self) -> Lines:
        """Line -> how often it should be there more than it is; below zero where it is there too often."""
        missing = _delta(self.base, self.attempt)
        missing.subtract(_delta(self.ours, self.result))
        return Counter({line: count for line, count in missing.items() if count})

    def unexplained(self) -> Lines:
        """The same without what both sides had changed alike: that is there, or gone, only once."""
        wanted, before = _delta(self.base, self.attempt), _delta(self.base, self.ours)
        unexplained: Lines = Counter()
        for line, count in self.missing().items():
            both = min(abs(wanted[line]), abs(before[line])) if wanted[line] * before[line] > 0 else 0
            if abs(count) > both or count * wanted[line] < 0:
                unexplained[line] = count
        return unexplained

    def is_in_order(self) -> bool:
        """What the attempt added follows one another in the result as it does in the attempt."""
        rest = iter(self.result.splitlines(keepends=True))
        return all(line in rest for line in _added(self.base, self.attempt))


@dataclass(frozen=True)
class Fault:
    """What does not add up in a file."""

    path: bytes
    what: str
    line: bytes = b""
    count: int = 0

    def __str__(self) -> str:
        return f"{shown(self.path)}: {self.what}"


def find_faults(path: bytes, versions: Versions) -> list[Fault]:
    """What does not add up in one file, by its lines, the smallest first."""
    if versions.is_binary:
        wanted = versions.ours if versions.attempt == versions.base else versions.attempt
        return [] if versions.result == wanted else [Fault(path, "a binary file was merged")]
    faults = []
    for line, count in sorted(versions.unexplained().items()):
        text = line[:_LONGEST].decode("utf-8", "replace")
        what = f"{abs(count)} too {'few' if count > 0 else 'many'} of the line {text!r}"
        faults.append(Fault(path, what, line, count))
    if not faults and not versions.is_in_order():
        return [Fault(path, "what was added is in another order")]
    return faults


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
    files = {path: _read(git, [each.get(path) for each in entries]) for path in doubtful}
    faults = [fault for path, versions in files.items() for fault in find_faults(path, versions)]
    vanished = {path for path in doubtful if path in entries[0] and path not in entries[3]}
    appeared = {path for path in doubtful if path in entries[3] and path not in entries[0]}
    if faults and vanished and appeared:
        faults = _without_moves(faults, {path: files[path] for path in vanished | appeared})
    faults += [
        Fault(path, f"its mode is {modes[3]}, and was to be {modes[1]}")
        for path in doubtful
        if (modes := [each[path].mode if path in each else "" for each in entries])
        and "" not in modes
        and modes[1] not in {modes[0], modes[3]}
    ]
    more = [f"and {len(faults) - _NAMED} more"] if len(faults) > _NAMED else []
    return [str(fault) for fault in faults[:_NAMED]] + more


def _without_moves(faults: list[Fault], moved: Mapping[bytes, Versions]) -> list[Fault]:
    """Where one side has renamed a file, what is missing under one name is there under the other."""
    pooled: Lines = Counter()
    for versions in moved.values():
        pooled.update(versions.missing())
    return [fault for fault in faults if fault.path not in moved or pooled[fault.line]]


def _read(git: Git, entries: Sequence[TreeEntry | None]) -> Versions:
    """The four contents of a path; a file that is not there is empty."""
    contents = iter(read_blobs(git, [entry.oid for entry in entries if entry]))
    return Versions(*(next(contents) if entry else b"" for entry in entries))


def _delta(old: bytes, new: bytes) -> Lines:
    """The lines of `new` less those of `old`; counts below zero too."""
    delta = Counter(new.splitlines(keepends=True))
    delta.subtract(old.splitlines(keepends=True))
    return delta


def _added(old: bytes, new: bytes) -> Iterator[bytes]:
    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    for verb, _, _, start, end in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if verb in {"insert", "replace"}:
            yield from after[start:end]
