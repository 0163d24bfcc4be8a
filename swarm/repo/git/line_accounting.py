"""Versions of one file, by their lines: what one has more than another, and whether a merge adds up.

With Δ(a, b) as the lines of b less those of a, Δ(base → attempt) must be Δ(ours → result), but for what both
sides had changed alike.
"""

import difflib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile

from swarm.repo.git.paths import shown
from swarm.repo.git.tree import is_binary

_LONGEST = 120
_COMPARABLE = 4_000_000
"""Lines times lines, where two versions differ, that are compared by hunks: in a quarter of a second."""
Lines = Counter[bytes]
Hunk = tuple[int, int, tuple[bytes, ...]]
"""Lines of the base from one place to another, and what stands there instead."""


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
        return any(map(is_binary, (self.base, self.attempt, self.ours, self.result)))

    def moved_to(self, now: "Versions") -> "Versions":
        """Of the file that had this name, and has the other one in the result."""
        return Versions(self.base, self.attempt or now.attempt, self.ours or now.ours, now.result)

    def has(self, line: bytes) -> bool:
        """Some version has it."""
        versions = (self.base, self.attempt, self.ours, self.result)
        return any(line in version.splitlines(keepends=True) for version in versions)

    def adds_up_by_hunks(self) -> bool | None:
        """The attempt's hunks that ours has not are what the merge did to ours; None: too long to tell.

        Of lines that repeat, a diff from the front keeps others than one from the back: either may be git's.
        """
        lines, did = self.base.splitlines(keepends=True), _delta(self.ours, self.result)
        for from_back in (False, True):
            theirs = _hunks(self.base, self.attempt, from_back=from_back)
            before = _hunks(self.base, self.ours, from_back=from_back)
            if theirs is None or before is None:
                return None
            missing = Lines()
            for start, end, instead in theirs:
                if (start, end, instead) not in before:
                    missing.update(instead)
                    missing.subtract(lines[start:end])
            missing.subtract(did)
            if not any(missing.values()):
                return True
        return False

    def is_in_order(self) -> bool:
        """What each side added follows one another in the result as it does there."""
        for side in (self.attempt, self.ours):
            rest = iter(self.result.splitlines(keepends=True))
            added = [line for _, _, instead in _hunks(self.base, side) or () for line in instead]
            if not all(line in rest for line in added):
                return False
        return True


@dataclass(frozen=True)
class Fault:
    """What does not add up in a file."""

    path: bytes
    what: str
    line: bytes = b""

    def __str__(self) -> str:
        return f"{shown(self.path)}: {self.what}"


def find_faults(path: bytes, versions: Versions) -> list[Fault]:
    """What does not add up in the lines of one file."""
    if versions.is_binary:
        wanted = versions.ours if versions.attempt == versions.base else versions.attempt
        return [] if versions.result == wanted else [Fault(path, "a binary file was merged")]
    left_over, doubtful = unexplained([versions]), unexplained([versions], is_once_enough=False)
    adds_up = versions.adds_up_by_hunks() if doubtful else True
    # The same line at two places is no change that both made alike; hunks tell, where they can be told.
    if missing := left_over if adds_up is None else doubtful if not adds_up else {}:
        return [of_line(path, line, count) for line, count in sorted(missing.items())]
    return [] if versions.is_in_order() else [Fault(path, "what was added is in another order")]


def unexplained(files: Iterable[Versions], *, is_once_enough: bool = True) -> Lines:
    """Line -> how often it should be there more than it is, in all of these files together.

    Without what both sides may have changed alike, unless told: that is there, or gone, only once.
    """
    wanted, before, got = Lines(), Lines(), Lines()
    for one in files:
        wanted.update(_delta(one.base, one.attempt))
        before.update(_delta(one.base, one.ours))
        got.update(_delta(one.ours, one.result))
    left_over = Lines()
    for line in wanted.keys() | got.keys():
        count = wanted[line] - got[line]
        is_alike = is_once_enough and wanted[line] * before[line] > 0
        both = min(abs(wanted[line]), abs(before[line])) if is_alike else 0
        if abs(count) > both or count * wanted[line] < 0:
            left_over[line] = count
    return left_over


def of_line(path: bytes, line: bytes, count: int) -> Fault:
    """So many of a line are missing, or too many where `count` is negative."""
    text = line[:_LONGEST].decode("utf-8", "replace")
    return Fault(path, f"{abs(count)} too {'few' if count > 0 else 'many'} of the line {text!r}", line)


def _delta(old: bytes, new: bytes) -> Lines:
    """The lines of `new` less those of `old`; counts below zero too."""
    delta = Counter(new.splitlines(keepends=True))
    delta.subtract(old.splitlines(keepends=True))
    return delta


def _hunks(old: bytes, new: bytes, *, from_back: bool = False) -> list[Hunk] | None:
    """Which lines of `old` are others in `new`; None when that takes too long to tell."""
    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    head = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False)))
    rest = zip(reversed(before[head:]), reversed(after[head:]), strict=False)
    tail = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], rest))
    before, after = before[head : len(before) - tail], after[head : len(after) - tail]
    m, n = len(before), len(after)
    if m * n > _COMPARABLE:
        return None
    step = -1 if from_back else 1
    found = difflib.SequenceMatcher(None, before[::step], after[::step], autojunk=False).get_opcodes()
    if from_back:
        found = [(verb, m - b, m - a, n - d, n - c) for verb, a, b, c, d in reversed(found)]
    return [(head + a, head + b, tuple(after[c:d])) for verb, a, b, c, d in found if verb != "equal"]
