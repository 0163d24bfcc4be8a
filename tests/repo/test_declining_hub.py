"""A hub that answers, and takes nothing: its own words are shown, and no task pays for it."""

from pathlib import Path

import pytest
from git_servers import declining, hooked
from merge_board import Board, task, write

from swarm.engine.engine import Engine
from swarm.errors import HubDeclinedError, HubRefusedError
from swarm.repo.hub.hub import Hub
from swarm.repo.hub.refs import task_ref
from swarm.repo.merging.landing import Outcome
from swarm.testing.repository import UserRepository


@pytest.fixture
def board(engine: Engine, user: UserRepository, server: Path, tmp_path: Path) -> Board:
    """Where tasks are done, on a hub that still takes everything."""
    hub = Hub.open_or_create(tmp_path / "here" / "repo.git", address=str(server))
    hub.share_base(hub.import_base(user.path))
    board = Board(engine, hub, user, tmp_path / "work")
    board.submit(task("one", "src/one.py"))
    return board


@pytest.mark.parametrize("hook", ["pre-receive", "update"])
def test_what_a_hook_says_is_shown_and_the_push_is_named(board: Board, server: Path, hook: str) -> None:
    """Whoever reads it need not know how swarm writes refs."""
    with declining(server, hook, "no landings on Sundays"), pytest.raises(HubDeclinedError) as declined:
        board.hub.create_refs({task_ref("attempt", board.run, "one") + "/1": board.user.head()})

    assert "no landings on Sundays" in declined.value.message
    assert "hook declined" in declined.value.message
    assert "update-ref" not in declined.value.message
    assert declined.value.code == "SW017"


def test_a_ref_that_is_hidden_is_declined(board: Board, server: Path) -> None:
    """As a server does that keeps such refs to itself."""
    Hub(server).git.run("config", "transfer.hideRefs", "refs/swarm/attempt")

    with pytest.raises(HubDeclinedError, match="hidden ref"):
        board.hub.create_refs({task_ref("attempt", board.run, "one") + "/1": board.user.head()})


def test_a_fence_that_the_hub_declines_charges_nobody(board: Board, server: Path) -> None:
    """It is not even a setback: the merge is put off, and goes on once the hub takes it."""
    board.hand_in(write("src/one.py", "1\n"))
    queue = board.queue()

    with declining(server, "pre-receive", "no landings on Sundays"):
        for _ in range(9):
            with pytest.raises(HubRefusedError, match="Sundays"):
                queue.land_train()
    record = board.engine.task(board.run, "one")
    [landing] = queue.land_train()

    assert (record.failures, record.setbacks) == (0, 0)
    assert landing.outcome == Outcome.LANDED


def test_a_landing_that_the_hub_declines_charges_nobody(board: Board, server: Path) -> None:
    """It takes fences, and nothing for branches."""
    board.hand_in(write("src/one.py", "1\n"))
    queue = board.queue()
    hooked(server, "pre-receive", "if grep -q refs/heads/; then echo 'remote: not to branches'; exit 1; fi")

    for _ in range(9):
        with pytest.raises(HubRefusedError, match="not to branches"):
            queue.land_train()
    record = board.engine.task(board.run, "one")
    (server / "hooks" / "pre-receive").unlink()
    [landing] = queue.land_train()

    assert (record.failures, record.setbacks) == (0, 0)
    assert landing.outcome == Outcome.LANDED


def test_a_look_finds_a_hook_that_declines(board: Board, server: Path) -> None:
    """It pushes, as every other push does, what nobody needs, and takes it away again."""
    assert board.hub.remote is not None
    before = Hub(server).refs_under("refs/")

    board.hub.remote.check()
    with (
        declining(server, "pre-receive", "no landings on Sundays"),
        pytest.raises(HubDeclinedError, match="Sundays"),
    ):
        board.hub.remote.check()

    assert Hub(server).refs_under("refs/") == before


def test_a_lock_that_a_killed_server_left_charges_nobody(board: Board, server: Path) -> None:
    """A person removes it there; it is no lost race, nor the task's fault."""
    board.hand_in(write("src/one.py", "1\n"))
    queue = board.queue()
    lock = server / f"refs/swarm/fence/{board.branch}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()

    with pytest.raises(Exception, match="File exists") as away:
        queue.land_train()
    lock.unlink()
    [landing] = queue.land_train()

    assert type(away.value).__name__ == "HubUnreachableError"
    assert landing.outcome == Outcome.LANDED
