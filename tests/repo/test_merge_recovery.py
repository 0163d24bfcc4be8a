"""What a killed merge queue leaves: the next one ends in the same history, or stops and says why."""

import os
import signal
import subprocess
import sys

import pytest
from merge_board import NOBODY, Board, gate_that, task, write

from swarm.crashpoints import POINTS
from swarm.repo.merge_queue import Landing, Outcome
from swarm.repo.refs import task_ref

CHILD = """
import sys
from pathlib import Path
from swarm.crashpoints import arm
from swarm.engine.engine import Engine
from swarm.engine.wire import HiredisStore
from swarm.repo.hub import Hub
from swarm.repo.merge_queue import MergeQueue
from swarm.testing.launcher import SubprocessLauncher
url, hub, point, most = sys.argv[1:]
arm(point)
hub = Hub(Path(hub))
engine, launcher = Engine(HiredisStore(url), "p"), SubprocessLauncher()
queue = MergeQueue(engine, hub, launcher, merger_id="doomed", home=hub.home, most=int(most))
queue.reconcile()
while queue.land_train():
    pass
"""


MERGE_POINTS = sorted(point for point in POINTS if point.startswith("merge."))


@pytest.mark.parametrize("point", MERGE_POINTS)
@pytest.mark.parametrize(("most", "nth"), [(1, 1), (1, 2), (2, 1), (64, 1)])
def test_a_kill_at_any_step_ends_in_the_same_history(
    board: Board, redis_url: str, point: str, most: int, nth: int
) -> None:
    """Whichever landing is cut short wherever, another merge queue ends with one trailer a task."""
    gate_that(board, "true")
    names = ["a", "b", "c"]
    board.submit(*(task(name, f"src/{name}.py") for name in names))
    for _ in names:
        claim = board.claim()
        workspace = board.workspace(claim)
        (workspace.tree / f"src/{claim.task.id}.py").write_text("landed\n")
        board.engine.hand_in(claim, commit=board.take(claim, workspace))
    killed = subprocess.run(
        [sys.executable, "-c", CHILD, redis_url, str(board.hub.path), f"{point}:{nth}:kill", str(most)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    board.engine.reclaim_worker("doomed")

    queue = board.queue("merger-2")
    frozen = queue.reconcile()
    landings = []
    while train := queue.land_train():
        landings += [landing.outcome for landing in train]

    assert frozen == ()
    assert set(landings) <= {Outcome.LANDED}
    assert sorted(board.done()) == names
    assert board.violations() == []
    tip = board.hub.tip(board.branch)
    assert all(board.hub.read_blob(f"{tip}:src/{name}.py") == b"landed\n" for name in names)
    assert board.hub.refs_under("refs/swarm/attempt/") == {}
    assert list((board.hub.home / "gates").iterdir()) == []


def test_every_step_has_a_crash_point() -> None:
    """F0 to F7 are all there to be killed at."""
    expected = {
        "attempt.after_commit", "merge.after_begin", "merge.after_fence", "merge.after_commit",
        "merge.after_gate", "merge.before_tx", "merge.after_tx", "merge.after_complete",
    }  # fmt: skip

    assert expected <= POINTS.keys()


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
