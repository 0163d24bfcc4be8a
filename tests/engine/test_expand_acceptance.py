"""Expanding a task that has acceptance commands: they judge one part more, which nothing gets rid of."""

from dataclasses import replace

import pytest
from expansion_board import Board

from swarm.engine.claims import Failure
from swarm.engine.engine import Engine
from swarm.plan.subplan import MOST_TASKS
from swarm.states import FailureKind
from swarm.testing.plans import make_plan, make_task

NO = Failure(FailureKind.GATE_FAILED, "no", retryable=False)


@pytest.fixture
def board(engine: Engine) -> Board:
    """A run of `task → last`, of which the first has an acceptance command."""
    whole = replace(make_task("task"), acceptance=(("false",),))
    return Board(engine, make_plan(whole, make_task("last", after=["task"])))


def test_a_task_with_acceptance_waits_for_the_part_that_is_judged_by_it(board: Board) -> None:
    """Whoever expands it: one part more than asked for, the only one that it waits for."""
    board.expand("task", make_plan(*(f"t{n}" for n in range(MOST_TASKS))))
    for number in range(MOST_TASKS):
        board.finish(f"task.t{number}")

    assert (board.state("task"), board.state("last")) == ("pending", "pending")
    record = board.engine.task(board.run, "task")
    assert record.join == ("task.accept",)
    assert board.engine.task(board.run, "task.accept").spec.acceptance == (("false",),)
    board.finish("task.accept")
    assert (board.state("task"), board.state("last")) == ("done", "queued")


def test_retrying_the_task_has_it_judged_again(board: Board) -> None:
    """Of what it was expanded into only the part that failed comes back, and the task waits for it."""
    board.expand("task", make_plan("x"))
    board.finish("task.x")
    board.engine.fail(board.claim("task.accept"), NO)
    assert board.state("task") == "upstream_failed"

    board.engine.retry(board.run, "task")

    states = {"task": "pending", "task.x": "done", "task.accept": "queued", "last": "pending"}
    assert board.states() == states


def test_beginning_anew_does_not_get_out_of_it(board: Board) -> None:
    """The first expansion is skipped; the next is judged in the same way, also where a part expands again."""
    board.expand("task", make_plan("x"))
    board.finish("task.x")
    board.engine.fail(board.claim("task.accept"), NO)

    board.engine.retry(board.run, "task", fresh=True)
    assert board.state("task.accept") == "skipped"
    board.expand("task", make_plan("x"))
    board.expand("task.2.x", make_plan("y"))
    board.finish("task.2.x.y")

    assert (board.state("task.2.x"), board.state("task")) == ("done", "pending")
    board.finish("task.2.accept")
    assert (board.state("task"), board.state("last")) == ("done", "queued")
