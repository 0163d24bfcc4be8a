"""Every step of a merge cut short: killed, stopped, broken. By itself or by another it ends well."""

import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from doomed_merger import Doomed, start_doomed
from merge_board import Board
from merge_crashes import MERGE_POINTS, NAMES, hand_in_all, see_through

from swarm.crashpoints import POINTS
from swarm.repo.hub.hub import Hub
from swarm.repo.hub.writing import RefsBusyError

WITH_THE_LOCK = "merge.after_tx"
Start = Callable[..., Doomed]


@pytest.fixture
def start(board: Board, redis_url: str) -> Iterator[Start]:
    """Starts processes that merge the board's run, and ends them with the test."""
    started: list[Doomed] = []

    def begin(point: str = "", *, most: int = 64, goes_on: bool = False) -> Doomed:
        started.append(start_doomed(redis_url, board.hub.path, board.run, point, most=most, goes_on=goes_on))
        return started[-1]

    yield begin
    for each in started:
        each.end()


@pytest.fixture
def handed_in(board: Board) -> Board:
    """A run of three attempts that wait for their merge."""
    hand_in_all(board)
    return board


def kill_one(start: Start, point: str, *, most: int = 2, nth: int = 1) -> None:
    """Let a merge queue begin, and die there: one that saw the run through has not met the point."""
    doomed = start(f"{point}:{nth}:kill", most=most)
    doomed.wait_until("kill")
    assert doomed.exit_code == -signal.SIGKILL


def stop_one(start: Start, point: str) -> Doomed:
    """Let a merge queue begin, and stand still there."""
    doomed = start(f"{point}:1:stop", most=2)
    doomed.wait_until("stop")
    return doomed


def check(board: Board) -> None:
    """One trailer a task, strictly rising fences, all the work, and nothing left over."""
    assert sorted(board.done()) == NAMES
    assert board.violations() == []
    tip = board.hub.tip(board.branch)
    assert tip is not None
    assert all(board.hub.read_blob(tip, f"src/{name}.py") == b"landed\n" for name in NAMES)
    assert board.hub.refs_under("refs/swarm/attempt/") == {}
    gates = Path(board.hub.home / "gates")
    assert not gates.exists() or list(gates.iterdir()) == []


@pytest.mark.parametrize("point", MERGE_POINTS)
@pytest.mark.parametrize(("most", "nth"), [(1, 2), (2, 1), (64, 1)])
def test_killed_there_another_takes_over(
    handed_in: Board, start: Start, point: str, most: int, nth: int
) -> None:
    """Whichever landing of whatever train is cut short."""
    kill_one(start, point, most=most, nth=nth)
    handed_in.engine.reclaim_worker("doomed")

    see_through(handed_in, merges=True)

    check(handed_in)


@pytest.mark.parametrize("point", MERGE_POINTS)
def test_killed_there_it_comes_back(handed_in: Board, start: Start, point: str) -> None:
    """The same one is started again, and waits for what its former self still holds."""
    kill_one(start, point)

    start(most=2)
    see_through(handed_in, merges=False)

    check(handed_in)


@pytest.mark.parametrize("point", MERGE_POINTS)
def test_stopped_there_it_goes_on(handed_in: Board, start: Start, point: str) -> None:
    """Nobody else was there meanwhile."""
    stopped = stop_one(start, point)

    stopped.wake()
    see_through(handed_in, merges=False)

    assert stopped.wait() == 0
    check(handed_in)


@pytest.mark.parametrize("point", [point for point in MERGE_POINTS if point != WITH_THE_LOCK])
def test_stopped_there_another_takes_over_and_the_zombie_moves_nothing(
    handed_in: Board, start: Start, point: str
) -> None:
    """It wakes up after its lease, in the middle of what it was doing."""
    zombie = stop_one(start, point)
    see_through(handed_in, merges=True)
    tip = handed_in.hub.tip(handed_in.branch)

    zombie.wake()

    assert zombie.wait() == 0
    assert handed_in.hub.tip(handed_in.branch) == tip
    check(handed_in)


def test_stopped_with_the_lock_of_all_ref_writers_it_holds_the_others_up(
    handed_in: Board, start: Start
) -> None:
    """Nobody can tell what it would still write: they say who has it, and go on when it wakes up or dies."""
    stopped = stop_one(start, WITH_THE_LOCK)
    hub = Hub(handed_in.hub.path, patience_s=0.1)
    other = replace(handed_in, hub=hub).queue("merger-2")

    with pytest.raises(RefsBusyError, match=f"process {stopped.pid} has held the lock of all ref writers"):
        other.reconcile()
    stopped.wake()
    see_through(handed_in, merges=True)

    assert stopped.wait() == 0
    check(handed_in)


@pytest.mark.parametrize("point", MERGE_POINTS)
@pytest.mark.parametrize("who", ["itself", "another"])
def test_broken_there_it_ends_well(handed_in: Board, start: Start, point: str, who: str) -> None:
    """An error that nobody foresaw charges nobody, and loses nothing."""
    broken = start(f"{point}:1:raise", most=2, goes_on=who == "itself")

    if who == "another":
        broken.wait_until("raise")
        handed_in.engine.reclaim_worker("doomed")
    see_through(handed_in, merges=who == "another")

    assert broken.wait() == 0
    assert sum(record.failures for record in handed_in.engine.tasks(handed_in.run)) == 0
    check(handed_in)


def test_every_step_has_a_crash_point() -> None:
    """F0 to F8 are all there to be cut short at."""
    expected = {
        "attempt.after_commit", "merge.after_begin", "merge.after_fence", "merge.after_commit",
        "merge.after_gate", "merge.before_tx", "merge.after_tx", "merge.after_complete", "merge.after_sweep",
    }  # fmt: skip

    assert expected <= POINTS.keys()
