"""A worker whose hub takes nothing, or not what it has made: nothing is charged for the former."""

import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from git_servers import declining, hooked
from real_swarm import wait_for
from worker_rig import HandClock, Rig, sh

from swarm.engine.claims import WorkerProfile
from swarm.errors import OtherHubError
from swarm.observe.story import tell_event
from swarm.plan.model import Plan
from swarm.repo.hub.hub import Hub
from swarm.repo.hub.identity import describe_hub, name_hub
from swarm.states import FailureKind, TaskState
from workers.hub_patience import MAX_RETRY_S, HubStanding


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
    worker = rig.worker()
    at_work = threading.Thread(target=worker.work_once, daemon=True)

    with declining(server, words="the office is closed"):
        at_work.start()
        wait_for(lambda: log.exists() and "office is closed" in log.read_text(), "the hub to decline")
        waiting = rig.task(run, "t")
        worker._show(rig.engine, "busy")  # as each renewal of its lease does
        [shown] = rig.engine.agents()
    at_work.join(60)
    worker._show(rig.engine, "idle")
    [back] = rig.engine.agents()

    record = rig.task(run, "t")
    assert waiting.state is TaskState.RUNNING
    assert record.state is TaskState.MERGING
    assert (record.attempt, record.failures, record.setbacks) == (1, 0, 0)
    assert Hub(server).read_blob(record.attempt_commit, "new.txt") == b"new\n"
    assert "office is closed" in shown.hub_trouble
    assert shown.hub_trouble_ms > 0
    assert (back.hub_trouble, back.hub_trouble_ms) == ("", 0)
    told = {event.kind: event for event in rig.engine.events() if event.kind.startswith("hub_")}
    assert (told["hub_away"].run, told["hub_away"].task) == (run, "t")
    assert "office is closed" in tell_event(told["hub_away"])
    assert "again" in tell_event(told["hub_back"])


def test_what_a_hub_declines_of_this_task_alone_is_for_a_person(
    rig: Rig, server: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes other pushes: waiting would be for ever, and trying again no use. The hub's words say why."""
    monkeypatch.setattr("workers.hub_patience.DECLINES", 3)
    run = rig.submit(sh("t", "echo new > new.txt", files=("new.txt",)))
    big = "git cat-file -e $new:new.txt 2>/dev/null && { echo 'GH001: new.txt is too large'; exit 1; }"
    hooked(server, "pre-receive", f"while read old new ref; do {big}; done; exit 0")

    rig.worker().work_once()

    record = rig.task(run, "t")
    assert (record.state, record.failure_kind) == (TaskState.FAILED, FailureKind.POLICY)
    assert record.needs_person
    assert "GH001: new.txt is too large" in record.failure_reason


def test_a_server_that_is_set_up_is_waited_for(
    rig: Rig, server: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It declines the work twice while it takes probes: that says nothing of the task yet."""
    monkeypatch.setattr("workers.hub_patience.DECLINES", 3)
    run = rig.submit(sh("t", "echo new > new.txt", files=("new.txt",)))
    twice = f"echo x >>{tmp_path}/asked; test $(wc -l <{tmp_path}/asked) -gt 2"
    is_work = "git cat-file -e $new:new.txt 2>/dev/null"
    hooked(
        server,
        "pre-receive",
        f"while read old new ref; do {is_work} && {{ {twice} || exit 1; }}; done; exit 0",
    )

    rig.worker().work_once()

    record = rig.task(run, "t")
    assert len((tmp_path / "asked").read_text().splitlines()) == 3
    assert (record.state, record.failures, record.setbacks) == (TaskState.MERGING, 0, 0)


def test_an_idle_worker_believes_a_hub_again_once_it_takes_pushes(rig: Rig, server: Path) -> None:
    """That it can be read again says nothing."""
    standing = HubStanding(rig.hub, clock := HandClock())
    standing.tell("it declines")

    with declining(server):
        standing.look(rig.engine)
        while_declined = standing.trouble
    standing.look(rig.engine)
    while_it_waits = standing.trouble
    clock.sleep_s(MAX_RETRY_S)
    standing.look(rig.engine)

    assert while_it_waits == while_declined == "it declines"
    assert standing.trouble == ""


def test_an_idle_worker_with_the_wrong_hub_stays_in_trouble(rig: Rig, server: Path) -> None:
    """For as long as the run is there and its hub another: no hub is away, and comes back, each time."""
    named = name_hub(rig.hub), describe_hub(rig.hub)
    run = rig.engine.submit(Plan((sh("t", "true"),)), base=rig.base, hub=named)
    standing = HubStanding(Hub(rig.home / "repo.git"), clock := HandClock())
    with pytest.raises(OtherHubError):
        standing.refuse_elsewhere(run, rig.engine)

    standing.look(rig.engine)
    while_it_runs = standing.trouble
    rig.engine.cancel(run)
    clock.sleep_s(MAX_RETRY_S)
    standing.look(rig.engine)

    assert str(server) in while_it_runs
    assert standing.trouble == ""
    assert not standing.elsewhere


def test_a_worker_without_the_hub_of_a_run_gives_its_tasks_back(rig: Rig, server: Path) -> None:
    """No agent is run, nothing is charged, and it is said where the run is."""
    named = name_hub(rig.hub), describe_hub(rig.hub)
    spec = sh("t", "echo new > new.txt", files=("new.txt",))
    run = rig.engine.submit(Plan((spec,)), base=rig.base, hub=named)
    rig.hub.start_branch(f"swarm/{run}", rig.base)
    shared, rig.hub = rig.hub, Hub(rig.home / "repo.git")
    stranger = rig.worker()
    stranger.stopping.is_draining.set()  # it does not pause in between

    assert stranger.work_once()
    claimed_again = stranger.work_once()
    given_back = rig.task(run, "t")
    told = [event for event in rig.engine.events() if event.kind == "task_released"]
    replace(stranger, hub=shared, profile=WorkerProfile("here-2-abcd")).work_once()

    assert not claimed_again
    assert (given_back.state, given_back.failures, given_back.setbacks) == (TaskState.QUEUED, 0, 0)
    assert not (rig.home / "logs" / run / "t.1.log").exists()
    assert str(server) in told[-1].fields["reason"]
    assert "--hub" in told[-1].fields["reason"]
    assert rig.task(run, "t").state is TaskState.MERGING
