"""The kind `conflicts`: no file that differs from the base holds what a conflict leaves behind."""

import time
from collections import Counter
from collections.abc import Iterator

from swarm.repo.gates.gate import Gate, GateResult
from swarm.repo.gates.ground import Ground
from swarm.repo.git.paths import shown
from swarm.repo.git.tree import is_binary, read_tree

_BEGINS, _PARTS, _ENDS = b"<<<<<<< ", b"=======", b">>>>>>> "
_NAMED = 20


def find_markers(gate: Gate, ground: Ground) -> GateResult:
    """Red when a changed file has the three markers, one after another, where the base had none.

    A file that was moved or copied had them where it was. One that was moved and edited as well has those
    that are gone from another.
    """
    started = time.monotonic()
    found = list(_new_marks(ground))
    output = "\n".join(found[:_NAMED]) + (f"\nand {len(found) - _NAMED} more" if len(found) > _NAMED else "")
    return ground.verdict(gate, started, red=output)


def _new_marks(ground: Ground) -> Iterator[str]:
    versions = ground.versions()
    marked = [
        each
        for each in versions
        if not is_binary(each.new) and marked_at(each.new) and not marked_at(each.old)
    ]
    if not marked:
        return
    known = {entry.oid for entry in read_tree(ground.hub.git, ground.before).values()}
    made = {change.path: change.new_oid for change in ground.changes()}
    gone = Counter[bytes]()
    for each in versions:
        if not is_binary(each.old):
            gone += Counter(_texts(each.old)) - Counter(_texts(each.new))
    for each in marked:
        if not (each.is_new and made[each.path] in known):
            for line, text in _conflicts_in(each.new):
                if not gone[text]:
                    yield f"{shown(each.path)}:{line}: a conflict's markers"
                    break
                gone[text] -= 1


def marked_at(content: bytes) -> int:
    """The number of the line, from 1, in which the first conflict begins; 0 for none."""
    return next((line for line, _ in _conflicts_in(content)), 0)


def _texts(content: bytes) -> list[bytes]:
    return [text for _, text in _conflicts_in(content)]


def _conflicts_in(content: bytes) -> Iterator[tuple[int, bytes]]:
    """The number of the line in which each begins, from 1, and its text."""
    if _BEGINS not in content:
        return
    lines = content.splitlines()
    begun = 0
    is_parted = False
    for number, line in enumerate(lines, 1):
        if line.startswith(_BEGINS):
            begun, is_parted = number, False
        elif begun and line == _PARTS:
            is_parted = True
        elif is_parted and line.startswith(_ENDS):
            yield begun, b"\n".join(lines[begun - 1 : number])
            begun, is_parted = 0, False
