"""Crash points, logs and outages of a worker."""

import os
import signal
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread

import pytest
from real_swarm import wait_for
from worker_outcomes import outcome
from worker_rig import Doing, Rig, sh

from swarm import crashpoints
from swarm.errors import StoreUnreachableError
from swarm.plan.model import TaskSpec
from swarm.sandbox.protocol import Sandbox
from swarm.states import TaskState
from swarm.testing.proxy import Mode, Proxy
from swarm.testing.repository import make_repository
from swarm.testing.server import RedisServer
from workers.agents.agent import AgentContext, AgentResult


def test_a_broken_agent_is_not_charged_and_does_not_end_the_worker(
    rig: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    """What nobody expected becomes an infrastructure failure, with its traceback in the log."""

    def divide(task: TaskSpec, _sandbox: Sandbox, _context: AgentContext) -> AgentResult:
        raise ZeroDivisionError(task.id)

    run = rig.submit(sh("t", "true"))
    worker = rig.worker(Doing(divide))
    worker.stopping.is_draining.set()  # no pause afterwards

    worker.work_once()

    record = rig.task(run, "t")
    assert outcome(record) == (TaskState.QUEUED, "infrastructure", 0)
    assert "ZeroDivisionError" in record.failure_reason
    assert "Traceback" in capsys.readouterr().out


def test_a_hub_that_cannot_be_used_is_not_charged(rig: Rig) -> None:
    """Its own trouble is not the task's."""
    run = rig.submit(sh("t", "true"))
    worker = rig.worker()
    worker.stopping.is_draining.set()  # no pause afterwards
    (rig.hub.path / "HEAD").rename(rig.hub.path / "HEAD.away")

    worker.work_once()

    assert outcome(rig.task(run, "t")) == (TaskState.QUEUED, "infrastructure", 0)


def test_a_claim_that_was_voided_while_the_agent_worked_hands_nothing_in(rig: Rig) -> None:
    """Somebody else may hold the task: this attempt says nothing, and leaves nothing durable."""

    def be_overtaken(_task: TaskSpec, sandbox: Sandbox, _context: AgentContext) -> AgentResult:
        (sandbox.tree / "f").write_text("late")
        rig.engine.reclaim_worker("here-1-abcd")
        return AgentResult()

    run = rig.submit(sh("t", "true", files=("f",)))

    rig.worker(Doing(be_overtaken)).work_once()

    record = rig.task(run, "t")
    assert record.state is TaskState.QUEUED
    assert record.attempt_commit == ""


def test_a_cancelled_task_is_stopped_within_a_renewal(rig: Rig) -> None:
    """The agent is ended by the lease's thread; nothing is handed in."""
    rig.lease_s = 1.5
    run = rig.submit(sh("t", "true", files=("f",)))

    def be_cancelled(_task: TaskSpec, sandbox: Sandbox, _context: AgentContext) -> AgentResult:
        rig.engine.cancel(run)
        sandbox.run(["sleep", "600"], timeout_s=600)
        raise AssertionError("the sandbox should have been ended")

    rig.worker(Doing(be_cancelled)).work_once()

    assert rig.task(run, "t").state is TaskState.CANCELLED


def test_a_workspace_that_cannot_be_removed_does_not_end_the_worker(
    rig: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where its folder should be is a file: the task goes back uncharged, and the log names what is left."""
    run = rig.submit(sh("t", "true"))
    folder = rig.home / "workspaces" / "here-1-abcd"
    folder.parent.mkdir(parents=True)
    folder.write_text("in the way")
    worker = rig.worker()
    worker.stopping.is_draining.set()  # no pause afterwards

    worker.work_once()

    assert outcome(rig.task(run, "t")) == (TaskState.QUEUED, "infrastructure", 0)
    told = capsys.readouterr().out
    assert "left behind" in told
    assert str(folder) in told


@pytest.mark.parametrize("way", ["drained", "let go of by another thread"])
def test_a_task_that_was_taken_ahead_is_given_back(rig: Rig, way: str) -> None:
    """It came with the answer to the one before; whoever stops then has not begun it."""
    run = rig.submit(sh("first", "true", priority=1), sh("second", "true"))
    worker = rig.worker()
    worker.work_once(go_on=True)
    ahead = rig.task(run, "second").state

    if way == "drained":
        worker.stopping.is_draining.set()
        worker.run()
    else:
        worker._let_go()

    assert ahead is TaskState.ACKED
    record = rig.task(run, "second")
    assert (record.state, record.failures, record.crashes) == (TaskState.QUEUED, 0, 0)
    assert rig.engine.agents() == []


@pytest.mark.parametrize("mode", ["drop-request", "drop-reply"])
def test_a_claim_of_which_no_answer_came_is_given_back(rig: Rig, tmp_path: Path, mode: Mode) -> None:
    """It may have been made: a worker that stops then asks once more, and nothing counts as a crash."""
    proxy = Proxy(rig.url, tmp_path)
    proxy.start()
    worker = replace(rig, url=proxy.url, patience_s=0.0).worker()
    run = rig.submit(sh("t", "true"))
    proxy.arm(mode)
    with pytest.raises(StoreUnreachableError):
        worker.work_once()
    lost = rig.task(run, "t").state

    worker.stopping.is_draining.set()
    worker.run()
    proxy.stop()

    assert lost is (TaskState.ACKED if mode == "drop-reply" else TaskState.QUEUED)
    record = rig.task(run, "t")
    assert (record.state, record.failures, record.crashes) == (TaskState.QUEUED, 0, 0)
    assert rig.engine.agents() == []


def points() -> Mapping[str, str]:
    """The worker's crash points."""
    return {name: what for name, what in crashpoints.POINTS.items() if name.startswith("worker.")}


@pytest.mark.parametrize("files", ["f", "other"], ids=["in scope", "beyond it"])
@pytest.mark.parametrize("point", sorted(points()))
def test_an_error_at_any_crash_point_leaves_a_worker_that_goes_on(rig: Rig, point: str, files: str) -> None:
    """Whatever fails, the next claims bring the task to its merge, uncharged."""
    run = rig.submit(sh("t", "echo x > f", files=(files,)))
    worker = rig.worker()
    worker.stopping.is_draining.set()  # no pauses
    crashpoints.arm(f"{point}:1:raise")

    try:
        for _ in range(5):
            if rig.task(run, "t").state is TaskState.MERGING:
                break
            try:
                worker.work_once()
            except crashpoints.CrashPointError:
                continue
    finally:
        crashpoints.disarm()

    record = rig.task(run, "t")
    assert (record.state, record.failures) == (TaskState.MERGING, 0)
    assert "f" in record.spec.files


def test_the_worker_knows_its_crash_points() -> None:
    """Every side effect that recovery depends on has one."""
    assert set(points()) == {
        f"worker.{name}"
        for name in (
            "after_claim",
            "after_start",
            "after_agent",
            "after_attempt",
            "before_hand_in",
            "after_hand_in",
        )
    }


def test_logs_of_attempts_do_not_overwrite_each_other(rig: Rig) -> None:
    """Each attempt has a log of its own."""
    run = rig.submit(sh("t", "echo one; exit 1"))
    worker = rig.worker()

    worker.work_once()
    while rig.task(run, "t").failures < 2:
        worker.work_once()

    logs = rig.home / "logs" / run
    assert sorted(path.name for path in Path(logs).glob("*.log")) == ["t.1.log", "t.2.log"]


def test_an_outage_of_redis_for_longer_than_a_lease_charges_nobody(
    tmp_path: Path, own_server: RedisServer
) -> None:
    """The worker stops its agent, as it must, and gives the task back once Redis answers again."""
    rig = Rig(make_repository(tmp_path / "repo", {"README.md": "hello\n"}), own_server.url, lease_s=1.5)
    rig.engine.reclaim_expired()
    frozen = Event()

    def freeze(_task: TaskSpec, sandbox: Sandbox, _context: AgentContext) -> AgentResult:
        os.kill(own_server.pid, signal.SIGSTOP)
        frozen.set()
        sandbox.run(["sleep", "60"], timeout_s=60)
        return AgentResult()

    run = rig.submit(sh("t", "true", files=("f",)))
    working = Thread(target=rig.worker(Doing(freeze)).work_once)
    working.start()
    assert frozen.wait(30)
    since_s = time.monotonic()
    wait_for(lambda: time.monotonic() > since_s + 2, "the lease to be over")
    os.kill(own_server.pid, signal.SIGCONT)
    working.join(timeout=30)

    record = rig.task(run, "t")
    rig.close()
    assert not working.is_alive()
    assert (record.state, record.failures, record.setbacks, record.crashes) == (TaskState.QUEUED, 0, 0, 0)
