"""What the parts of an expanded task are: their names, their urgency, and what a run counts."""

import pytest
from expansion_board import Board

from swarm.engine.claims import Expand
from swarm.engine.engine import Engine
from swarm.engine.ranking import Ranking
from swarm.engine.replies import refuse
from swarm.engine.store import Store
from swarm.errors import RefusedError
from swarm.models.usage import Usage
from swarm.testing.dumps import content
from swarm.testing.plans import make_plan, make_task


def test_names_that_are_taken_get_the_attempt_into_them(engine: Engine) -> None:
    """A plan may have a task `task.a` of its own."""
    board = Board(engine, make_plan("task", "task.a"))

    board.expand("task", make_plan("a", "b"))

    assert engine.task(board.run, "task").parts == ("task.1.a", "task.1.b")
    board.finish("task.a", "task.1.a", "task.1.b")


def test_a_name_that_is_taken_in_between_is_refused(board: Board, store: Store) -> None:
    """Two tasks may come to the same name only at the same moment; the second changes nothing."""
    claim = board.claim("task")
    verb, arguments = board.engine._ending(claim, Expand(make_plan("sub")), usage=Usage())
    arguments = ["last" if word == "task.sub" else word for word in arguments]
    before = content(store)

    answer = board.engine._caller.call(verb, f"{board.run}/task", claim.token, *arguments)

    assert answer == [b"EXISTS", b"last"]
    assert content(store) == before
    with pytest.raises(RefusedError, match="'last' exists already"):
        refuse(["EXISTS", "last"], "task", claim.token)
    board.engine.finish(claim)


def test_parts_are_as_urgent_as_the_task_at_least(board: Board) -> None:
    """Whatever waits for the task waits for them, so none goes to the end of the queue."""
    before = board.engine.progress(board.run, ["task"])[0].score

    board.expand("task")

    parts = board.engine.progress(board.run, [f"task.{name}" for name in "abcd"])
    assert max(part.score for part in parts) <= before
    assert [part.score for part in parts] == sorted(part.score for part in parts)


def test_ranking_knows_what_waits_for_a_part(board: Board) -> None:
    """Ranked again, a sink is still followed by what follows its task, and has not sunk below it."""
    ranking = Ranking(board.engine)
    ranking.refresh(workers=1, now_ms=board.engine.now_ms())
    board.expand("task")

    ranking.refresh(workers=2, now_ms=board.engine.now_ms())

    scores = {
        name: board.engine.progress(board.run, [name])[0].score for name in ("task.a", "task.d", "last")
    }
    assert scores["task.a"] < scores["task.d"] < scores["last"]


def test_the_run_counts_its_parts(board: Board) -> None:
    """As many tasks as there are, in every count."""
    board.expand("task")

    record = board.engine.run(board.run)
    assert sum(record.counts.values()) == 7
    assert board.engine.active_runs() == {board.run: 7}
    assert [task.part_of for task in board.engine.tasks(board.run)] == ["", "", "", *["task"] * 4]


def test_parts_may_be_of_a_type_that_is_new(board: Board) -> None:
    """Workers hear of their queue."""
    board.expand("task", make_plan(make_task("x", type="strange")))

    assert "strange" in [queue.type for queue in board.engine.queues()]
    board.finish("task.x")
