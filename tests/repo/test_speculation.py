"""The next train is judged beside this one: a right guess saves time, a wrong one changes nothing."""

import pytest
from merge_board import Board, gate_that, task, write

from swarm.repo.merging.landing import Outcome
from swarm.repo.merging.merge_queue import MergeQueue
from swarm.repo.merging.train_size import MOST, TrainSize
from swarm.testing.launcher import SubprocessLauncher

GATE = "echo $(ls src) >> $0/runs; sleep 0.3; ! grep -rq BAD src"
"""Slow enough for the next train to be coupled meanwhile."""


def queue_of(board: Board, most: int = 2) -> MergeQueue:
    """A merge queue that looks ahead."""
    return MergeQueue(
        board.engine,
        board.hub,
        SubprocessLauncher(),
        merger_id="merger-1",
        home=board.hub.home,
        most=most,
        looks_ahead=True,
    )


def hand_in(board: Board, *names: str, bad: str = "") -> None:
    """Attempts of one new file each."""
    for name in names:
        assert board.hand_in(write(f"src/{name}.py", "BAD\n" if name == bad else "good\n")).task.id == name


def runs(board: Board) -> list[list[str]]:
    """The new files that each run of the gate saw."""
    lines = (board.hub.path / "runs").read_text().splitlines()
    return [[word for word in line.split() if word.startswith("t")] for line in lines]


@pytest.fixture
def names(board: Board) -> list[str]:
    """A run of six tasks."""
    gate_that(board, GATE)
    made = [f"t{number}" for number in range(6)]
    board.submit(*(task(name, f"src/{name}.py") for name in made))
    return made


def test_a_right_guess_is_not_judged_again(board: Board, names: list[str]) -> None:
    """Each train runs the gates once, the second while the first is judged."""
    hand_in(board, *names[:4])
    queue = queue_of(board)

    first, second = queue.land_train(), queue.land_train()

    assert [landing.outcome for landing in (*first, *second)] == [Outcome.LANDED] * 4
    assert [len(seen) for seen in sorted(runs(board), key=len)] == [2, 4]
    assert all("has passed on this very tree before" in log for log in logs(board, second))
    assert board.violations() == []


def logs(board: Board, landings: tuple[object, ...]) -> list[str]:
    """What the first of a train keeps of its gates."""
    run, first = board.run, landings[0]
    path = board.hub.home / "logs" / run / f"{first.task}.{first.attempt}.gate.log"  # type: ignore[attr-defined]
    return [path.read_text()]


def test_behind_a_red_train_the_guess_is_dropped(board: Board, names: list[str]) -> None:
    """What comes next stands on another tree, and is judged there."""
    hand_in(board, *names[:4], bad=names[1])
    queue = queue_of(board)

    first, second = queue.land_train(), queue.land_train()

    assert {landing.task: landing.outcome for landing in first} == {
        "t0": Outcome.LANDED,
        "t1": Outcome.GATE_FAILED,
    }
    assert [landing.outcome for landing in second] == [Outcome.LANDED] * 2
    assert ["t0", "t2", "t3"] in [[name.removesuffix(".py") for name in seen] for seen in runs(board)]
    assert board.violations() == []


def test_a_red_guess_condemns_nobody_by_itself(board: Board, names: list[str]) -> None:
    """Only what ran in the slot counts: the gates are asked again."""
    hand_in(board, *names[:4], bad=names[3])
    queue = queue_of(board)

    first, second = queue.land_train(), queue.land_train()

    assert [landing.outcome for landing in first] == [Outcome.LANDED] * 2
    assert {landing.task: landing.outcome for landing in second} == {
        "t2": Outcome.LANDED,
        "t3": Outcome.GATE_FAILED,
    }
    assert board.violations() == []


def test_a_guess_that_others_have_overtaken_is_in_vain(board: Board, names: list[str]) -> None:
    """It waits for nobody: another train comes first, and everything lands."""
    hand_in(board, *names[:3])
    queue = queue_of(board, most=2)

    first = queue.land_train()
    hand_in(board, *names[3:])
    rest = [landing for train in iter(queue.land_train, ()) for landing in train]
    queue.close()

    assert [landing.outcome for landing in (*first, *rest)] == [Outcome.LANDED] * 6
    assert board.violations() == []


def test_how_long_the_next_train_may_be() -> None:
    """As after this one has passed; asking changes nothing."""
    size = TrainSize(MOST)

    expected = size.after(5)
    before = size.now()
    size.learn(5, 0)

    assert before < expected == size.now()
