"""The table of moves: what the engine may do, and what README draws."""

import re
from pathlib import Path

import pytest

from swarm.states import MOVES, TERMINAL, FailureKind, RunState, TaskState

README = Path(__file__).resolve().parents[2] / "README.md"
S = TaskState


def moves_of(*scripts: str) -> set[tuple[TaskState | None, TaskState]]:
    """The moves of some scripts together."""
    return {move for script in scripts for move in MOVES[script]}


def test_done_is_never_left() -> None:
    """What has landed stays landed."""
    assert [script for script, moves in MOVES.items() for before, _ in moves if before is S.DONE] == []


def test_a_task_that_has_ended_comes_back_only_by_a_person_or_by_proof() -> None:
    """`retry`, `skip` (and `work`, which ends what they began), and `reconcile`, by what is in git."""
    leaving = {script for script, moves in MOVES.items() for before, _ in moves if before in TERMINAL}

    assert "retry" in leaving
    assert leaving <= {"retry", "skip", "work", "reconcile"}


def test_only_landings_and_empty_attempts_are_done() -> None:
    """Neither a worker nor a model says `done`, but for `finish`, where there is nothing to merge.

    A pending task becomes done by its parts alone: whatever triggers dependents tells it of their end.
    """
    by_parts = (S.PENDING, S.DONE)
    saying_done = {
        script for script, moves in MOVES.items() for move in moves if move[1] is S.DONE and move != by_parts
    }

    assert "complete" in saying_done
    assert saying_done == {"complete", "finish", "reconcile"}
    assert {script for script, moves in MOVES.items() if by_parts in moves} == saying_done | {"skip", "work"}


def test_every_state_but_pending_is_reached_from_another() -> None:
    """No state is decoration."""
    reached = {after for moves in MOVES.values() for before, after in moves}

    assert set(S) - reached == set()


def test_every_live_state_has_a_way_out() -> None:
    """A task cannot get stuck: each state that is not terminal can be left, also by `cancel`."""
    for state in set(S) - TERMINAL:
        assert (state, S.CANCELLED) in MOVES["cancel"]
        assert any(before is state and after is not S.CANCELLED for before, after in moves_of(*MOVES))


def test_the_way_through_is_in_the_table() -> None:
    """From pending over queued, acked, running and merging to done, one script a step."""
    way = [
        ("submit", None, S.PENDING),
        ("activate", S.PENDING, S.QUEUED),
        ("claim", S.QUEUED, S.ACKED),
        ("start", S.ACKED, S.RUNNING),
        ("hand_in", S.RUNNING, S.MERGING),
        ("complete", S.MERGING, S.DONE),
    ]

    assert [step for step in way if (step[1], step[2]) not in MOVES[step[0]]] == []


@pytest.mark.parametrize("state", S)
def test_is_terminal_agrees_with_the_set(state: TaskState) -> None:
    """Two spellings, one meaning."""
    assert state.is_terminal is (state in TERMINAL)


@pytest.mark.parametrize("state", RunState)
def test_a_run_ends_done_failed_or_cancelled(state: RunState) -> None:
    """Waiting for a run means waiting for one of these."""
    assert state.is_terminal is (state.value in {"done", "failed", "cancelled"})


@pytest.mark.parametrize("kind", FailureKind)
def test_faults_of_the_surroundings_charge_no_attempt(kind: FailureKind) -> None:
    """A task's attempts are used up only by what the task itself did."""
    assert kind.is_charged is (
        kind.value not in {"infrastructure", "provider", "limit", "crash", "approval", "cancelled"}
    )


RULES = ("cancel", "retry", "skip", "reconcile")
"""Scripts whose moves the README puts into a sentence each; as arrows they would hide the others."""


def test_the_diagram_in_the_readme_draws_the_table() -> None:
    """Each arrow is a move, and each move is an arrow but those of the three rules beneath."""
    (diagram,) = re.findall(r"```mermaid\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    arrows = set(re.findall(r"^ {4}(\S+) --> ([^\s:]+)", diagram, re.MULTILINE))
    drawn = moves_of(*(MOVES.keys() - {*RULES, "work"}))
    drawn_ends = {state for _, state in drawn if state in TERMINAL}

    assert arrows == {(str(before or "[*]"), str(after)) for before, after in drawn} | {
        (str(state), "[*]") for state in drawn_ends
    }
    assert MOVES["work"] <= moves_of(*(MOVES.keys() - {"work"}))


def test_the_rules_beneath_the_diagram_are_those_of_the_table() -> None:
    """What the README says of `cancel`, `retry`, `skip` and `reconcile` in a sentence is what they may do."""
    beneath = README.read_text(encoding="utf-8").partition("Four moves are not drawn.")[2].partition("##")[0]

    assert set(re.findall(r"`(\w+)` (?:makes|brings)", beneath)) == set(RULES)
    assert MOVES["cancel"] == {(state, S.CANCELLED) for state in set(S) - TERMINAL}
    assert {before for before, _ in MOVES["retry"]} == {S.FAILED, S.CANCELLED, S.UPSTREAM_FAILED, S.SKIPPED}
    assert {after for _, after in MOVES["retry"]} == {S.QUEUED, S.PENDING}
    assert {before for before, after in MOVES["skip"] if after is S.SKIPPED} == set(S) - {S.DONE, S.SKIPPED}
    assert {before for before, after in MOVES["reconcile"] if after is S.DONE} == set(S) - {S.DONE}
