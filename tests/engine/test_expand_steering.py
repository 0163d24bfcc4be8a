"""What becomes of a join and its parts when one fails, or a person cancels, retries or skips."""

from dataclasses import replace

import pytest
from expansion_board import WORKER, Board

from swarm.engine.caller import Caller
from swarm.engine.claims import Failure
from swarm.engine.engine import Engine
from swarm.engine.store import Store
from swarm.engine.submission import submit_plan
from swarm.errors import StaleTokenError
from swarm.states import FailureKind, RunState
from swarm.testing.clock import SkewedClock, skewed_lua_clock
from swarm.testing.engines import PROJECT
from swarm.testing.plans import BASE, make_plan, make_task

FATAL = Failure(FailureKind.TASK_ERROR, "no", retryable=False)


@pytest.fixture
def board(engine: Engine) -> Board:
    """A run of `first → task → last`, of which the first is done."""
    made = Board(
        engine, make_plan("first", make_task("task", after=["first"]), make_task("last", after=["task"]))
    )
    made.finish("first")
    return made


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

    board.engine.retry(board.run, "task", fresh=True)
    undone = board.states()
    board.expand("task")
    board.finish(*(f"task.2.{part}" for part in "abcd"), "last")

    assert undone["task"] == "queued"
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


def test_parts_may_not_outlive_the_deadline_of_the_task(engine: Engine, clock: SkewedClock) -> None:
    """They inherit it, and one of their own counts only when it is earlier."""
    board = Board(
        engine, make_plan(replace(make_task("task"), deadline_s=60.0), make_task("last", after=["task"]))
    )
    own = [replace(make_task("soon"), deadline_s=20.0), replace(make_task("late"), deadline_s=90.0)]
    board.expand("task", make_plan("none", *own))
    submitted = engine.run(board.run).submitted_ms

    deadlines = [engine.task(board.run, f"task.{name}").deadline_ms for name in ("none", "soon", "late")]
    for _ in range(16):
        clock.advance(ms=4_000)
        engine.reclaim_expired()

    assert [due - submitted for due in deadlines] == [60_000, 20_000, 60_000]
    assert set(board.states().values()) == {"failed", "upstream_failed"}
    assert engine.run(board.run).state is RunState.FAILED


def test_a_join_that_failed_by_its_deadline_can_be_retried(engine: Engine, clock: SkewedClock) -> None:
    """With its parts, which failed by the same."""
    board = Board(engine, make_plan(replace(make_task("task"), deadline_s=8.0)))
    board.expand("task", make_plan("x", "y"))
    board.finish("task.x")
    for _ in range(3):
        clock.advance(ms=4_000)
        engine.reclaim_expired()

    engine.retry_failed(board.run)
    board.finish("task.y")

    assert engine.run(board.run).state is RunState.DONE


def test_a_fresh_expansion_does_not_count_the_ends_of_the_old_one(board: Board, store: Store) -> None:
    """Also while the old parts are still being skipped: they are told one by one."""
    board.expand("task", make_plan("x", "y"))
    board.engine.fail(board.claim("task.x"), FATAL)
    op = board.engine._caller.new_op()
    assert board.engine._caller.call("retry", board.run, "task", op, "fresh")[0] == b"MORE"
    board.expand("task", make_plan("z"))

    board.engine.reclaim_expired()

    assert store.call("LLEN", board.engine.keys.of("work")) == 0
    assert (board.state("task"), board.state("last")) == ("pending", "pending")
    board.finish("task.z", "last")


def test_a_join_that_was_revived_with_nothing_to_wait_for_is_done(board: Board) -> None:
    """Its last part failed, and git then proves that it had landed."""
    board.expand("task", make_plan("x"))
    board.engine.fail(board.claim("task.x"), FATAL)

    board.engine.reconcile(board.run, "task.x", attempt=1, merge_token=90, commit="landed")

    assert (board.state("task"), board.state("last")) == ("done", "queued")


class Undrained(Caller):
    """A caller that stops before it has done what its scripts left over."""

    def drain_work(self, *, at_most: int | None = None) -> tuple[int, list[str]]:
        """Leave it to others."""
        return super().drain_work(at_most=min(0, at_most or 0))


def test_activating_a_run_queues_no_join(engine: Engine, store: Store) -> None:
    """A join that waits for its end to be told stands in the page of a run that is being activated."""
    tasks = ["task", *(f"t{number}" for number in range(299))]
    caller = Undrained(store, PROJECT, patience_s=1.0, lua={"_clock": skewed_lua_clock(PROJECT)})
    plan = make_plan(make_task("task", priority=9), *tasks[1:])
    run = submit_plan(
        caller, PROJECT, plan, base=BASE, key="", repository="", deadline_s=None, fail_fast=False
    )
    outer = engine.claim(WORKER, "c1")
    assert outer is not None
    engine.expand(outer, make_plan(make_task("j", priority=9)))
    inner = engine.claim(WORKER, "c2")
    assert inner is not None
    engine.expand(inner, make_plan(make_task("x", priority=9)))
    last = engine.claim(WORKER, "c3")
    assert last is not None
    assert last.task.id == "task.j.x"
    caller.call(
        "fail",
        f"{run}/task.j.x",
        last.token,
        caller.new_op(),
        "0 0 0 0",
        "task_error",
        "no",
        "",
        1,
        0,
        1,
        1,
        1,
    )
    caller.call("reconcile", f"{run}/task.j.x", 1, 90, caller.new_op(), "landed")

    engine.reclaim_expired()

    states = {name: str(engine.task(run, name).state) for name in ("task", "task.j", "task.j.x", "t298")}
    assert states == {"task": "done", "task.j": "done", "task.j.x": "done", "t298": "queued"}
