"""What becomes of an expanded task when Redis is emptied: git knows what landed, the plan knows no parts."""

from dataclasses import replace
from pathlib import Path

from merge_board import Board, task

from swarm.engine.store import Store
from swarm.repo.merging.merge_queue import Outcome
from swarm.states import RunState, TaskState
from swarm.testing.plans import make_plan

PARTS = make_plan(task("x", "src/x.py"), replace(task("y", "src/y.py"), dependencies=("x",)))


def land(board: Board, name: str) -> Outcome:
    """Claim the best task, which is `name`, change its file as nobody has before, and judge it."""

    def edit(tree: Path) -> None:
        (tree / f"src/{name.rpartition('.')[2]}.py").write_text(f"{name} by claim {board.claims}\n")

    claim = board.hand_in(edit)
    assert claim.task.id == name
    return board.land().outcome


def test_parts_that_have_landed_are_known_again_once_their_task_is_expanded_again(
    board: Board, store: Store
) -> None:
    """The plan is loaded again; a landing of a part that nobody knows stops nothing, and counts later."""
    tasks = (task("whole", "src/**"), replace(task("last", "src/last.py"), dependencies=("whole",)))
    board.submit(*tasks)
    board.engine.expand(board.claim(), PARTS)
    land(board, "whole.x")
    store.call("FLUSHALL")
    board.submit(*tasks)

    frozen = board.queue().reconcile()
    board.engine.expand(board.claim(), PARTS)
    again = land(board, "whole.x")
    land(board, "whole.y")
    land(board, "last")

    assert frozen == ()
    assert again is Outcome.LANDED
    record = board.engine.run(board.run)
    assert record.state is RunState.DONE
    trailers = board.hub.git.one_line("log", "--format=%(trailers:key=Swarm-Task,valueonly)", board.branch)
    names = [line.split("/")[1] for line in trailers.split()]
    assert names == ["last", "whole.y", "whole.x"]


def test_the_history_of_an_expanded_task_is_that_of_its_parts(board: Board) -> None:
    """It has no landing of its own, and each part has one."""
    board.submit(task("whole", "src/**"))
    board.engine.expand(board.claim(), PARTS)
    land(board, "whole.x")
    land(board, "whole.y")

    assert board.state("whole") is TaskState.DONE
    assert board.violations() == []
