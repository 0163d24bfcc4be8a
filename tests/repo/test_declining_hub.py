"""A hub that answers, and takes nothing: its own words are shown, and no task pays for it."""

import contextlib
from pathlib import Path

import pytest
from git_servers import declining, hooked
from merge_board import Board, task, write
from worker_rig import HandClock

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
    """It takes fences, and nothing for branches: it is asked again now and then, and less and less often."""
    board.hand_in(write("src/one.py", "1\n"))
    clock = HandClock()
    queue = board.queue(clock=clock)
    hooked(server, "pre-receive", "if grep -q refs/heads/; then echo 'remote: not to branches'; exit 1; fi")

    for pause_s in (5, 10, 20):
        with pytest.raises(HubRefusedError, match="not to branches"):
            queue.land_train()
        clock.sleep_s(pause_s - 1)
        assert queue.land_train() == ()
        assert "not to branches" in queue.trouble
        clock.sleep_s(1)
    record = board.engine.task(board.run, "one")
    (server / "hooks" / "pre-receive").unlink()
    [landing] = queue.land_train()

    assert (record.failures, record.setbacks) == (0, 0)
    assert landing.outcome == Outcome.LANDED


def test_what_a_hub_declines_keeps_nothing_else_from_landing(
    board: Board, engine: Engine, user: UserRepository, server: Path, tmp_path: Path
) -> None:
    """Neither its own train, nor another run that is less urgent."""
    board.hand_in(write("src/one.py", "1\n"))
    near = Board(engine, board.hub, user, tmp_path / "near", claims=10)
    far = Board(engine, board.hub, user, tmp_path / "far", claims=20)
    near.submit(*(task(name, f"src/{name}.py") for name in ("two", "three", "four")))
    for name in ("two", "three", "four"):
        near.hand_in(write(f"src/{name}.py", f"{name}\n"))
    far.submit(task("far", "src/far.py"))
    far.hand_in(write("src/far.py", "far\n"))
    big = "git cat-file -e $new:src/two.py 2>/dev/null && { echo 'two.py is too large'; exit 1; }"
    hooked(
        server,
        "pre-receive",
        f"while read old new ref; do case $ref in refs/heads/*) {big};; esac; done; exit 0",
    )
    queue, landed = board.queue(), list[str]()

    for _ in range(12):
        with contextlib.suppress(HubDeclinedError):
            landed += [landing.task for landing in queue.land_train()]

    assert sorted(landed) == ["far", "four", "one", "three"]
    assert near.state("two") == "merging"
    assert "two.py is too large" in queue.trouble


def test_a_host_that_is_declined_leaves_the_branch_to_those_that_are_not(board: Board, server: Path) -> None:
    """At once, and not when its slot runs out; and it takes none again before its pushes are taken."""
    board.hand_in(write("src/one.py", "1\n"))
    guest = board.queue("there")

    with declining(server, "pre-receive", "no guests"):
        for _ in range(3):
            with pytest.raises(HubDeclinedError, match="no guests"):
                guest.land_train()
    begun = [event for event in board.engine.events() if event.kind == "merge_begun"]
    [landing] = board.queue("here").land_train()

    assert len(begun) == 1
    assert landing.outcome == Outcome.LANDED
    assert guest.land_train() == ()  # it is let in again


def test_a_look_takes_away_what_a_killed_one_left(board: Board, server: Path) -> None:
    """A probe that nobody needs does not stay, and there is never more than one of a host."""
    assert board.hub.remote

    hooked(server, "update", 'test "$3" != 0000000000000000000000000000000000000000')
    for _ in range(3):
        with pytest.raises(HubDeclinedError):
            board.hub.remote.check()
    while_declined = Hub(server).refs_under("refs/swarm/probe/")
    (server / "hooks" / "update").unlink()
    board.hub.remote.check()

    assert len(while_declined) == 1
    assert Hub(server).refs_under("refs/swarm/probe/") == {}


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
