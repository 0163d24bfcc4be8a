"""A model of landing: trees as dicts, merged three ways by lines, without git.

A file is merged by its *anchors*: base lines that every longest common subsequence with either side matches
alike. Where between any two only one side has changed something, or both the same, there is one right result.
Otherwise the file is doubtful: the sides touch or overlap, or lines that repeat let diffs differ. What lands
of it has to be a merge by some diff.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product
from typing import NamedTuple

LINK, REGULAR, EXECUTABLE = "120000", "100644", "100755"
_ALIKE = 0.45
"""Of the bytes of the larger file, in lines that both have: git guesses a move from 0.5 on."""


class Node(NamedTuple):
    """A file or link."""

    mode: str
    content: bytes

    @property
    def is_text(self) -> bool:
        """It has lines that can be merged."""
        return self.mode != LINK and b"\0" not in self.content


Tree = Mapping[str, Node]
Lines = Sequence[bytes]
Moves = Mapping[str, str]


@dataclass
class Model:
    """What both sides come to."""

    tree: dict[str, Node] = field(default_factory=dict)
    doubtful: dict[str, tuple[Lines, Lines, Lines]] = field(default_factory=dict)  # base, attempt, ours
    conflicts: set[str] = field(default_factory=set)

    @property
    def is_clean(self) -> bool:
        """There is one right result."""
        return not self.conflicts and not self.doubtful

    def allows(self, tree: Tree) -> bool:
        """It is a right result."""
        if self.conflicts or tree.keys() != self.tree.keys():
            return False
        return all(
            tree[path].mode == node.mode
            and (
                is_merge(*self.doubtful[path], _lines(tree[path].content))
                if path in self.doubtful
                else tree[path].content == node.content
            )
            for path, node in self.tree.items()
        )


def merge_paths(base: Tree, attempt: Tree, ours: Tree) -> Model:
    """Path by path; nobody has moved anything."""
    found = Model()
    for path in sorted({*base, *attempt, *ours}):
        before, theirs, mine = base.get(path), attempt.get(path), ours.get(path)
        if theirs in {before, mine}:
            one = mine
        elif mine == before:
            one = theirs
        elif theirs and mine and LINK not in {theirs.mode, mine.mode}:
            # Where both have made a file, or one of a link, it had no lines: an empty one is no conflict.
            is_made = before is None or before.mode == LINK
            if is_made and not (theirs.is_text and mine.is_text) and theirs.content != mine.content:
                found.conflicts.add(path)
            was = Node("", b"") if is_made or before is None else before
            one = _merge_files(found, path, was, theirs, mine)
        else:
            found.conflicts.add(path)
            continue
        if one:
            found.tree[path] = one
    found.conflicts |= {path for path in found.tree if _parents(path) & found.tree.keys()}
    return found


def _merge_files(found: Model, path: str, before: Node, theirs: Node, mine: Node) -> Node:
    mode = mine.mode if theirs.mode == before.mode else theirs.mode
    if len({before.mode, theirs.mode, mine.mode}) == 3:
        found.conflicts.add(path)
    if theirs.content in {before.content, mine.content}:
        return Node(mode, mine.content)
    if mine.content == before.content:
        return Node(mode, theirs.content)
    if not (before.is_text and theirs.is_text and mine.is_text):
        found.conflicts.add(path)
        return mine
    lines = _lines(before.content), _lines(theirs.content), _lines(mine.content)
    merged = merge_lines(*lines)
    if merged is None:
        found.doubtful[path] = lines
    return Node(mode, b"".join(merged or ()))


def models(sides: Sequence[Tree], landed: Sequence[Tree]) -> Iterator[Model]:
    """What an attempt comes to on what has landed: one for each way to read moves, the plain way first.

    Args:
        sides: the tree that the attempt began with, and its own.
        landed: the same tree, and the branch's after each landing since.
    """
    base, attempt, ours = sides[0], sides[-1], landed[-1]
    choices = [
        [(path, side, place) for place in (None, *sorted(places(path, trees)))]
        for side, trees, other in (("attempt", sides, ours), ("ours", landed, attempt))
        for path in sorted(base.keys() - trees[-1].keys())
        if other.get(path) != base[path]
    ]
    for chosen in product(*choices):
        by_attempt = {path: place for path, side, place in chosen if place and side == "attempt"}
        by_ours = {path: place for path, side, place in chosen if place and side == "ours"}
        if any(by_ours.get(path, place) != place for path, place in by_attempt.items()):
            yield Model(conflicts={*by_attempt} & {*by_ours})
            continue
        sides_now = (
            _moved(base, {**by_attempt, **by_ours}),
            _moved(attempt, by_ours),
            _moved(ours, by_attempt),
        )
        yield merge_paths(*sides_now)


def places(path: str, trees: Sequence[Tree]) -> set[str]:
    """Where a file may be in the last tree that a step from one tree to the next has taken away."""
    for step, (before, after) in enumerate(pairwise(trees)):
        if path in before and path not in after:
            come = {new for new in after.keys() - before.keys() if are_alike(before[path], after[new])}
            rest = trees[step + 1 :]
            return {new for new in come if new in rest[-1]}.union(*(places(new, rest) for new in come))
    return set()


def may_be_guessed(base: Tree, attempt: Tree, ours: Tree) -> bool:
    """Between the whole trees something looks moved on one side, and the other side has to do with it.

    It has changed or removed that file, or has put something at the new place.
    """
    for side, other in ((attempt, ours), (ours, attempt)):
        for old in base.keys() - side.keys():
            for new in side.keys() - base.keys():
                if are_alike(base[old], side[new]) and (other.get(old) != base[old] or new in other):
                    return True
    return False


def are_alike(one: Node, other: Node) -> bool:
    """Git may take the one for the other, moved."""
    if (one.mode == LINK) != (other.mode == LINK) or not (one.content and other.content):
        return False
    if one.mode == LINK:
        return one.content == other.content
    both = Counter(_lines(one.content)) & Counter(_lines(other.content))
    shared = sum(len(line) * count for line, count in both.items())
    return shared >= _ALIKE * max(len(one.content), len(other.content))


def merge_lines(base: Lines, attempt: Lines, ours: Lines) -> list[bytes] | None:
    """The one right merge; None when there may be several, or none."""
    theirs, mine = anchors(base, attempt), anchors(base, ours)
    merged: list[bytes] = []
    begins = (0, 0, 0)
    for line in [*sorted(theirs.keys() & mine.keys()), None]:
        ends = (len(base), len(attempt), len(ours)) if line is None else (line, theirs[line], mine[line])
        was, one, other = (
            side[begin:end] for side, begin, end in zip((base, attempt, ours), begins, ends, strict=True)
        )
        if one not in (was, other) and other != was:
            return None
        merged += other if one == was else one
        if line is not None:
            merged.append(base[line])
            begins = (ends[0] + 1, ends[1] + 1, ends[2] + 1)
    return merged


def anchors(old: Lines, new: Lines) -> dict[int, int]:
    """The places of lines in `old` -> in `new`, wherever all longest common subsequences agree."""
    ahead = _longest(old, new)
    behind = _longest(old[::-1], new[::-1])
    m, n = len(old), len(new)
    by_rank: dict[int, list[tuple[int, int]]] = {}
    for i, j in product(range(m), range(n)):
        if old[i] == new[j] and ahead[i][j] + 1 + behind[m - i - 1][n - j - 1] == ahead[m][n]:
            by_rank.setdefault(ahead[i][j], []).append((i, j))
    return dict(pairs[0] for pairs in by_rank.values() if len(pairs) == 1)


def _longest(old: Lines, new: Lines) -> list[list[int]]:
    """How long the longest common subsequence of the first i and the first j lines is."""
    table = [[0] * (len(new) + 1) for _ in range(len(old) + 1)]
    for i, j in product(range(len(old)), range(len(new))):
        same = old[i] == new[j]
        table[i + 1][j + 1] = table[i][j] + 1 if same else max(table[i][j + 1], table[i + 1][j])
    return table


def is_merge(base: Lines, attempt: Lines, ours: Lines, result: Lines) -> bool:
    """By some diff: each line is kept by all, or one side or both have removed it, or have added it."""
    sides = (base, attempt, ours, result)
    ends, seen = tuple(map(len, sides)), set[tuple[int, ...]]()
    steps = [(1, 1, 1, 1), (1, 0, 1, 0), (0, 1, 0, 1), (1, 1, 0, 0), (0, 0, 1, 1), (1, 0, 0, 0), (0, 1, 1, 1)]
    open_ = [(0, 0, 0, 0)]
    while open_:
        at = open_.pop()
        if at == ends:
            return True
        for step in steps:
            if any(place + one > end for place, one, end in zip(at, step, ends, strict=True)):
                continue
            lines = {side[place] for side, place, one in zip(sides, at, step, strict=True) if one}
            then = (at[0] + step[0], at[1] + step[1], at[2] + step[2], at[3] + step[3])
            if len(lines) == 1 and then not in seen:
                seen.add(then)
                open_.append(then)
    return False


def _moved(tree: Tree, moves: Moves) -> Tree:
    """With its files where the other side has moved them; what stands there already makes it a conflict."""
    moved = {path: node for path, node in tree.items() if path not in moves}
    for old, new in moves.items():
        if old in tree:
            moved[new] = tree[old] if new not in moved else Node("clash", b"")
    return moved


def _parents(path: str) -> set[str]:
    parts = path.split("/")
    return {"/".join(parts[:length]) for length in range(1, len(parts))}


def _lines(content: bytes) -> list[bytes]:
    return content.splitlines(keepends=True)
