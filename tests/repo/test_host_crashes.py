"""A merge on one host cut short at every step, and gone on with on another: they share a git server."""

import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from doomed_merger import Doomed, start_doomed
from merge_board import Board
from merge_crashes import MERGE_POINTS, NAMES, hand_in_all, see_through

from swarm.repo.hub.hub import Hub
from swarm.testing.checker_git import check_history
from swarm.testing.repository import UserRepository

Start = Callable[..., Doomed]


@pytest.fixture
def hub(server: Path, user: UserRepository) -> Hub:
    """The mirror of the host where the tasks are done."""
    made = Hub.open_or_create(user.path / ".swarm" / "repo.git", address=str(server))
    made.import_base(user.path)
    return made


@pytest.fixture
def handed_in(board: Board) -> Board:
    """A run of three attempts that wait for their merge."""
    hand_in_all(board)
    board.hub.share_base(board.user.head())
    return board


@pytest.fixture
def start(handed_in: Board, redis_url: str, server: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts processes that merge the board's run on a host of their own."""
    started: list[Doomed] = []

    def begin(point: str) -> Doomed:
        mirror = Hub.open_or_create(tmp_path / f"host-{len(started)}" / "repo.git")
        started.append(
            start_doomed(redis_url, mirror.path, handed_in.run, point, most=2, address=str(server))
        )
        return started[-1]

    yield begin
    for each in started:
        each.end()


def check(board: Board, server: Path) -> None:
    """On the server: one trailer a task, strictly rising fences, all the work, and no attempt left over."""
    there = Hub(server)
    assert sorted(board.done()) == NAMES
    assert check_history(server, board.branch, board.done()) == []
    tip = there.tip(board.branch)
    assert tip is not None
    assert all(there.read_blob(tip, f"src/{name}.py") == b"landed\n" for name in NAMES)
    board.queue("sweeper").reconcile()
    assert there.refs_under("refs/swarm/attempt/") == {}


@pytest.mark.parametrize("point", MERGE_POINTS)
def test_killed_there_another_host_takes_over(
    handed_in: Board, start: Start, server: Path, point: str
) -> None:
    """What the dead host had done is done, and nothing else is."""
    killed = start(f"{point}:1:kill")
    killed.wait_until("kill")
    assert killed.exit_code == -signal.SIGKILL
    handed_in.engine.reclaim_worker("doomed")

    see_through(handed_in, merges=True)

    check(handed_in, server)


@pytest.mark.parametrize("point", MERGE_POINTS)
def test_stopped_there_another_host_takes_over_and_the_zombie_moves_nothing(
    handed_in: Board, start: Start, server: Path, point: str
) -> None:
    """It wakes up after its slot has gone to another, with a mirror that knows nothing of that."""
    zombie = start(f"{point}:1:stop")
    zombie.wait_until("stop")
    see_through(handed_in, merges=True)
    tip = Hub(server).tip(handed_in.branch)

    zombie.wake()

    assert zombie.wait() == 0
    assert Hub(server).tip(handed_in.branch) == tip
    check(handed_in, server)


def test_many_hosts_merge_one_run_at_once(
    handed_in: Board, start: Start, server: Path, tmp_path: Path
) -> None:
    """Each of its attempts lands once."""
    for _ in range(3):
        start("")
    mirror = Hub.open_or_create(tmp_path / "last" / "repo.git", address=str(server))

    see_through(replace(handed_in, hub=mirror), merges=True)

    check(handed_in, server)
