"""Who is told of no hub, or of another than a run's, touches nothing of that run."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from merge_board import Board, task, write
from structlog.testing import capture_logs

from swarm.engine.engine import Engine
from swarm.errors import OtherHubError
from swarm.plan.model import Plan
from swarm.repo.hub.hub import Hub
from swarm.repo.hub.identity import describe_hub, name_hub, refuse_other_hub
from swarm.repo.hub.opening import open_hub_for
from swarm.repo.merging.landing import Outcome
from swarm.settings import Settings
from swarm.testing.repository import UserRepository


@pytest.fixture
def board(engine: Engine, user: UserRepository, server: Path, tmp_path: Path) -> Board:
    """A run in the hub that hosts share, with an attempt that is handed in."""
    board = on(str(server), engine, user, tmp_path / "here", "one")
    board.hand_in(write("src/one.py", "1\n"))
    return board


def on(address: str, engine: Engine, user: UserRepository, home: Path, name: str = "own") -> Board:
    """A run in a hub, as `swarm submit` begins it."""
    hub = Hub.open_or_create(home / "repo.git", address=address)
    base = hub.import_base(user.path)
    hub.share_base(base)
    named = name_hub(hub), describe_hub(hub)
    run = engine.submit(Plan((task(name, f"src/{name}.py"),)), base=base, key=str(home), hub=named)
    hub.start_branch(engine.run(run).branch, base)
    return Board(engine, hub, user, home / "work", run)


def another(server: Path) -> Path:
    """A hub that has all commits of the first, and is not the first."""
    path = server.with_name("other.git")
    subprocess.run(["git", "init", "-q", "--bare", str(path)], check=True)
    subprocess.run(
        ["git", "-C", str(server), "push", "-q", str(path), "refs/heads/*:refs/heads/*"], check=True
    )
    return path


def test_a_hub_has_one_name_by_whatever_address(board: Board, server: Path, tmp_path: Path) -> None:
    """And keeps it."""
    again = Hub.open_or_create(tmp_path / "there" / "repo.git", address=f"file://{server}")

    assert again.identity() == board.hub.identity() == name_hub(again) != ""
    refuse_other_hub(again, board.engine.run(board.run))


@pytest.mark.parametrize("has_another", [False, True])
def test_a_merge_queue_elsewhere_leaves_the_run_alone(
    board: Board, server: Path, tmp_path: Path, *, has_another: bool
) -> None:
    """It says so once, with where the run is; whoever shares the hub lands it, and nothing is charged."""
    address = str(another(server)) if has_another else ""
    stranger = replace(board, hub=Hub.open_or_create(tmp_path / "there" / "repo.git", address=address))
    elsewhere = stranger.queue("there")

    with capture_logs() as said:
        assert elsewhere.reconcile() == ()
        assert [elsewhere.land_train() for _ in range(9)] == [()] * 9
    record = board.engine.task(board.run, "one")
    [landing] = board.queue().land_train()

    told = [line for line in said if line["event"] == "not merged here"]
    assert len(told) == 1
    assert str(server) in told[0]["error"]
    assert "--hub" in told[0]["help"]
    assert (record.failures, record.setbacks) == (0, 0)
    assert landing.outcome == Outcome.LANDED


def test_a_merge_queue_elsewhere_lands_its_own_runs(
    board: Board, engine: Engine, user: UserRepository, tmp_path: Path
) -> None:
    """What it passes over comes before them."""
    own = on("", engine, user, tmp_path / "there")
    own.hand_in(write("src/own.py", "1\n"))

    [landing] = own.queue("there").land_train()

    assert (landing.run, landing.outcome) == (own.run, Outcome.LANDED)
    assert board.state("one") == "merging"


def test_looking_from_elsewhere_removes_nothing(board: Board, engine: Engine, user: UserRepository) -> None:
    """What is mirrored loses what the server does not have: not so a run that was never in it."""
    local = on("", engine, user, user.path / ".swarm")
    local.hand_in(write("src/own.py", "1\n"))
    before = local.hub.refs_under("refs/")
    settings = Settings(root=user.path, home=user.path / ".swarm", hub=str(board.hub.remote))

    with pytest.raises(OtherHubError, match=str(local.hub.path)):
        open_hub_for(settings, engine.run(local.run))
    replace(local, hub=Hub(local.hub.path, address=settings.hub)).queue().reconcile()

    assert local.hub.refs_under("refs/").items() >= before.items()
