"""A git server that takes the call, and then says nothing."""

import time
from pathlib import Path

import pytest
from git_servers import hooked
from merge_board import Board, task, write
from real_swarm import wait_for

from swarm.engine.engine import Engine
from swarm.errors import HubRefusedError, HubUnreachableError
from swarm.repo.hub.hub import Hub
from swarm.repo.hub.refs import task_ref
from swarm.repo.merging.landing import Outcome
from swarm.testing.repository import UserRepository

LIMIT_S = 2.0


def lives(pid: int) -> bool:
    """There is such a process, and it has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def hub(tmp_path: Path, server: Path, user: UserRepository) -> Hub:
    """A mirror that does not wait for long, with the user's HEAD."""
    hub = Hub.open_or_create(tmp_path / "here" / "repo.git", address=str(server), limit_s=LIMIT_S)
    hub.share_base(hub.import_base(user.path))
    return hub


def test_a_fetch_ends_and_takes_what_it_started_with_it(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server counts as away, not as one that refuses; nobody goes on listening to it."""
    ssh, pids = tmp_path / "ssh", tmp_path / "pids"
    ssh.write_text(f"#!/bin/sh\necho $$ >>{pids}\nsleep 600 &\necho $! >>{pids}\nwait\n")
    ssh.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(ssh))
    silent = Hub(hub.path, address="ssh://host/x.git", limit_s=LIMIT_S)
    began_s = time.monotonic()

    with pytest.raises(HubUnreachableError, match="ls-remote") as away:
        silent.identity()
    with pytest.raises(HubUnreachableError, match="after 2 s"):
        silent.mirror_run("r", "swarm/r")

    assert not isinstance(away.value, HubRefusedError)
    assert "hub_timeout_s" in away.value.help
    assert time.monotonic() - began_s < 60
    started = [int(pid) for pid in pids.read_text().split()]
    assert len(started) == 4
    wait_for(lambda: not any(map(lives, started)), "all of them to end", timeout_s=10)


def test_a_push_that_is_not_answered_leaves_the_hub_as_usable_as_it_was(hub: Hub, server: Path) -> None:
    """Its other end, here on this host, takes its locks away; the next push is as any other."""
    base = next(iter(hub.refs_under("refs/swarm/base/").values()))
    hooked(server, "reference-transaction", 'test "$1" = prepared && sleep 600; exit 0')

    with pytest.raises(HubUnreachableError, match="push"):
        hub.create_refs({task_ref("done", "r", "t"): base})
    (server / "hooks" / "reference-transaction").unlink()
    hub.create_refs({task_ref("done", "r", "t"): base})

    assert Hub(server).refs_under("refs/swarm/done/") == {task_ref("done", "r", "t"): base}


def test_a_landing_that_is_not_answered_is_put_off_and_lands_once(
    engine: Engine, hub: Hub, server: Path, user: UserRepository, tmp_path: Path
) -> None:
    """It was done, and nobody said so: the merge queue does not hang, and finds it when it looks again."""
    board = Board(engine, hub, user, tmp_path / "work")
    board.submit(task("one", "src/one.py"))
    board.hand_in(write("src/one.py", "1\n"))
    queue = board.queue()
    hooked(server, "post-receive", "if grep -q refs/heads/; then sleep 600; fi")

    with pytest.raises(HubUnreachableError, match="after 2 s"):
        queue.land_train()
    (server / "hooks" / "post-receive").unlink()
    [landing] = queue.land_train()

    record = engine.task(board.run, "one")
    assert landing.outcome == Outcome.LANDED
    assert (record.failures, record.setbacks) == (0, 0)
    assert board.violations() == []
