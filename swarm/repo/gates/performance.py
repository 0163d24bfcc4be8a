"""The kind `performance`: a command that measures, on the base and on the merged tree by turns.

Machines are noisy, so one slow run is no evidence. The two sides run in pairs, and what counts is the ratio
of each pair. It is red when chance does not explain it: the lower bound of the median ratio, at 95 %
confidence, is above the threshold. The bound is an order statistic of the ratios (the sign test turned
around), which supposes nothing about how times are distributed.
"""

import math
import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from swarm.repo.gates.gate import Gate, GateResult
from swarm.repo.gates.ground import Ground

_CHANCE = 0.05
_TRIES = 3
"""Of one measure, before the side counts as failing."""


class _NoMeasureError(Exception):
    """One side could not be measured."""

    def __init__(self, tree: Path, result: GateResult) -> None:
        super().__init__(str(result))
        self.tree = tree
        self.result = result


def compare_speed(gate: Gate, ground: Ground) -> GateResult:
    """Red when the command fails on the tree, or takes more than the threshold longer than on the base.

    Where there is nothing to compare, or the base itself fails, its exit code decides as that of any command,
    and a green result says in its note that it compared nothing. A measure that fails is taken up to twice
    more: a command that fails now and then would end every comparison, or blame the tree for it.

    Raises:
        SandboxEndedError: as `Ground.run`.
    """
    if not ground.base or not ground.compares:
        why = "the base has the same tree" if ground.base else "no commit before it is known"
        return _uncompared(gate, ground, why)
    started = time.monotonic()
    with ExitStack() as stack:
        before, after = (stack.enter_context(ground.checkout(each)) for each in (ground.base, ground.tree))
        try:
            _pair(gate, ground, before, after, turn=0)  # warms up what both need
            pairs = [_pair(gate, ground, before, after, turn=turn) for turn in range(gate.runs)]
        except _NoMeasureError as error:
            if error.tree == after:
                return replace(error.result, duration_s=time.monotonic() - started)
            why = f"on the base: {str(error).removeprefix(f'{gate.name}: ')}"
            alone = _uncompared(gate, ground, why)
            return replace(alone, duration_s=time.monotonic() - started)
    said, is_slower = judge_pairs(pairs, gate.threshold)
    ground.note(f"{gate.name}: {said}")
    return ground.verdict(gate, started, red=said if is_slower else "", green=said)


def _uncompared(gate: Gate, ground: Ground, why: str) -> GateResult:
    """The result of the command alone on the tree; a green one says so, or it would pass for a comparison."""
    result = ground.run(gate)
    for _ in range(1, _TRIES):
        if result.passed or result.timed_out:
            break
        ground.note(f"{result}; it is run again")
        result = ground.run(gate)
    note = f"compared nothing: {why}"
    ground.note(f"{gate.name}: {note}")
    return replace(result, note=note if result.passed else "")


def judge_pairs(pairs: Sequence[tuple[float, float]], threshold: float) -> tuple[str, bool]:
    """What the measures of (base, tree) say in words, and whether the tree is slower beyond chance."""
    ratios = sorted(after / before for before, after in pairs)
    bound, median = ratios[_place(len(ratios))], statistics.median(ratios)
    sides = [statistics.median(side) for side in zip(*pairs, strict=True)]
    said = (
        f"{median:.3f} times the base in the median of {len(ratios)} pairs"
        f" ({sides[0]:.4g} to {sides[1]:.4g}); "
        f"at least {bound:.3f} with 95 % confidence, allowed {1 + threshold:.3f}"
    )
    return said, bound > 1 + threshold


def _place(many: int) -> int:
    """Of so many ratios in order, the last that is below the true median in at least 95 of 100 cases."""
    tail, place = 0.0, -1
    while tail + math.comb(many, place + 1) / 2**many <= _CHANCE:
        place += 1
        tail += math.comb(many, place) / 2**many
    return place


def _pair(gate: Gate, ground: Ground, before: Path, after: Path, *, turn: int) -> tuple[float, float]:
    """One measure of each side, in turns: whatever drifts meets both."""
    if turn % 2:
        second = _measure(gate, ground, after)
        return _measure(gate, ground, before), second
    first = _measure(gate, ground, before)
    return first, _measure(gate, ground, after)


def _measure(gate: Gate, ground: Ground, tree: Path, *, tries: int = _TRIES) -> float:
    """Seconds, or the number in the last line that was printed; more is slower.

    Raises:
        _NoMeasureError: each time it failed or printed no number, or it took too long.
    """
    try:
        return _measure_once(gate, ground, tree)
    except _NoMeasureError as error:
        if error.result.timed_out or tries == 1:
            raise
        ground.note(f"{error}; it is measured again")
    return _measure(gate, ground, tree, tries=tries - 1)


def _measure_once(gate: Gate, ground: Ground, tree: Path) -> float:
    result = ground.run_on(tree, gate)
    if not result.passed:
        raise _NoMeasureError(tree, result)
    if gate.measure == "time":
        return result.duration_s
    last = next((line for line in reversed(result.output.splitlines()) if line.strip()), "")
    try:
        number = float(last)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        said = f"its last line is no number above 0: {last[:100]!r}"
        unmeasured = replace(result, exit_code=1, output=f"{result.output}\n{said}", found=said)
        raise _NoMeasureError(tree, unmeasured)
    return number
