"""A merge slot that is lost while a train is judged: what was found out is no verdict, and what runs ends."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from merge_board import Board, task, write

from swarm.engine.claims import MergeTicket
from swarm.engine.engine import Engine
from swarm.engine.wire import HiredisStore
from swarm.errors import StaleTokenError
from swarm.repo.gates.cache import GateCache
from swarm.repo.merging.judging import Judge
from swarm.repo.merging.landing import Landing, Outcome
from swarm.repo.merging.merge_queue import MergeQueue
from swarm.repo.merging.slot import LeashedLauncher
from swarm.repo.merging.train import Car
from swarm.states import TaskState
from swarm.testing.launcher import SubprocessLauncher

CONFLICT = "<<<<<<< ours\nb\n=======\nc\n>>>>>>> theirs\n"


@pytest.fixture
def car(board: Board) -> Car:
    """An attempt that its gate, which starts no process, finds red."""
    board.user.commit({"swarm.toml": "[gate.conflicts]\n"})
    board.submit(task("one"))
    board.hand_in(write("src/a.py", CONFLICT))
    [ticket] = board.engine.begin_merge("merger")
    return Car(ticket, str(board.hub.resolve(f"{ticket.commit}^{{tree}}")), ticket.commit, True)  # noqa: FBT003


def judge_of(board: Board, leash: LeashedLauncher) -> Judge:
    """What judges the board's run."""
    cache = GateCache(board.hub.home, "")
    return Judge(board.hub, base=board.user.head(), leash=leash, home=board.hub.home, cache=cache)


def test_what_gates_found_after_the_slot_was_lost_is_no_verdict(board: Board, car: Car) -> None:
    """Red or green: whoever has the slot by now judges it, and may be at it already."""
    leash = LeashedLauncher(SubprocessLauncher())
    judge = judge_of(board, leash)
    own = judge.own(car)

    leash.cut()

    assert own.passed
    with pytest.raises(StaleTokenError, match="was lost while gates ran"):
        judge.judge([car], tip=board.user.head())


def test_what_a_task_said_of_itself_after_the_slot_was_lost_is_no_verdict(board: Board, car: Car) -> None:
    """Its acceptance commands are asked before the gates."""
    leash = LeashedLauncher(SubprocessLauncher())
    leash.cut()

    with pytest.raises(StaleTokenError, match="was lost while gates ran"):
        judge_of(board, leash).own(car)


def test_a_cut_ends_what_runs_and_what_is_opened_afterwards(tmp_path: Path) -> None:
    """A gate that starts between the loss of the slot and the next look at it ends too."""
    launcher = SubprocessLauncher()
    leash = LeashedLauncher(launcher)
    leash.open(tmp_path, labels={})
    before = [one.ending() for one in launcher.opened]

    leash.cut()
    leash.open(tmp_path, labels={})

    assert before == [None]
    assert [one.ending() is not None for one in launcher.opened] == [True, True]


class Overtaken(Engine):
    """An engine whose run somebody else cancels right before a landing is told."""

    def complete(self, ticket: MergeTicket, *, commit: str, tip: str = "", **told: str) -> list[str]:
        """Be too late."""
        self.cancel(ticket.run)
        return super().complete(ticket, commit=commit, tip=tip, **told)


def land_too_late(board: Board, redis_url: str) -> Sequence[Landing]:
    """Land a train whose run is cancelled once the branch has moved."""
    with closing(Overtaken(HiredisStore(redis_url), board.engine.project)) as engine:
        queue = MergeQueue(engine, board.hub, SubprocessLauncher(), merger_id="m", home=board.hub.home)
        return queue.land_train()


def test_what_has_landed_is_done_though_it_was_cancelled_meanwhile(board: Board, redis_url: str) -> None:
    """What git has stays: Redis is told so."""
    board.submit(task("one"))
    board.hand_in(write("src/a.py", "a = 2\n"))

    [landing] = land_too_late(board, redis_url)

    assert landing.outcome == Outcome.LANDED
    assert board.state("one") == TaskState.DONE
    assert board.violations() == []


def test_what_changed_nothing_stays_cancelled(board: Board, redis_url: str) -> None:
    """No commit says that it is done: it is not made so after a person has called it off."""
    board.submit(task("one", "src/a.py"), task("two", "src/a.py"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    second = board.claim() if board.land().outcome == Outcome.LANDED else None
    assert second is not None
    board.engine.hand_in(second, commit=second.base)  # it has nothing to add

    [landing] = land_too_late(board, redis_url)

    assert (landing.task, landing.outcome) == (second.task.id, Outcome.STALE)
    assert board.state(second.task.id) == TaskState.CANCELLED
    assert board.violations() == []
