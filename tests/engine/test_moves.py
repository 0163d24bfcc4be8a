"""Every script, from every state, held to the one table of moves."""

import itertools
import re
from collections.abc import Iterator

import pytest

from swarm.engine.engine import Engine
from swarm.engine.scripts import read_script, verbs
from swarm.engine.store import Store
from swarm.errors import StaleTokenError
from swarm.states import MOVES, TaskState
from swarm.testing.clock import SkewedClock
from swarm.testing.stages import CALLS, Stage

MUST_MOVE = {
    ("claim", TaskState.QUEUED): TaskState.ACKED,
    ("start", TaskState.ACKED): TaskState.RUNNING,
    ("hand_in", TaskState.RUNNING): TaskState.MERGING,
    ("finish", TaskState.RUNNING): TaskState.DONE,
    ("complete", TaskState.MERGING): TaskState.DONE,
    ("send_back", TaskState.MERGING): TaskState.QUEUED,
    ("fail", TaskState.RUNNING): TaskState.QUEUED,
    ("release", TaskState.ACKED): TaskState.QUEUED,
    ("expand", TaskState.ACKED): TaskState.PENDING,
    ("expand", TaskState.RUNNING): TaskState.PENDING,
    ("reap", TaskState.RUNNING): TaskState.QUEUED,
    ("reap", TaskState.ACKED): TaskState.QUEUED,
    ("cancel", TaskState.MERGING): TaskState.CANCELLED,
    ("retry", TaskState.FAILED): TaskState.QUEUED,
    ("retry", TaskState.UPSTREAM_FAILED): TaskState.PENDING,
    ("reconcile", TaskState.QUEUED): TaskState.DONE,
    ("skip", TaskState.RUNNING): TaskState.SKIPPED,
    ("skip", TaskState.UPSTREAM_FAILED): TaskState.SKIPPED,
    ("retry", TaskState.SKIPPED): TaskState.QUEUED,
}


def test_every_script_is_called_here() -> None:
    """A new script cannot be forgotten."""
    assert sorted(CALLS) == verbs()


@pytest.mark.parametrize("state", TaskState)
@pytest.mark.parametrize("verb", sorted(CALLS))
def test_a_script_makes_only_the_moves_of_its_row(
    engine: Engine, store: Store, clock: SkewedClock, verb: str, state: TaskState
) -> None:
    """Whatever state a task is in, a script moves it along the table or not at all."""
    stage = Stage(engine, store, clock, state)
    before = stage.states()

    try:
        CALLS[verb](stage)
    except StaleTokenError:
        assert stage.states() == before
    after = stage.states()

    rows = MOVES.get(verb, frozenset())
    if verb in {"reconcile", "skip"}:
        # They revive dependents by the work that they leave over, in the same call of the engine.
        rows |= MOVES["work"]
    allowed = {(str(a), str(b)) for a, b in rows}
    moves = {(before[name], after[name]) for name in before if before[name] != after[name]}
    if verb == "forget" and not any(after.values()):
        moves.clear()  # the run had ended, and is gone
    assert moves <= allowed
    if (verb, state) in MUST_MOVE:
        assert after["task"] == MUST_MOVE[verb, state]
    if verb == "reconcile":
        # Git proved the dependent's landing, so it will prove its dependency's too.
        engine.reconcile(stage.run, "first", attempt=1, merge_token=49, commit="landed0")


def header_moves(verb: str) -> Iterator[tuple[str | None, str]]:
    """The moves that a Lua file claims in its header."""
    found = re.search(r"^-- Moves: (.*(?:\n--        .*)*)", read_script(verb), re.MULTILINE)
    assert found, f"{verb}.lua has no Moves line"
    for left, right in re.findall(r"(\w+) -> (\w+)", found[1]):
        yield (None if left == "none" else left), right


@pytest.mark.parametrize("verb", verbs())
def test_a_lua_header_repeats_its_row(verb: str) -> None:
    """`-- Moves:` says what states.MOVES says."""
    expected = {(a and str(a), str(b)) for a, b in MOVES.get(verb, frozenset())}

    assert set(header_moves(verb)) == expected


@pytest.mark.parametrize("verb", verbs())
def test_a_lua_header_fits_a_screen(verb: str) -> None:
    """No line of it is longer than 120 characters."""
    header = itertools.takewhile(lambda line: line.startswith("--"), read_script(verb).splitlines())

    assert [line for line in header if len(line) > 120] == []
