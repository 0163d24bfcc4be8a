"""A git that is killed has said nothing: no answer of it is taken for a no."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from merge_board import Board, gate_that, task, write

from swarm.repo.git.command import GitError
from swarm.repo.hub.refs import branch_ref
from swarm.repo.merging.landing import Outcome
from swarm.repo.merging.reconcile import Reconciler
from swarm.states import TaskState

Kill = Callable[[str], None]
SCRIPT = """\
#!/bin/sh
case "$*" in
*"$(cat {order} 2>/dev/null || echo nothing-is-to-be-killed)"*)
  rm {order}
  # As git does it: all are checked and locked, then moved one after another; here the first alone.
  case "$*" in *"update-ref -z --stdin"*) head -z -n 3 | {git} "$@" ;; esac
  kill -9 $$
esac
exec {git} "$@"
"""


@pytest.fixture
def kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kill:
    """Kills the next git whose command line has these words."""
    folder, order = tmp_path / "bin", tmp_path / "order"
    folder.mkdir()
    script = folder / "git"
    script.write_text(SCRIPT.format(order=order, git=shutil.which("git")))
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def on(words: str) -> None:
        order.write_text(words)

    return on


@pytest.mark.parametrize("words", ["ls-tree -z --full-tree", "cat-file blob"])
def test_gates_that_could_not_be_read_are_no_missing_gates(board: Board, kill: Kill, words: str) -> None:
    """The attempt goes back uncharged; it does not land unjudged."""
    gate_that(board, "exit 1")
    board.submit(task("one", "src/a.py"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    kill(words)

    landing = board.land()

    assert landing.outcome == Outcome.INFRASTRUCTURE
    assert board.hub.tip(board.branch) == board.engine.run(board.run).base


def test_a_fence_that_could_not_be_read_is_not_lowered(board: Board, kill: Kill) -> None:
    """Not to be read is not to be zero."""
    board.submit(task("one", "src/a.py"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    board.hub.raise_fence(board.branch, 50)
    kill("--verify --quiet refs/swarm/fence")

    with pytest.raises(GitError):
        board.hub.raise_fence(board.branch, 7)

    assert board.hub.fence(board.branch) == 50


def test_a_branch_that_could_not_be_read_does_not_contradict_its_records(board: Board, kill: Kill) -> None:
    """Whoever asks again finds all in order."""
    board.submit(task("one", "src/a.py"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    board.land()
    record = board.engine.run(board.run)
    kill(f"--verify --quiet {branch_ref(board.branch)}")

    with pytest.raises(GitError):
        Reconciler(board.engine, board.hub).reconcile_run(record)

    assert Reconciler(board.engine, board.hub).reconcile_run(record) is None


def test_a_landing_of_which_only_the_branch_was_moved_has_landed(board: Board, kill: Kill) -> None:
    """The trailers say who: the task is done by that commit, and nothing is merged again."""
    gate_that(board, "true")
    board.submit(task("one", "src/a.py"))
    board.hand_in(write("src/a.py", "a = 2\n"))

    landing = board.land(race=lambda: kill("update-ref -z --stdin"))

    assert landing.outcome == Outcome.STALE
    board.queue().reconcile()
    record = board.engine.task(board.run, "one")
    assert (record.state, record.merged_commit) == (TaskState.DONE, board.hub.tip(board.branch))
    assert board.violations() == []


def test_packs_that_cannot_be_put_together_stop_nothing(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, say: what was landed has landed, and everybody hears of it."""
    monkeypatch.setattr("swarm.repo.hub.tidying.MOST_PACKS", -1)
    (board.hub.path / "tidy.lock").mkdir()
    board.submit(task("one", "src/a.py"))
    board.hand_in(write("src/a.py", "a = 2\n"))

    assert board.land().outcome == Outcome.LANDED


def test_a_damaged_run_stops_no_other(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told, by its name, and a merge queue can begin."""

    def broken(_self: Reconciler, _record: object) -> None:
        raise GitError(("git", "log"), 128, b"bad object")

    board.submit(task("one", "src/a.py"))
    monkeypatch.setattr(Reconciler, "reconcile_run", broken)

    [frozen] = board.queue().reconcile()

    assert frozen.run == board.run
    assert "bad object" in frozen.reason
