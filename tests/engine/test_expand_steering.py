"""What becomes of a join and its parts when one fails, or a person cancels, retries or skips."""

import pytest
from expansion_board import FATAL, Board

from swarm.engine.engine import Engine
from swarm.errors import StaleTokenError
from swarm.states import RunState
from swarm.testing.plans import make_plan, make_task


def test_a_part_that_fails_fails_what_waits_for_the_task(board: Board) -> None:
    """Like any dependency: the join, and its dependents; parts that do not depend on it go on."""
    board.expand("task")
    board.finish("task.a")
    board.engine.fail(board.claim("task.b"), FATAL)

    states = board.states()
    assert (states["task.d"], states["task"], states["last"]) == ("upstream_failed",) * 3
    board.finish("task.c")
    assert board.engine.run(board.run).state is RunState.FAILED


def test_a_run_that_fails_fast_calls_off_all_parts(engine: Engine) -> None:
    """The first part that fails ends what its siblings are at."""
    board = Board(engine, make_plan("task", make_task("last", after=["task"])), fail_fast=True)
    board.expand("task", make_plan("x", "y", make_task("z", after=["y"])))
    sibling = board.claim("task.y")

    engine.fail(board.claim("task.x"), FATAL)
    engine.reclaim_expired()

    states = board.states()
    assert (states["task.y"], states["task.z"]) == ("cancelled", "cancelled")
    assert (states["task"], states["last"]) == ("upstream_failed", "upstream_failed")
    with pytest.raises(StaleTokenError):
        engine.finish(sibling)
    assert engine.run(board.run).state is RunState.FAILED


def test_retrying_a_failed_part_goes_on_with_the_task(board: Board) -> None:
    """What failed because of it comes back, and waits again."""
    board.expand("task")
    board.finish("task.a")
    board.engine.fail(board.claim("task.b"), FATAL)
    board.finish("task.c")

    board.engine.retry(board.run, "task.b")
    waiting = board.states()
    board.finish("task.b", "task.d", "last")

    assert (waiting["task.d"], waiting["task"], waiting["last"]) == ("pending",) * 3
    assert board.engine.run(board.run).state is RunState.DONE


def test_retrying_the_task_retries_its_failed_parts(board: Board) -> None:
    """What it waits for is what it was expanded into; it is not itself done again."""
    board.expand("task")
    board.engine.fail(board.claim("task.a"), FATAL)

    board.engine.retry(board.run, "task")

    states = board.states()
    assert (states["task.a"], states["task.d"], states["task"]) == ("queued", "pending", "pending")
    board.finish("task.a", "task.b", "task.c", "task.d", "last")
    assert board.engine.task(board.run, "task").attempt == 1


@pytest.mark.parametrize("only_failed", [True, False])
def test_retrying_the_run_brings_all_of_it_back(board: Board, *, only_failed: bool) -> None:
    """Nested joins among it."""
    board.expand("task")
    board.expand("task.a", make_plan("x", "y"))
    board.finish("task.a.y")
    board.engine.fail(board.claim("task.a.x"), FATAL)

    if only_failed:
        board.engine.retry_failed(board.run)
    else:
        board.engine.retry(board.run)

    board.finish("task.a.x", "task.b", "task.c", "task.d", "last")
    assert board.engine.run(board.run).state is RunState.DONE


def test_retrying_the_task_afresh_does_it_again(board: Board) -> None:
    """A new attempt of its own; the old parts are skipped, and a new expansion has other names."""
    board.expand("task")
    board.expand("task.a", make_plan("x", "y"))
    board.engine.fail(board.claim("task.a.x"), FATAL)

    moved = board.engine.retry(board.run, "task", fresh=True)
    undone = board.states()
    board.expand("task")
    board.finish(*(f"task.2.{part}" for part in "abcd"), "last")

    assert undone["task"] == "queued"
    assert moved == 2  # itself and `last`: what is skipped is not retried
    assert {state for name, state in undone.items() if name.startswith("task.")} == {"skipped"}
    assert board.engine.task(board.run, "task").parts == tuple(f"task.2.{part}" for part in "abcd")
    assert board.engine.run(board.run).state is RunState.DONE


def test_old_parts_count_for_nothing_after_a_fresh_retry(board: Board) -> None:
    """A part of the first expansion that a person runs after all ends nobody's wait."""
    board.expand("task", make_plan("x", "y"))
    board.engine.cancel(board.run, "task")
    board.engine.retry(board.run, "task", fresh=True)
    board.expand("task", make_plan("z"))
    board.engine.retry(board.run, "task.x")

    board.finish("task.x")

    assert (board.state("task"), board.state("last")) == ("pending", "pending")
    board.finish("task.z", "last")


def test_cancelling_the_task_cancels_its_parts(board: Board) -> None:
    """All levels of them, those at work too, and what depends on it."""
    board.expand("task")
    board.expand("task.a", make_plan("x", "y"))
    claim = board.claim("task.a.x")

    moved = board.engine.cancel(board.run, "task")

    assert set(board.states().values()) == {"done", "cancelled"}
    assert moved == 8
    with pytest.raises(StaleTokenError):
        board.engine.finish(claim)
    assert board.engine.run(board.run).state is RunState.CANCELLED


def test_cancelling_a_failed_join_stops_the_parts_that_go_on(board: Board) -> None:
    """The task has failed already; what it was expanded into still runs."""
    board.expand("task", make_plan("x", "y"))
    board.engine.fail(board.claim("task.x"), FATAL)

    assert board.engine.cancel(board.run, "task") == 1

    assert board.state("task.y") == "cancelled"


def test_retrying_a_cancelled_task_goes_on_where_it_was(board: Board) -> None:
    """The parts that were done stay so."""
    board.expand("task")
    board.finish("task.a")
    board.engine.cancel(board.run, "task")

    board.engine.retry(board.run, "task")
    board.finish("task.b", "task.c", "task.d", "last")

    assert board.engine.run(board.run).state is RunState.DONE


def test_skipping_the_task_skips_its_parts(board: Board) -> None:
    """Its dependents go on at once, and nothing of it is done any more."""
    board.expand("task")
    board.expand("task.a", make_plan("x", "y"))
    claim = board.claim("task.a.x")

    board.engine.skip(board.run, "task")

    states = board.states()
    assert states.pop("first") == "done"
    assert states.pop("last") == "queued"
    assert set(states.values()) == {"skipped"}
    with pytest.raises(StaleTokenError):
        board.engine.finish(claim)
    board.finish("last")
    assert board.engine.run(board.run).state is RunState.DONE
    assert board.engine.run(board.run).interventions == 1
    assert "task.b" not in board.times_queued()  # whoever waits for a part is skipped before it


def test_a_skipped_task_is_done_anew_when_retried(board: Board) -> None:
    """Its parts were skipped with it, so there is nothing to go on with."""
    board.expand("task")
    board.engine.skip(board.run, "task")

    board.engine.retry(board.run, "task")

    assert board.state("task") == "queued"
    board.finish("task", "last")


def test_skipping_the_last_part_makes_the_task_done(board: Board) -> None:
    """A skipped part counts as done, for the join as for others."""
    board.expand("task", make_plan("x", "y"))
    board.finish("task.x")

    board.engine.skip(board.run, "task.y")

    assert (board.state("task"), board.state("last")) == ("done", "queued")
