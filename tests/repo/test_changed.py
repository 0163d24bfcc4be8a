"""Which paths commits change, as git has them."""

import json
from pathlib import Path

import pytest
from merge_board import Board, task, write

from swarm.archive.archiver import Archiver
from swarm.repo.changed import changed_paths, landed_paths
from swarm.repo.git.unseen import Unseen, unseen_in_patch
from swarm.settings import Settings


def test_a_landings_paths_are_those_that_changed_on_the_branch(board: Board) -> None:
    """Each landing of a train by itself: added, changed, deleted, both names of a move; quotes and all."""
    names = ["src/a.py", 'src/q"uo te', "src/ü\\x"]
    board.submit(task("one", priority=1), task("two", "docs/**"), task("idle", "x.txt"))
    board.hand_in(lambda tree: [(tree / name).write_text("x\n") for name in names])
    board.hand_in(lambda tree: (tree / "docs/guide.md").rename(tree / "docs/moved.md"))
    board.queue().land_train()

    found = landed_paths(board.hub.path, board.engine.tasks(board.run))

    assert {task_id: sorted(paths) for task_id, paths in found.items()} == {
        "one": sorted(names),
        "two": ["docs/guide.md", "docs/moved.md"],
    }


def test_what_the_branch_held_already_was_not_touched_again(board: Board) -> None:
    """The attempt's own commit says more than its landing did."""
    board.submit(task("one", "src/a.py", priority=1), task("two", "src/b.py"))

    def both(tree: Path) -> None:
        (tree / "src/a.py").write_text("same\n")
        (tree / "src/b.py").write_text("other\n")

    board.hand_in(write("src/a.py", "same\n"))
    two = board.hand_in(both)
    board.queue().land_train()

    attempt = board.engine.task(board.run, two.task.id).attempt_commit
    assert changed_paths(board.hub.git, [attempt])[attempt] == ("src/a.py", "src/b.py")
    assert landed_paths(board.hub.path, board.engine.tasks(board.run))["two"] == ("src/b.py",)


def test_what_a_patch_does_not_show_is_named_with_its_sizes(board: Board) -> None:
    """Binary by what it holds, or by an attribute of the attempt's own; a move shows all that it does."""
    first = board.user.commit({"old.bin": "a\0b", "gone.bin": "a\0", "move.bin": "m\0", "same.py": "x = 1\n"})
    for name in ("gone.bin", "move.bin"):
        (board.user.path / name).unlink()
    second = board.user.commit(
        {"old.bin": "a\0bcd", "ö\t.bin": "\0", "moved.bin": "m\0", "same.py": "x = 2\n"}
    )
    for commit in (first, second):
        board.hub.import_base(board.user.path, commit)

    found = unseen_in_patch(board.hub.git, first, second)

    assert sorted(found) == [
        Unseen("gone.bin", 2, 0),
        Unseen("old.bin", 3, 5),
        Unseen("ö\t.bin", 0, 1),
    ]


@pytest.mark.parametrize("commit", ["c" * 40, "landed", "HEAD", "--output=x", ""])
def test_what_is_no_commit_here_is_passed_over(board: Board, commit: str) -> None:
    """Another host's, or none at all: the others are told."""
    board.submit(task("one"))
    board.hand_in(write("src/a.py", "x\n"))
    landed = board.land().commit

    assert changed_paths(board.hub.git, [commit, landed, commit]) == {landed: ("src/a.py",)}


def test_the_archive_has_what_git_says_of_scopes(board: Board) -> None:
    """The report that outlives Redis, and the hub too."""
    board.submit(task("one", "src/a.py", "docs/"))
    board.hand_in(write("src/a.py", "x\n"))
    board.land()

    Archiver(board.engine, Settings(home=board.hub.home, project=board.engine.project)).step()

    report = json.loads((board.hub.home / "runs" / board.run / "report.json").read_text(encoding="utf-8"))
    assert (report["scope"]["recall"], report["scope"]["precision"]) == (1, 0.5)


@pytest.mark.unsound("its hub is no repository any more")
def test_without_a_hub_nothing_is_known(board: Board) -> None:
    """Nor with one that git cannot read; a report is made nevertheless."""
    board.submit(task("one"))
    board.hand_in(write("src/a.py", "x\n"))
    board.land()
    tasks = board.engine.tasks(board.run)

    assert landed_paths(board.hub.path / "gone", tasks) == {}
    (board.hub.path / "HEAD").write_text("nonsense\n")
    assert landed_paths(board.hub.path, tasks) == {}
