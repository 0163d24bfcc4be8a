"""Compiles a task's scopes into the lock set that the claim script grants all of or nothing of.

An entry is a mode (`X` for `files`, `S` for `reads`), an extent (`*` everything under the node, `-` the
node alone) and a node: a path ending in `/`, or the empty text for the repository's root. A glob locks
its literal prefix; whatever might be a folder is wide; unsure means wide.
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator
from operator import attrgetter
from typing import NamedTuple

from swarm.plan.folders import may_be_folder
from swarm.plan.model import TaskSpec

encode_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
"""Compact JSON, by an encoder that is made once."""

_PART = r"(?!\.{1,2}(?:/|\Z))[^/*?\[\]\\{}:!\x00-\x1f\x7f]+"
_PLAIN = re.compile(f"{_PART}(?:/{_PART})*")
"""A path that is nothing but names: what most scopes are made of."""
_MAGIC = re.compile(r"[*?\[\]\\{}]")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")


class LockEntry(NamedTuple):
    """One lock of a set."""

    mode: str  # X exclusive, S shared
    node: str  # path ending in `/`; empty is the root
    is_wide: bool  # covers everything under the node

    @property
    def path(self) -> str:
        """As people see it: with a trailing slash when it covers everything under it."""
        return (self.node if self.is_wide else self.node[:-1]) or "/"

    @classmethod
    def of(cls, mode: str, path: str) -> "LockEntry":
        """The entry that people see as this path."""
        is_wide = path.endswith("/")
        return cls(mode, path.lstrip("/") if is_wide else f"{path}/", is_wide)

    def excludes(self, other: "LockEntry") -> bool:
        """Not both can be held by different tasks."""
        both = self.holds(other.node) or other.holds(self.node)
        return both and "X" in {self.mode, other.mode}

    def covered(self, patterns: Iterable[str]) -> tuple[str, ...]:
        """Those of the patterns of a write scope that this lock is held for."""
        if self.mode != "X":
            return ()
        return tuple(pattern for pattern in patterns if self.holds(_compile("X", pattern).node))

    def holds(self, node: str) -> bool:
        """The node is this one, or below a wide one."""
        return node == self.node or (self.is_wide and node.startswith(self.node))


_NODE_OF = attrgetter("node")


def compile_locks(spec: TaskSpec) -> tuple[LockEntry, ...]:
    """The lock set of a task: one entry a node, none inside another that already covers it."""
    if not spec.files and not spec.reads:
        return ()
    nodes: dict[str, LockEntry] = {}
    for mode, patterns in (("X", spec.files), ("S", spec.reads)):
        for pattern in patterns:
            entry = _compile(mode, pattern)
            known = nodes.get(entry.node)
            if known:
                mode_of_both = "X" if "X" in {known.mode, mode} else "S"
                entry = LockEntry(mode_of_both, entry.node, known.is_wide or entry.is_wide)
            nodes[entry.node] = entry
    kept: Collection[LockEntry] = nodes.values()
    if any(entry.is_wide for entry in kept):
        kept = [entry for entry in kept if not _is_covered(entry, nodes)]
    return tuple(sorted(kept, key=_NODE_OF))


def lock_text(entries: tuple[LockEntry, ...]) -> str:
    """A lock set as it is stored: JSON of exclusive and shared nodes, and of wide holds; or nothing."""
    if not entries:
        return ""
    lists = {
        "x": [entry.node for entry in entries if entry.mode == "X"],
        "s": [entry.node for entry in entries if entry.mode == "S"],
        "w": [entry.mode + entry.node for entry in entries if entry.is_wide],
    }
    return encode_json(lists)


def read_locks(text: str) -> Iterator[LockEntry]:
    """The lock set that `lock_text` wrote."""
    lists = json.loads(text) if text else {}
    wide = set(lists.get("w", ()))
    for mode, name in (("X", "x"), ("S", "s")):
        for node in lists.get(name, ()):
            yield LockEntry(mode, node, is_wide=mode + node in wide)


def _compile(mode: str, pattern: str) -> LockEntry:
    if _PLAIN.fullmatch(pattern):
        return LockEntry(mode, f"{pattern}/", is_wide=may_be_folder(pattern.rpartition("/")[2]))
    # A control character would end the entry's line; a lock too many is safe, one too few is not.
    text = _UNPRINTABLE.sub("?", pattern)
    if text.startswith((":", "!")):
        return LockEntry(mode, "", is_wide=True)
    parts = [part for part in text.split("/") if part not in {"", "."}]
    if ".." in parts:
        return LockEntry(mode, "", is_wide=True)
    literal: list[str] = []
    for part in parts:
        name = _literal(part) if _MAGIC.search(part) else part
        if not name:
            return LockEntry(mode, _node(literal), is_wide=True)
        literal.append(name)
    is_wide = not literal or text.endswith(("/", "/.")) or may_be_folder(literal[-1])
    return LockEntry(mode, _node(literal), is_wide=is_wide)


def _literal(part: str) -> str:
    """The name that a part with escaped wildcards, and no others, stands for; empty when unsure."""
    if "\\" not in part:
        return ""
    from swarm.plan.scope import is_glob, literal_prefix  # noqa: PLC0415  # few patterns have an escape

    return "" if is_glob(part) else literal_prefix(part)


def _node(parts: list[str]) -> str:
    return "".join(f"{part}/" for part in parts)


def _is_covered(entry: LockEntry, nodes: dict[str, LockEntry]) -> bool:
    """A wide entry above it, at least as strong, makes it superfluous."""
    node = entry.node
    while node:
        node = node.rstrip("/").rpartition("/")[0]
        node = f"{node}/" if node else ""
        above = nodes.get(node)
        if above is not None and above.is_wide and (above.mode == "X" or entry.mode == "S"):
            return True
    return False
