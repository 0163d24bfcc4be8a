"""Random repositories, and random edits of them: lines, moves, modes, links, binary files, folders."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from hypothesis import strategies as st

REGULAR, EXECUTABLE, SYMLINK = "100644", "100755", "120000"


class Entry(NamedTuple):
    """What stands at a path."""

    mode: str
    content: bytes


Tree = dict[str, Entry]
Edit = tuple[str, int, int]
"""What is done, to which of the files, and where in it or by which name; numbers are taken modulo."""
Edits = Sequence[Edit]

NAMES = ("a.txt", "run.sh", "src/a.txt", "src/b c.txt", "src/deep/a.txt", "lib/ä.txt", "lib/d", "lib/d.txt")
OTHERS = ("new.txt", "src/new.txt", "src/deep/new.txt", "lib/x/new.txt", "lib/x", "src2/a.txt", "-rf")
SAME = "the same to all"
BAD = "BAD"

OF_LINES = ("replace", "replace", "replace", "insert", "delete", "double", "same", "bare end", BAD)
OF_FILES = ("move", "move", "create", "remove", "mode", "binary", "link", "to folder", "empty")

edits = st.tuples(st.sampled_from(OF_LINES + OF_FILES), st.integers(0, len(NAMES) - 1), st.integers(0, 11))


class Moved(NamedTuple):
    """A tree, and where each of the files that it began with is now, if it has another name."""

    tree: Tree
    moves: dict[str, str]


@dataclass
class _Editing:
    """A tree that is being edited by one attempt."""

    number: int
    tree: Tree
    origins: dict[str, str] = field(default_factory=dict)  # name now -> name at first

    def apply(self, verb: str, which: int, where: int) -> None:
        """One edit; none where it does not apply."""
        if verb == "create":
            self._put(
                OTHERS[where % len(OTHERS)], Entry(REGULAR, self._text(f"made by {self.number}", where))
            )
            return
        if not self.tree:
            return
        path = sorted(self.tree)[which % len(self.tree)]
        entry = self.tree[path]
        if verb == "move":
            self._move(path, OTHERS[where % len(OTHERS)])
        elif verb == "remove":
            self._take(path)
        elif verb == "to folder":
            self._move(path, f"{path}/inside")
        elif verb == "link":
            self.tree[path] = Entry(SYMLINK, (b"nothing", b"nowhere")[where % 2])
        elif entry.mode != SYMLINK:
            self.tree[path] = self._changed(entry, verb, where)

    def _changed(self, entry: Entry, verb: str, where: int) -> Entry:
        if verb == "mode":
            return Entry(EXECUTABLE if entry.mode == REGULAR else REGULAR, entry.content)
        if verb == "binary":
            return Entry(entry.mode, b"\0%d" % self.number)
        if verb == "empty":
            return Entry(entry.mode, b"")
        if b"\0" in entry.content:
            return entry
        lines = entry.content.decode().splitlines(keepends=True)
        at = where % max(1, len(lines))
        word = {BAD: BAD, "same": SAME}.get(verb, f"by {self.number} at {where}")
        if verb == "delete":
            del lines[at : at + 1]
        elif verb == "double":
            lines[at:at] = lines[at : at + 1]
        elif verb == "bare end":
            lines[-1:] = [lines[-1].removesuffix("\n")] if lines else []
        else:
            lines[at : at + (verb != "insert")] = [f"{word}\n"]
        return Entry(entry.mode, "".join(lines).encode())

    def _text(self, word: str, where: int) -> bytes:
        return "".join(f"{word}, {where}.{line}\n" for line in range(where % 4)).encode()

    def _move(self, path: str, name: str) -> None:
        entry, origin = self.tree.pop(path), self.origins.pop(path, path)
        if self._put(name, entry):
            self.origins[name] = origin
        else:
            self.tree[path], self.origins[path] = entry, origin

    def _take(self, path: str) -> None:
        del self.tree[path]
        self.origins.pop(path, None)

    def _put(self, path: str, entry: Entry) -> bool:
        """Unless a file is there, or a folder, or a file where its folder would be."""
        if any(clash(path, other) for other in self.tree):
            return False
        self.tree[path] = entry
        return True


def clash(path: str, other: str) -> bool:
    """There cannot be both."""
    return path == other or path.startswith(f"{other}/") or other.startswith(f"{path}/")


def edited(tree: Tree, chosen: Edits, number: int) -> Moved:
    """The tree as attempt `number` leaves it."""
    editing = _Editing(number, dict(tree))
    for edit in chosen:
        editing.apply(*edit)
    return Moved(
        editing.tree, moves_of(tree, editing.tree, {was: now for now, was in editing.origins.items()})
    )


def moves_of(before: Tree, after: Tree, places: Mapping[str, str]) -> dict[str, str]:
    """Of files that moved, those of which one sees it: the old name is gone, and half is left."""
    return {
        old: new
        for old, new in places.items()
        if old in before and old not in after and new in after and new not in before
        if are_alike(before[old], after[new])
    }


def are_alike(old: Entry, new: Entry) -> bool:
    """As git has it: half of the bytes of the longer one are in lines of both. Nothing is like nothing."""
    if SYMLINK in {old.mode, new.mode} and old != new:
        return False
    both = Counter(_lines(old)) & Counter(_lines(new))
    longer = max(len(old.content), len(new.content))
    return bool(longer) and 2 * sum(len(line) * count for line, count in both.items()) >= longer


def _lines(entry: Entry) -> list[bytes]:
    return re.findall(rb"[^\n]{0,63}\n|[^\n]{1,64}", entry.content)


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Some files: of lines of which some are there again and again, without an end, empty, binary, links."""
    tree: Tree = {}
    for path in draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True)):
        kind = draw(st.sampled_from(("text", "text", "text", "bare end", "empty", "binary", "link")))
        mode = EXECUTABLE if path == "run.sh" else REGULAR
        lines = draw(st.integers(6, 12))
        every = draw(st.sampled_from((3, 4, 99)))  # so many lines there is one that is alike everywhere
        text = "".join("}\n" if at % every == every - 1 else f"{path} {at}\n" for at in range(lines))
        tree[path] = {
            "text": Entry(mode, text.encode()),
            "bare end": Entry(mode, text.encode().rstrip()),
            "empty": Entry(mode, b""),
            "binary": Entry(mode, f"{path}\0".encode()),
            "link": Entry(SYMLINK, b"nobody"),
        }[kind]
    return tree
