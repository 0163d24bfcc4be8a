"""A running task is replaced by a sub-DAG, and its dependents wait for that."""

import pytest
from expansion_board import DIAMOND, WORKER, Board

from swarm.engine.claims import Expand, Finish
from swarm.engine.engine import Engine
from swarm.engine.store import Store
from swarm.errors import PlanError, StaleTokenError
from swarm.models.usage import Usage
from swarm.observe.story import tell_event
from swarm.plan.subplan import MOST_TASKS
from swarm.states import RunState
from swarm.testing.clock import SkewedClock
from swarm.testing.dumps import content
from swarm.testing.plans import make_plan, make_task


def test_dependents_wait_for_the_sinks(board: Board) -> None:
    """The task is done, without another attempt, when the last of its parts is; then its dependents go on."""
    queued = board.expand("task")
    record = board.engine.task(board.run, "task")
    board.finish("task.a", "task.b", "task.c")
    before_the_sink = board.states()
    board.finish("task.d")

    assert queued == ["task.a"]
    assert record.parts == ("task.a", "task.b", "task.c", "task.d")
    assert (record.join, record.waiting_for) == (("task.d",), ("task.d",))
    assert (before_the_sink["task"], before_the_sink["last"]) == ("pending", "pending")
    assert (board.state("task"), board.state("last")) == ("done", "queued")
    board.finish("last")
    assert board.engine.run(board.run).state is RunState.DONE
    assert board.engine.task(board.run, "task").attempt == 1


def test_the_story_of_an_expanded_task_ends_with_its_parts(board: Board) -> None:
    """It did not change nothing: what it became did what it was to do."""
    board.expand("task")
    board.finish("task.a", "task.b", "task.c", "task.d")

    told = [tell_event(event) for event in board.engine.events() if event.kind == "task_done"]

    assert told[-1] == "task is done, with all that it was expanded into"
    assert told[-2] == "task.d is done; it changed nothing"


def test_several_sinks_are_all_waited_for(board: Board) -> None:
    """The last of them decides, in whatever order they end, and each dependent is queued once."""
    board.expand("task", make_plan("x", "y", "z"))
    board.finish("task.z", "task.x")
    before = board.state("task")
    board.finish("task.y")

    assert before == "pending"
    assert board.state("last") == "queued"
    assert board.times_queued()["last"] == 1


def test_parts_expand_in_their_turn(board: Board) -> None:
    """Four levels deep, the last end of the innermost makes all of them done in one call, inside out."""
    names = ["task"]
    for _ in range(4):
        board.expand(names[-1], make_plan("sub"))
        names.append(f"{names[-1]}.sub")
    board.finish(names[-1])

    assert [board.state(name) for name in names] == ["done"] * 5
    assert board.state("last") == "queued"
    done = [event.task for event in board.engine.events(limit=500) if event.kind == "task_done"]
    assert done == ["first", *reversed(names)]
    assert board.times_queued()["last"] == 1


def test_a_sink_may_be_a_join_beside_others(board: Board) -> None:
    """Of a diamond one side and the sink expand; nothing starts before all that it waits for is done."""
    board.expand("task")
    board.finish("task.a")
    board.expand("task.b", make_plan("x", "y"))
    board.finish("task.c", "task.b.x")
    before = board.states()
    board.finish("task.b.y")
    board.expand("task.d")
    board.finish("task.d.a", "task.d.b", "task.d.c")
    between = board.states()
    board.finish("task.d.d", "last")

    assert (before["task.b"], before["task.d"]) == ("pending", "pending")
    assert (between["task.d"], between["task"], between["last"]) == ("pending", "pending", "pending")
    assert set(board.states().values()) == {"done"}
    assert set(board.times_queued().values()) == {1}


def test_eighty_levels_are_done_at_once(engine: Engine) -> None:
    """As many as a name has room for, about: the end of the innermost is the end of all."""
    board = Board(engine, make_plan("t", make_task("last", after=["t"])))
    name = "t"
    for _ in range(80):
        board.expand(name, make_plan("s"))
        name += ".s"

    board.finish(name)

    assert set(board.states().values()) == {"done", "queued"}
    assert board.state("last") == "queued"


def test_many_parts_may_wait_for_one(board: Board) -> None:
    """A sub-plan of the largest size, in which all but one wait for the first."""
    plan = make_plan("root", *(make_task(f"t{n}", after=["root"]) for n in range(MOST_TASKS - 1)))

    board.expand("task", plan)
    board.finish("task.root")
    for number in range(MOST_TASKS - 1):
        board.finish(f"task.t{number}")

    assert (board.state("task"), board.state("last")) == ("done", "queued")


def test_a_larger_sub_plan_is_refused(board: Board) -> None:
    """One script stores it, so it has a bound; the claim goes on."""
    claim = board.claim("task")

    with pytest.raises(PlanError, match=f"201 tasks, at most {MOST_TASKS}"):
        board.engine.expand(claim, make_plan(*(f"t{n}" for n in range(MOST_TASKS + 1))))

    board.engine.finish(claim)


def test_the_same_call_again_gets_the_first_answer(board: Board, store: Store) -> None:
    """A lost reply costs nothing: the operation's id says that it was done."""
    claim = board.claim("task")
    call = board.engine._caller.call
    verb, arguments = board.engine._ending(claim, Expand(DIAMOND), usage=Usage())
    first = call(verb, f"{board.run}/task", claim.token, *arguments)
    before = content(store)

    again = call(verb, f"{board.run}/task", claim.token, *arguments)

    assert again == first == [b"OK", b"task.a"]
    assert content(store) == before


def test_a_stale_token_expands_nothing(board: Board, store: Store, clock: SkewedClock) -> None:
    """Whoever lost the task to its lease cannot put others in its place."""
    claim = board.claim("task")
    clock.advance(ms=board.engine.lease_ms + 1)
    board.engine.reclaim_expired()
    before = content(store)

    with pytest.raises(StaleTokenError):
        board.engine.expand(claim, DIAMOND)

    assert content(store) == before


def test_an_expanded_task_cannot_be_ended_by_its_worker(board: Board) -> None:
    """The attempt that asked is over: its token is void."""
    claim = board.claim("task")
    board.engine.expand(claim, DIAMOND)

    with pytest.raises(StaleTokenError):
        board.engine.finish(claim)
    with pytest.raises(StaleTokenError):
        board.engine.expand(claim, make_plan("other"))

    assert board.state("task") == "pending"
    assert "task.other" not in board.states()


def test_a_cancelled_task_expands_nothing(board: Board) -> None:
    """Cancel came first."""
    claim = board.claim("task")
    board.engine.cancel(board.run, "task")

    with pytest.raises(StaleTokenError):
        board.engine.expand(claim, DIAMOND)

    assert sorted(board.states()) == ["first", "last", "task"]


def test_expanding_takes_the_next_task_in_the_same_call(board: Board) -> None:
    """One round trip, as for every other end of an attempt."""
    claim = board.claim("task")

    following = board.engine.end_and_claim(claim, Expand(DIAMOND), WORKER, "next")

    assert following is not None
    assert following.task.id == "task.a"


def test_locks_and_lease_go_with_the_attempt(engine: Engine) -> None:
    """The parts take the locks that the task had; the lease of one that is over reclaims nothing."""
    board = Board(engine, make_plan(make_task("task", files=["src/"])))
    board.expand("task", make_plan(make_task("x", files=["src/x.py"]), make_task("y", files=["src/y.py"])))

    held = [board.claim("task.x"), board.claim("task.y")]

    assert [lock.path for lock in engine.locks()] == ["src/x.py", "src/y.py"]
    assert engine.depth("leases") == 2
    for claim in held:
        engine.finish(claim)
    assert engine.run(board.run).state is RunState.DONE


def test_a_paused_run_gives_out_no_parts(board: Board) -> None:
    """They stand aside like all of its tasks."""
    claim = board.claim("task")
    board.engine.pause(board.run)
    board.engine.expand(claim, DIAMOND)

    assert board.engine.claim(WORKER, "paused") is None

    board.engine.resume(board.run)
    board.finish("task.a", "task.b", "task.c", "task.d", "last")


def test_a_landing_that_git_proves_makes_the_parts_superfluous(board: Board) -> None:
    """An older copy of Redis may have expanded what has landed by itself."""
    board.expand("task")

    board.engine.reconcile(board.run, "task", attempt=1, merge_token=90, commit="landed")

    assert (board.state("task"), board.state("last")) == ("done", "queued")
    assert board.state("task.a") == "skipped"


def test_what_the_expanding_attempt_spent_is_not_wasted(board: Board) -> None:
    """Its result is the sub-plan."""
    board.engine.expand(board.claim("task"), DIAMOND, usage=Usage(cost_microusd=5))

    record = board.engine.task(board.run, "task")
    assert (record.usage.cost_microusd, record.wasted.cost_microusd) == (5, 0)
    assert board.engine.run(board.run).usage.cost_microusd == 5


def test_the_short_way_leaves_the_end_of_a_join_to_the_general_way(board: Board) -> None:
    """Finish-and-claim of the last sink, without usage and at the first attempt, triggers as it should."""
    board.expand("task", make_plan("x"))

    following = board.engine.end_and_claim(board.claim("task.x"), Finish(), WORKER, "next")

    assert following is not None
    assert following.task.id == "last"
    assert board.state("task") == "done"
