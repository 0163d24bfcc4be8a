"""The kind `conflicts`: no file that differs from the base holds what a conflict leaves behind."""

import time

from swarm.repo.gates.gate import Gate, GateResult
from swarm.repo.gates.ground import Ground
from swarm.repo.git.paths import shown
from swarm.repo.git.tree import is_binary

_BEGINS, _PARTS, _ENDS = b"<<<<<<< ", b"=======", b">>>>>>> "
_NAMED = 20


def find_markers(gate: Gate, ground: Ground) -> GateResult:
    """Red when a changed file has the three markers, one after another, where the base had none."""
    started = time.monotonic()
    found = [
        f"{shown(version.path)}:{line}: a conflict's markers"
        for version in ground.versions()
        if not is_binary(version.new) and (line := marked_at(version.new)) and not marked_at(version.old)
    ]
    output = "\n".join(found[:_NAMED]) + (f"\nand {len(found) - _NAMED} more" if len(found) > _NAMED else "")
    return ground.verdict(gate, started, red=output)


def marked_at(content: bytes) -> int:
    """The number of the line, from 1, in which the first conflict begins; 0 for none."""
    begun = 0
    is_parted = False
    for number, line in enumerate(content.splitlines(), 1):
        if line.startswith(_BEGINS):
            begun, is_parted = number, False
        elif begun and line == _PARTS:
            is_parted = True
        elif is_parted and line.startswith(_ENDS):
            return begun
    return 0
