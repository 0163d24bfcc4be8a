"""What keeps a branch of the user's from being moved is said before gates run for it, with the next step."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from merge_board import Board, task, write
from user_states import fingerprint

from swarm.errors import RefusedError
from swarm.repo.delivery import Delivered, How, deliver
from swarm.repo.gates.gate import GateReport
from swarm.testing.repository import UserRepository


def into(board: Board, name: str, meanwhile: Callable[[], object] | None = None) -> Delivered:
    """Land the run's branch in one of the user's; gates run only where something happens meanwhile."""

    def judge(*_commits: str) -> GateReport:
        assert meanwhile, "a gate ran"
        meanwhile()
        return GateReport()

    base = board.engine.run(board.run).base
    return deliver(board.hub, board.user.path, board.branch, name, base=base, judge=judge)


@pytest.fixture
def apart(board: Board) -> Board:
    """A run has landed, and `release` has two commits of its own since: gates would run on both together."""
    board.user.git("checkout", "-q", "-b", "release")
    board.user.commit({"src/b.py": "b = 2\n"})
    board.user.commit({"src/b.py": "b = 3\n"})
    board.user.git("checkout", "-q", "main")
    board.submit(task("one", "src/a.py"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    board.land()
    return board


def rebasing(user: UserRepository) -> None:
    """A rebase of the branch that stopped at a conflict."""
    user.git("checkout", "-q", "-b", "other", "release~1")
    user.commit({"src/b.py": "b = 4\n"})
    user.git("rebase", "other", "release", check=False)
    assert (user.path / ".git/rebase-merge").exists()


def bisecting(user: UserRepository) -> None:
    """A bisect that began on the branch, and looks at another commit."""
    user.git("checkout", "-q", "release")
    user.git("bisect", "start", "HEAD", "HEAD~2")
    assert user.git("branch", "--show-current") == b""


@pytest.mark.parametrize("reach", [rebasing, bisecting])
def test_a_branch_that_is_rebased_or_bisected_is_left_alone_before_gates_run(
    apart: Board, reach: Callable[[UserRepository], None]
) -> None:
    """No work tree is on it by name; git would refuse to move it all the same, after minutes of gates."""
    reach(apart.user)
    before = fingerprint(apart.user)

    with pytest.raises(RefusedError, match=r"'release' is in the midst of a rebase or bisect in '.*project'"):
        into(apart, "release")

    assert fingerprint(apart.user) == before


def test_a_rebase_that_begins_while_gates_run_is_left_alone(apart: Board) -> None:
    """It is looked for again at the end."""
    with pytest.raises(RefusedError, match="in the midst of a rebase"):
        into(apart, "release", lambda: rebasing(apart.user))


def locked(board: Board, name: str) -> Path:
    """A lock beside a branch, as a git that was killed leaves it."""
    lock = board.user.path / f".git/refs/heads/{name}.lock"
    lock.touch()
    return lock


def test_a_locked_branch_is_refused_before_gates_run_with_the_file_to_remove(apart: Board) -> None:
    """The lock is not ours to take away; without it the same command lands."""
    lock = locked(apart, "release")
    before = fingerprint(apart.user)

    with pytest.raises(RefusedError, match=f"'release' is locked by '{lock}'") as refused:
        into(apart, "release")

    assert refused.value.hint.endswith("one was killed: remove that file, then land again")
    assert fingerprint(apart.user) == before
    lock.unlink()
    assert into(apart, "release", lambda: None).how is How.MERGED


def test_a_lock_that_is_held_is_told_with_the_process(apart: Board) -> None:
    """Whoever removes it now harms what that git does."""
    locked(apart, "release")
    argv = ["git", "cat-file", "--batch"]
    with subprocess.Popen(argv, cwd=apart.user.path, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as git:
        git.stdin.write(b"HEAD\n")  # type: ignore[union-attr]  # a pipe
        git.stdin.flush()  # type: ignore[union-attr]  # a pipe
        git.stdout.readline()  # type: ignore[union-attr]  # a pipe; it runs
        with pytest.raises(RefusedError) as refused:
            into(apart, "release")

    assert f"a git is at work there (process {git.pid}): land again once it has ended" in refused.value.hint


def test_a_lock_that_comes_while_gates_run_and_one_of_a_new_branch_are_named_too(apart: Board) -> None:
    """Git says so at the very end."""
    with pytest.raises(RefusedError, match="'release' is locked by"):
        into(apart, "release", lambda: locked(apart, "release"))
    lock = locked(apart, "new")
    with pytest.raises(RefusedError, match=f"'new' is locked by '{lock}'"):
        into(apart, "new")


def test_a_branch_that_cannot_be_written_is_refused_before_gates_run(apart: Board) -> None:
    """Here its folder leads to a disk that is not there; git's own words say what."""
    apart.user.git("branch", "-m", "release", "team/release")
    apart.user.git("pack-refs", "--all")
    (apart.user.path / ".git/refs/heads/team").symlink_to("/nowhere/team")

    with pytest.raises(RefusedError, match=r"'team/release' cannot be written: .*refs/heads/team") as refused:
        into(apart, "team/release")

    assert "nothing is lost" in refused.value.hint


@pytest.mark.parametrize(
    ("content", "said"), [("", "it names nothing"), ("1\n", "it names nothing"), ("1" * 40, "1" * 12)]
)
def test_a_branch_that_a_power_cut_has_broken_is_named(apart: Board, content: str, said: str) -> None:
    """The file of the very branch: empty, or of an object that is not there; without it all is well."""
    broken = apart.user.path / ".git/refs/heads/new"
    broken.write_text(content)

    with pytest.raises(RefusedError, match=f"branch 'new' of this repository is broken: {said}") as refused:
        into(apart, "new")

    assert "mend or remove .git/refs/heads/new, then land again" in (refused.value.hint or "")
    assert broken.read_text() == content
    broken.unlink()
    assert into(apart, "new").how == How.CREATED
