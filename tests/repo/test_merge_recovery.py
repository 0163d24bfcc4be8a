"""What a killed merge queue leaves: the next one ends in the same history, or stops and says why."""

from merge_board import NOBODY, Board, task, write

from swarm.repo.hub.refs import task_ref
from swarm.repo.merging.merge_queue import Landing, Outcome


def landed_once(board: Board) -> Landing:
    """A run of two tasks of which one has landed."""
    board.submit(task("one", "src/a.py"), task("two", "src/b.py"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    return board.land()


def test_a_lost_done_ref_is_made_again_from_the_trailer(board: Board) -> None:
    """The branch is the truth; the guard is repaired."""
    landing = landed_once(board)
    done = task_ref("done", board.run, landing.task)
    board.hub.git.run("update-ref", "-d", done)

    assert board.queue().reconcile() == ()

    assert board.hub.resolve(done) == landing.commit


def test_a_done_ref_that_the_branch_does_not_know_freezes_it(board: Board) -> None:
    """Nothing lands any more, the reason names both sides, and nothing is guessed."""
    landed_once(board)
    board.hub.create_refs({task_ref("done", board.run, "two"): board.user.head()})
    board.hand_in(write("src/b.py", "b = 2\n"))
    tip = board.hub.tip(board.branch)

    queue = board.queue()
    (frozen,) = queue.reconcile()
    [landing] = queue.land_train()

    assert frozen.branch == board.branch
    assert board.user.head()[:12] in frozen.reason
    assert board.branch in frozen.reason
    assert (landing.outcome, landing.reason) == (Outcome.FROZEN, frozen.reason)
    assert board.hub.tip(board.branch) == tip


def test_two_landings_of_one_task_freeze_the_branch(board: Board) -> None:
    """The reason names both commits."""
    landing = landed_once(board)
    git = board.hub.git
    message = git.run("log", "-1", "--format=%B", landing.commit)
    again = git.run(
        "commit-tree", f"{landing.commit}^{{tree}}", "-p", landing.commit, stdin=message, env=NOBODY
    )
    twice = again.decode().strip()
    board.hub.create_refs({f"refs/heads/{board.branch}": twice})

    (frozen,) = board.queue().reconcile()

    assert landing.commit[:12] in frozen.reason
    assert twice[:12] in frozen.reason
    assert board.violations() != []
