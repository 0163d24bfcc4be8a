"""What a killed merge queue leaves: the next one ends in the same history, or stops and says why."""

from pathlib import Path

import pytest
from merge_board import NOBODY, Board, task, write

from swarm.repo.git.trailers import landing_message
from swarm.repo.hub.hub import Hub
from swarm.repo.hub.putting_back import newest_of
from swarm.repo.hub.refs import branch_ref, task_ref
from swarm.repo.merging.merge_queue import Landing, Outcome
from swarm.repo.merging.reconcile import Reconciler
from swarm.testing.repository import UserRepository


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


@pytest.mark.unsound("git is made to contradict itself")
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


def on_top_of(hub: Hub, parent: str, message: str) -> str:
    """A commit that changes nothing."""
    made = hub.git.run("commit-tree", f"{parent}^{{tree}}", "-p", parent, "-m", message, env=NOBODY)
    return made.decode().strip()


def test_the_newest_of_very_many_landings_is_found(hub: Hub, user: UserRepository) -> None:
    """More ids than a command line takes; two of which neither leads to the other have no newest."""
    first = on_top_of(hub, user.head(), "first")
    second, beside = on_top_of(hub, first, "second"), on_top_of(hub, first, "beside")
    many = [user.head(), second, first] * 20_000

    assert newest_of(hub, many) == second
    assert newest_of(hub, [*many, beside]) == ""
    assert newest_of(hub, [*many, "f" * 40]) == ""
    assert newest_of(hub, []) == ""


def test_a_git_that_cannot_be_started_ends_no_supervisor(
    board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says nothing of the branch: that is told, and others land."""
    landed_once(board)
    broken = tmp_path / "bin"
    broken.mkdir()
    (broken / "git").touch(mode=0o644)
    monkeypatch.setenv("PATH", str(broken))

    (frozen,) = Reconciler(board.engine, board.hub).reconcile_all()

    assert (frozen.run, frozen.command) == (board.run, "")
    assert frozen.reason.startswith(f"branch {board.branch!r} cannot be read: [Errno 13] ")


def test_what_somebody_has_put_on_the_branch_is_where_attempts_begin(board: Board) -> None:
    """A person's commit on top of what landed: the next claim holds it, though nothing lands in between."""
    landing = landed_once(board)
    queue = board.queue()
    pushed = commit_on(board, landing.commit, "docs/human.md")
    board.hub.create_refs({branch_ref(board.branch): pushed})

    queue.look_at_branches()
    queue.look_at_branches()

    told = [event.fields for event in board.engine.events(limit=1000) if event.kind == "branch_moved"]
    assert [(fields["from"], fields["tip"]) for fields in told] == [(landing.commit, pushed)]
    claim = board.claim()
    assert claim.base == pushed
    assert (board.workspace(claim).tree / "docs/human.md").read_text() == "by hand\n"


def test_a_landing_that_is_not_told_yet_is_nobody_elses_push(board: Board) -> None:
    """Between the move of the branch and the word to Redis a look of another process leaves it alone."""
    landing = landed_once(board)
    tip = board.engine.run(board.run).tip
    message = landing_message(board.run, task("two"), 1, 2)
    made = board.hub.git.run(
        "commit-tree", f"{landing.commit}^{{tree}}", "-p", landing.commit, "-m", message, env=NOBODY
    )
    board.hub.create_refs({branch_ref(board.branch): made.decode().strip()})

    board.queue().look_at_branches()

    assert board.engine.run(board.run).tip == tip


def test_a_branch_that_does_not_hold_what_landed_is_not_followed(board: Board) -> None:
    """No attempt begins where a dependency's work is missing, wherever the branch was moved to."""
    board.submit(task("one"))
    base = board.engine.run(board.run).tip
    made = board.hub.git.run("commit-tree", f"{base}^{{tree}}", "-m", "by hand", env=NOBODY)
    board.hub.create_refs({branch_ref(board.branch): made.decode().strip()})

    board.queue().look_at_branches()

    assert board.engine.run(board.run).tip == base


def commit_on(board: Board, parent: str, name: str) -> str:
    """Somebody's commit on top of another, with one more file."""
    board.user.git("fetch", "--quiet", str(board.hub.path), parent)
    board.user.git("checkout", "--quiet", "--detach", parent)
    commit = board.user.commit({name: "by hand\n"})
    board.hub.import_base(board.user.path, commit)
    return commit
