"""What merging means, told without git's merge of trees: one attempt applied to one tree.

A file is followed by where the attempts say that they moved it, not by likeness. Lines of one file are
merged by `git merge-file`, which knows nothing of trees, names or modes.
"""

import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from random_trees import SYMLINK, Entry, Moved, Tree, clash


class ConflictError(Exception):
    """Two sides want different things of one file."""


@dataclass
class Applied:
    """One attempt on a tree."""

    tree: Tree | None = None  # None: they conflict
    doubts: set[str] = field(default_factory=set)
    """What both sides touched, more than by edits of lines: git may see it otherwise, and refuse."""
    mixed: set[str] = field(default_factory=set)  # where lines of both sides are


class _Side(NamedTuple):
    """Where one side has a file of the base, and as what; nowhere, when it has removed it."""

    path: str | None
    entry: Entry | None


def apply_attempt(base: Tree, attempt: Moved, tip: Moved) -> Applied:
    """Apply what an attempt did to `base` to `tip`, which has become of it meanwhile."""
    applied, merged = Applied(), {}  # type: tuple[Applied, dict[str, Entry]]
    is_clean = True
    for path, entry in base.items():
        theirs, ours = _side(path, attempt), _side(path, tip)
        is_touched_twice = _Side(path, entry) not in (theirs, ours)
        try:
            place, content = _place(path, theirs, ours), _merged(entry, theirs.entry, ours.entry)
        except ConflictError:
            is_clean = False
            applied.doubts.add(path)
            continue
        if is_touched_twice and not (theirs.path == ours.path == path and _are_text(entry, theirs, ours)):
            applied.doubts.add(path)
        if place is not None and content is not None:
            is_clean &= _put(merged, place, content)
            if is_touched_twice:
                applied.mixed.add(place)
    for side in (attempt, tip):
        for path in side.tree.keys() - base.keys() - set(side.moves.values()):
            is_clean &= _put(merged, path, side.tree[path])
    applied.doubts |= _left_folders(base, attempt, tip) | _left_folders(base, tip, attempt)
    both = attempt.tree.keys() - base.keys() & tip.tree.keys() - base.keys()
    applied.doubts |= both
    paths = sorted(merged)
    is_clean &= not any(one != other and clash(one, other) for one in paths for other in paths)
    applied.tree = merged if is_clean else None
    return applied


def _side(path: str, side: Moved) -> _Side:
    place = path if path in side.tree else side.moves.get(path)
    return _Side(place, side.tree.get(place) if place else None)


def _place(path: str, theirs: _Side, ours: _Side) -> str | None:
    if ours.path in {theirs.path, path}:
        return theirs.path
    if theirs.path == path:
        return ours.path
    raise ConflictError


def _merged(base: Entry, theirs: Entry | None, ours: Entry | None) -> Entry | None:
    if ours in {theirs, base}:
        return theirs
    if theirs == base:
        return ours
    if theirs is None or ours is None:
        raise ConflictError
    mode = _one_of(base.mode, theirs.mode, ours.mode)
    if SYMLINK in (theirs.mode, ours.mode) and base.mode != mode:
        raise ConflictError  # a link's target is not lines
    return Entry(mode, _content(base, theirs, ours))


def _put(merged: Tree, path: str, entry: Entry) -> bool:
    """Whether two files fit under one name: what is alike in both, and an empty one into any."""
    other = merged.get(path, entry)
    try:
        merged[path] = _merged(Entry(other.mode, b""), entry, other) or entry
    except ConflictError:
        return False
    return True


def _one_of(base: str, theirs: str, ours: str) -> str:
    if theirs != ours and base not in (theirs, ours):
        raise ConflictError
    return ours if theirs == base else theirs


def _content(base: Entry, theirs: Entry, ours: Entry) -> bytes:
    contents = base.content, theirs.content, ours.content
    if theirs.content in (ours.content, base.content):
        return ours.content
    if ours.content == base.content:
        return theirs.content
    if b"\0" in b"".join(contents) or SYMLINK in (base.mode, theirs.mode, ours.mode):
        raise ConflictError
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, name) for name in ("ours", "base", "theirs")]
        for file, entry in zip(files, (ours, base, theirs), strict=True):
            file.write_bytes(entry.content)
        done = subprocess.run(["git", "merge-file", "-p", *map(str, files)], capture_output=True, check=False)
    if done.returncode:
        raise ConflictError
    return done.stdout


def _are_text(base: Entry, theirs: _Side, ours: _Side) -> bool:
    entries = [each for each in (base, theirs.entry, ours.entry) if each]
    return len(entries) == 3 and not any(each.mode == SYMLINK or b"\0" in each.content for each in entries)


def _left_folders(base: Tree, leaver: Moved, other: Moved) -> set[str]:
    """What the other side puts where this one has moved files away: git asks into which folder it goes."""
    left = {path.rpartition("/")[0] for path in leaver.moves}
    put = {path for path in other.tree if path not in base}
    return {path for path in put if any(path.startswith(f"{folder}/") for folder in left if folder)}
