"""Which lock sets cannot be held at once, asked for millions of pairs: in sets of words instead of paths.

A schedule in memory asks for each task that it looks at and each that runs. Two lock sets exclude each other
when a word that one says is one that the other objects to; each word is a place in the tree and a mode.
"""

import bisect
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from swarm.engine.locks import LockEntry


class Exclusion(NamedTuple):
    """A lock set for comparison with others."""

    says: frozenset[str]  # where it holds something, and below what
    objects_to: frozenset[str]  # what another must not say beside it


def exclusion_of(entries: Iterable[LockEntry]) -> Exclusion:
    """The lock set in words: `=X node` for a lock there, `<X folder` for one there or anywhere below."""
    says: set[str] = set()
    objects_to: set[str] = set()
    for mode, node, is_wide in entries:
        says.add(f"={mode}{node}")
        says.update(f"<{mode}{folder}" for folder in _upwards(node))
        relation = "<" if is_wide else "="
        objects_to.update(f"{relation}{other}{node}" for other in ("XS" if mode == "X" else "X"))
    return Exclusion(frozenset(says), frozenset(objects_to))


def excludes(one: Exclusion, other: Exclusion) -> bool:
    """The two cannot be held at once."""
    return not (one.objects_to.isdisjoint(other.says) and other.objects_to.isdisjoint(one.says))


class Followers:
    """Lock sets in a row, and who is the next in it that another one excludes."""

    def __init__(self, row: Sequence[Exclusion]) -> None:
        self._row = row
        self._says: dict[str, list[int]] = defaultdict(list)  # word -> numbers in the row, rising
        self._objects_to: dict[str, list[int]] = defaultdict(list)
        for number, one in enumerate(row):
            for word in one.says:
                self._says[word].append(number)
            for word in one.objects_to:
                self._objects_to[word].append(number)

    def after(self, number: int) -> int | None:
        """The first later number in the row that this one excludes."""
        own = self._row[number]
        found = [_next(self._says.get(word, ()), number) for word in own.objects_to]
        found += [_next(self._objects_to.get(word, ()), number) for word in own.says]
        return min((one for one in found if one is not None), default=None)


def _next(numbers: Sequence[int], number: int) -> int | None:
    place = bisect.bisect_right(numbers, number)
    return numbers[place] if place < len(numbers) else None


def _upwards(node: str) -> Iterator[str]:
    """The node and every folder above it, down to the empty name of the root."""
    while node:
        yield node
        node = node[: node.rfind("/", 0, -1) + 1]
    yield ""
