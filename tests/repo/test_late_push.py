"""A landing that was given up, and comes through after all, while somebody else has taken over."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from merge_board import Board, task, write

from swarm.engine.engine import Engine
from swarm.errors import HubUnreachableError
from swarm.repo.git.command import Answer
from swarm.repo.hub.hub import Hub
from swarm.repo.hub.refs import RefChange
from swarm.repo.hub.writing import RefWriter
from swarm.repo.merging.landing import Outcome
from swarm.testing.checker_git import check_history
from swarm.testing.repository import UserRepository


class Holding(RefWriter):
    """Writes all but landings, which are still under way when nobody waits for them any longer."""

    held: Sequence[RefChange] = ()

    def transact(self, changes: Sequence[RefChange]) -> Answer:
        """Write what lands nothing."""
        if not any("/done/" in change.ref for change in changes):
            return super().transact(changes)
        Holding.held = changes
        raise HubUnreachableError("git had not ended after 300 s, and was stopped")


class Stalled(Hub):
    """A hub whose landings come through late."""

    @contextlib.contextmanager
    def writing_refs(self) -> Iterator[RefWriter]:
        """As the hub's own."""
        with super().writing_refs() as writer:
            yield Holding(writer.git, self.path, writer.lock_fd, self.remote)

    def let_go(self) -> None:
        """It comes through."""
        with super().writing_refs() as writer:
            assert writer.transact(Holding.held).succeeded


class Slow(Hub):
    """A hub whose host is held up before it raises a fence."""

    before_fence: Callable[[], object] = staticmethod(lambda: None)

    def raise_fence(self, branch: str, merge_token: int) -> str | None:
        """Be held up first."""
        self.before_fence()
        return super().raise_fence(branch, merge_token)


@pytest.mark.parametrize("is_shared", [False, True])
def test_what_lands_late_is_not_taken_for_a_task_that_changes_nothing(
    engine: Engine, user: UserRepository, server: Path, tmp_path: Path, *, is_shared: bool
) -> None:
    """It comes through between the look at what has landed and the fence: the next look finds it."""
    address, places = (str(server), ("one", "two")) if is_shared else ("", ("one", "one"))
    one = Stalled.open_or_create(tmp_path / places[0] / "repo.git", address=address)
    two = Slow.open_or_create(tmp_path / places[1] / "repo.git", address=address)
    one.share_base(one.import_base(user.path))
    board = Board(engine, one, user, tmp_path / "work")
    board.submit(task("t", "src/t.py"))
    board.hand_in(write("src/t.py", "1\n"))
    here, there = board.queue("here"), replace(board, hub=two).queue("there")

    with pytest.raises(HubUnreachableError):
        here.land_train()
    two.before_fence = one.let_go
    [late] = there.land_train()
    two.before_fence = lambda: None
    [found] = there.land_train()

    place = server if is_shared else one.path
    assert late.outcome == Outcome.STALE
    assert found.outcome == Outcome.LANDED
    assert engine.task(board.run, "t").merged_commit == Hub(place).tip(board.branch)
    assert check_history(place, board.branch, board.done()) == []
