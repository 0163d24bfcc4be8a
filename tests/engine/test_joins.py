"""Joins under deadlines and late news: they end, come back and are done as their parts say."""

from dataclasses import replace

from expansion_board import FATAL, WORKER, Board

from swarm.engine.caller import Caller
from swarm.engine.engine import Engine
from swarm.engine.store import Store
from swarm.engine.submission import submit_plan
from swarm.states import RunState
from swarm.testing.clock import SkewedClock, skewed_lua_clock
from swarm.testing.engines import PROJECT
from swarm.testing.plans import BASE, make_plan, make_task


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
        caller,
        PROJECT,
        plan,
        base=BASE,
        key="",
        repository="",
        hub=("", ""),
        deadline_s=None,
        fail_fast=False,
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
    caller.call("reconcile", f"{run}/task.j.x", 1, 90, caller.new_op(), "landed", "landed", 90)

    engine.reclaim_expired()

    states = {name: str(engine.task(run, name).state) for name in ("task", "task.j", "task.j.x", "t298")}
    assert states == {"task": "done", "task.j": "done", "task.j.x": "done", "t298": "queued"}
