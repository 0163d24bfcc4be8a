"""One attempt through a real queue, a real hub and a real sandbox: each way it can end."""

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from threading import Event, Thread

import pytest
from real_swarm import wait_for
from worker_rig import Doing, Rig, sh

from swarm import crashpoints
from swarm.engine.claims import Failure
from swarm.engine.records import TaskRecord
from swarm.models.usage import Usage
from swarm.plan.model import TaskSpec
from swarm.repo.refs import attempt_ref
from swarm.sandbox.protocol import Sandbox
from swarm.states import FailureKind, TaskState
from swarm.testing.repository import AUTHOR, make_repository
from swarm.testing.server import RedisServer
from workers.agents.agent import AgentContext, AgentResult


def outcome(record: TaskRecord) -> tuple[TaskState, str, int]:
    """State, kind of failure, and how many failures were charged."""
    return record.state, record.failure_kind, record.failures


def commit(rig: Rig, *, parent: str) -> str:
    """A commit in the hub with the tree of the base, on top of `parent` or of nothing."""
    above = ["-p", parent] if parent else []
    argv = ["commit-tree", f"{rig.base}^{{tree}}", *above, "-m", "x"]
    return rig.hub.git.run(*argv, env=AUTHOR).decode().strip()


def test_what_a_command_changed_is_handed_in(rig: Rig) -> None:
    """The commit is durable in the hub, on top of the base; the workspace is gone."""
    run = rig.submit(sh("t", "echo new > new.txt; echo made", files=("new.txt",)))

    assert rig.worker().work_once()

    record = rig.task(run, "t")
    assert record.state is TaskState.MERGING
    assert rig.hub.read_blob(f"{record.attempt_commit}:new.txt") == b"new\n"
    assert rig.hub.resolve(f"{record.attempt_commit}^") == rig.base
    assert rig.hub.resolve(attempt_ref(run, "t", 1)) == record.attempt_commit
    assert (rig.home / f"logs/{run}/t.1.log").read_text() == "made\n"
    assert list((rig.home / "workspaces").glob("*/*")) == []


def test_a_task_that_changes_nothing_is_finished(rig: Rig) -> None:
    """There is nothing to merge: done from the exit code."""
    run = rig.submit(sh("t", "true", acceptance=(("true",),)))

    rig.worker().work_once()

    assert rig.task(run, "t").state is TaskState.DONE


def test_what_was_left_out_as_ignored_is_named_in_the_log(rig: Rig) -> None:
    """A task that wrote only into a folder that ignores itself changed nothing, and can see why."""
    script = "mkdir -p docs/w; echo '*' > docs/w/.gitignore; echo x > docs/w/x; printf made"
    run = rig.submit(sh("t", script, files=("docs/w",)))

    rig.worker().work_once()

    assert rig.task(run, "t").state is TaskState.DONE
    assert (rig.home / f"logs/{run}/t.1.log").read_text() == "made\nleft out as ignored: docs/w/\n"


def test_without_a_task_nothing_happens(rig: Rig) -> None:
    """An empty queue is an answer, not an error."""
    assert not rig.worker().work_once()


def test_a_change_outside_the_write_scope_is_charged_and_named(rig: Rig) -> None:
    """Nothing of the attempt becomes durable."""
    run = rig.submit(sh("t", "echo x > ok.txt; echo x > sneaky.txt", files=("ok.txt",)))

    rig.worker().work_once()

    record = rig.task(run, "t")
    assert outcome(record) == (TaskState.QUEUED, "out_of_scope", 1)
    assert record.failure_reason == "changed outside the write scope: sneaky.txt"
    assert rig.hub.find_attempt(run, "t") is None


def test_a_file_name_that_is_not_utf_8_costs_an_attempt_and_no_worker(rig: Rig) -> None:
    """The failure names the file in characters that every transport and every terminal takes."""
    run = rig.submit(sh("t", r"mkdir -p d/w; touch d/w/$(printf '\377\376')", files=("d/w",)))

    rig.worker().work_once()

    record = rig.task(run, "t")
    assert outcome(record) == (TaskState.QUEUED, "out_of_scope", 1)
    assert record.failure_reason == r"left what cannot land: d/w/\xff\xfe: name is not UTF-8"


@pytest.mark.parametrize(
    ("task", "kind", "reason"),
    [
        (sh("t", "echo why; exit 3"), "task_error", "'sh' exited with 3"),
        (sh("t", "sleep 60", timeout_s=0.2), "timeout", "'sh' was ended at its limit of 0.2 s"),
        (
            sh("t", "true", acceptance=(("true",), ("sh", "-c", "exit 4"))),
            "gate_failed",
            "acceptance ['sh', '-c', 'exit 4']: 'sh' exited with 4",
        ),
        (
            sh("t", "true", acceptance=(("no-such-program",),)),
            "gate_failed",
            "acceptance: command not found: 'no-such-program'",
        ),
    ],
)
def test_what_goes_wrong_is_charged_to_the_task(rig: Rig, task: TaskSpec, kind: str, reason: str) -> None:
    """Each fault of a task's own has its kind and a reason for people."""
    run = rig.submit(task)

    rig.worker().work_once()

    record = rig.task(run, "t")
    assert outcome(record) == (TaskState.QUEUED, kind, 1)
    assert record.failure_reason == reason


KILLS_ITS_HOST = ("sh", "-c", "sleep 0.2; kill -9 $PPID; sleep 60")
"""What somebody outside would do, from an inside that is not confined."""


def test_a_sandbox_that_was_killed_is_charged_to_nobody(rig: Rig) -> None:
    """It says nothing about the task, which is tried again."""
    run = rig.submit(sh("t", "true", executor="command", command=KILLS_ITS_HOST))

    rig.worker().work_once()

    record = rig.task(run, "t")
    assert outcome(record) == (TaskState.QUEUED, "infrastructure", 0)
    assert record.setbacks == 1
    assert record.failure_reason.startswith("the sandbox was killed during the attempt")


def test_an_attempt_whose_acceptance_was_killed_is_taken_up_again(rig: Rig) -> None:
    """The work is durable, and nothing was found wrong with it: the merge queue will judge."""
    run = rig.submit(sh("t", "echo x > f", files=("f",), acceptance=(KILLS_ITS_HOST,)))

    rig.worker().work_once()

    assert outcome(rig.task(run, "t")) == (TaskState.QUEUED, "infrastructure", 0)
    assert rig.hub.find_attempt(run, "t") is not None


def test_an_attempt_that_fails_its_acceptance_is_not_taken_up_again(rig: Rig) -> None:
    """It was durable already when acceptance failed; the next attempt runs the agent again."""
    run = rig.submit(
        sh("t", "echo $RANDOM$$ > f", files=("f",), acceptance=(("sh", "-c", "echo red; exit 1"),))
    )
    worker = rig.worker()

    worker.work_once()

    assert rig.task(run, "t").evidence == "red\n"
    assert rig.hub.find_attempt(run, "t") is None


def test_evidence_of_an_earlier_attempt_reaches_the_next_agent(rig: Rig) -> None:
    """A failed attempt is not repeated blindly."""
    seen: list[str] = []

    def fail(_task: TaskSpec, _sandbox: Sandbox, context: AgentContext) -> AgentResult:
        seen.append(context.evidence)
        return AgentResult(Failure(FailureKind.TASK_ERROR, "no", "because of x"), usage=Usage(1, 2, 3, 4))

    run = rig.submit(sh("t", "true"))
    worker = rig.worker(Doing(fail))

    worker.work_once()
    while len(seen) < 2:
        worker.work_once()

    assert seen[0] == ""
    assert "because of x" in seen[1]
    assert rig.task(run, "t").usage == Usage(2, 4, 6, 8)


def test_a_durable_attempt_is_handed_in_without_running_the_agent_again(rig: Rig) -> None:
    """The worker died between making the attempt durable and handing it in."""
    run = rig.submit(sh("t", "echo $$ > pid.txt", files=("pid.txt",)))
    first = rig.worker()
    claim = first.engine.claim(first.profile, "lost")
    assert claim is not None
    earlier = commit(rig, parent=rig.base)
    rig.hub.create_refs({attempt_ref(run, "t", claim.attempt): earlier})
    first.engine.release(claim, reason="died")

    rig.worker().work_once()

    record = rig.task(run, "t")
    assert (record.state, record.attempt_commit) == (TaskState.MERGING, earlier)
    assert not (rig.home / f"logs/{run}").exists()


def test_a_durable_attempt_that_a_person_wants_forgotten_is_done_again(rig: Rig) -> None:
    """`retry --fresh`: the agent runs, whatever an earlier worker left in the hub."""
    run = rig.submit(sh("t", "echo x > f; echo made", files=("f",)))
    lost = rig.engine.claim(rig.worker().profile, "lost")
    assert lost is not None
    old = commit(rig, parent=rig.base)
    rig.hub.create_refs({attempt_ref(run, "t", 1): old})
    rig.engine.cancel(run)

    rig.engine.retry(run, "t", fresh=True)
    rig.worker().work_once()

    record = rig.task(run, "t")
    assert record.state is TaskState.MERGING
    assert record.attempt_commit != old


def test_a_durable_attempt_on_a_base_that_no_longer_holds_is_done_again(rig: Rig) -> None:
    """Only an attempt whose base is an ancestor of the claim's base is taken up."""
    run = rig.submit(sh("t", "echo again > f", files=("f",)))
    attempt = commit(rig, parent=commit(rig, parent=""))
    rig.hub.create_refs({attempt_ref(run, "t", 7): attempt})

    rig.worker().work_once()

    record = rig.task(run, "t")
    assert record.state is TaskState.MERGING
    assert rig.hub.read_blob(f"{record.attempt_commit}:f") == b"again\n"


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


def points() -> Mapping[str, str]:
    """The worker's crash points."""
    return {name: what for name, what in crashpoints.POINTS.items() if name.startswith("worker.")}


@pytest.mark.parametrize("point", sorted(points()))
def test_an_error_at_any_crash_point_leaves_a_worker_that_goes_on(rig: Rig, point: str) -> None:
    """Whatever fails, the next claims bring the task to its merge, uncharged."""
    run = rig.submit(sh("t", "echo x > f", files=("f",)))
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
