"""A run whose merge is cut short somewhere, and is seen through all the same."""

import time

from doomed_merger import DEADLINE_S
from merge_board import WORKER, Board, gate_that, task

from swarm.crashpoints import POINTS
from swarm.repo.merging.landing import Outcome

NAMES = ["a", "b", "c"]
MERGE_POINTS = sorted(point for point in POINTS if point.startswith("merge."))


def hand_in_all(board: Board) -> None:
    """Start a run of three tasks, do them, and leave their merges to others."""
    gate_that(board, "true")
    board.submit(*(task(name, f"src/{name}.py") for name in NAMES))
    for _ in NAMES:
        claim = board.claim()
        workspace = board.workspace(claim)
        (workspace.tree / f"src/{claim.task.id}.py").write_text("landed\n")
        board.engine.hand_in(claim, commit=board.take(claim, workspace))


def hand_in_again(board: Board) -> None:
    """What workers do with tasks that came back: the attempt is durable, so no agent is run again."""
    board.claims += 1
    claim = board.engine.claim(WORKER, f"again-{board.claims}")
    if claim:
        found = board.hub.find_attempt(claim.run, claim.task.id)
        assert found is not None, f"{claim.task.id} would have to be done again"
        board.engine.start(claim)
        board.engine.hand_in(claim, commit=found.commit)


def see_through(board: Board, *, merges: bool) -> None:
    """Work, and merge as well, until the run ends."""
    queue = board.queue("merger-2")
    deadline_s = time.monotonic() + DEADLINE_S
    begun = False
    while not board.engine.run(board.run).state.is_terminal:
        assert time.monotonic() < deadline_s, board.engine.tasks(board.run)
        hand_in_again(board)
        if merges:
            board.engine.reclaim_expired()
            begun = begun or queue.reconcile() == ()
            for landing in queue.land_train():
                assert landing.outcome in {Outcome.LANDED, Outcome.STALE}
        time.sleep(0.01)
