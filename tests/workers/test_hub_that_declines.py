"""A worker whose hub takes nothing, or not what it has made: nothing is charged for the former."""

import subprocess
import threading
from pathlib import Path

import pytest
from git_servers import declining, hooked
from real_swarm import wait_for
from worker_rig import Rig, sh

from swarm.repo.hub.hub import Hub
from swarm.states import FailureKind, TaskState


@pytest.fixture
def server(rig: Rig, tmp_path: Path) -> Path:
    """A hub that all hosts share, which knows the base."""
    path = tmp_path / "shared.git"
    subprocess.run(["git", "init", "-q", "--bare", str(path)], check=True)
    rig.hub = Hub.open_or_create(rig.home / "repo.git", address=str(path))
    rig.hub.share_base(rig.base)
    return path


def test_what_a_hub_declines_waits_and_is_pushed_when_it_takes_it(rig: Rig, server: Path) -> None:
    """The agent is run once; its work waits in the workspace, with its lease, and nobody is charged."""
    run = rig.submit(sh("t", "echo new > new.txt", files=("new.txt",)))
    log = rig.home / f"logs/{run}/t.1.log"
    at_work = threading.Thread(target=rig.worker().work_once, daemon=True)

    with declining(server, words="the office is closed"):
        at_work.start()
        wait_for(lambda: log.exists() and "office is closed" in log.read_text(), "the hub to decline")
        waiting = rig.task(run, "t")
    at_work.join(60)

    record = rig.task(run, "t")
    assert waiting.state is TaskState.RUNNING
    assert record.state is TaskState.MERGING
    assert (record.attempt, record.failures, record.setbacks) == (1, 0, 0)
    assert Hub(server).read_blob(record.attempt_commit, "new.txt") == b"new\n"


def test_what_a_hub_declines_of_this_task_alone_is_for_a_person(rig: Rig, server: Path) -> None:
    """It takes other pushes: waiting would be for ever, and trying again no use. The hub's words say why."""
    run = rig.submit(sh("t", "echo new > new.txt", files=("new.txt",)))
    big = "git cat-file -e $new:new.txt 2>/dev/null && { echo 'GH001: new.txt is too large'; exit 1; }"
    hooked(server, "pre-receive", f"while read old new ref; do {big}; done; exit 0")

    rig.worker().work_once()

    record = rig.task(run, "t")
    assert (record.state, record.failure_kind) == (TaskState.FAILED, FailureKind.POLICY)
    assert record.needs_person
    assert "GH001: new.txt is too large" in record.failure_reason
