"""One attempt through a real queue, a real hub and a real sandbox: each way it can end."""

from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from worker_outcomes import outcome
from worker_rig import Doing, Rig, sh

from swarm.engine.claims import Failure
from swarm.models.usage import Usage
from swarm.observe.wording import is_of_the_merge
from swarm.plan.model import TaskSpec
from swarm.repo.hub.hub import Hub
from swarm.repo.hub.refs import attempt_ref
from swarm.sandbox.protocol import Sandbox
from swarm.states import FailureKind, TaskState
from swarm.testing.proxy import Proxy
from swarm.testing.repository import AUTHOR
from workers.agents.agent import AgentContext, AgentResult


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
    assert rig.hub.read_blob(record.attempt_commit, "new.txt") == b"new\n"
    assert rig.hub.resolve(f"{record.attempt_commit}^") == rig.base
    assert rig.hub.resolve(attempt_ref(run, "t", 1)) == record.attempt_commit
    assert (rig.home / f"logs/{run}/t.1.log").read_text() == "made\n"
    assert list((rig.home / "workspaces").glob("*/*")) == []


def test_a_task_that_changes_nothing_is_finished(rig: Rig) -> None:
    """There is nothing to merge: done from the exit code."""
    run = rig.submit(sh("t", "true", acceptance=(("true",),)))

    rig.worker().work_once()

    assert rig.task(run, "t").state is TaskState.DONE


@pytest.mark.parametrize("goes_on", [False, True])
def test_an_outcome_whose_answer_was_lost_is_told_again_and_counts_once(
    rig: Rig, tmp_path: Path, *, goes_on: bool
) -> None:
    """The first telling has taken effect, though nobody heard: the second is no stranger's."""
    proxy = Proxy(rig.url, tmp_path)
    proxy.start()

    def act(_task: TaskSpec, _sandbox: Sandbox, _context: AgentContext) -> AgentResult:
        proxy.arm("cut-reply", at=0.0)
        return AgentResult()

    run = rig.submit(sh("t", "true"))
    lossy = replace(rig, url=proxy.url, patience_s=0.0)
    with capture_logs() as said:
        lossy.worker(Doing(act)).work_once(go_on=goes_on)

    proxy.stop()
    assert proxy.harm["cut-reply"] == 1
    assert rig.task(run, "t").state is TaskState.DONE
    events = [line["event"] for line in said]
    assert "outcome not told yet" in events
    assert "attempt ended" in events
    assert "outcome refused" not in events


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
            "acceptance ['no-such-program']: command not found: 'no-such-program'",
        ),
    ],
)
def test_what_goes_wrong_is_charged_to_the_task(rig: Rig, task: TaskSpec, kind: str, reason: str) -> None:
    """Each fault of a task's own has its kind and a reason for people; none of them met the merge queue."""
    run = rig.submit(task)

    rig.worker().work_once()

    record = rig.task(run, "t")
    assert outcome(record) == (TaskState.QUEUED, kind, 1)
    assert record.failure_reason == reason
    assert not is_of_the_merge(kind, reason)


def test_a_task_whose_hub_is_away_is_given_back(rig: Rig) -> None:
    """It is away for every task, and says nothing of this one."""
    run = rig.submit(sh("t", "true"))
    there = rig.hub
    rig.hub = Hub(there.path, address=str(rig.home / "nowhere.git"))
    worker = rig.worker()

    with capture_logs() as said:
        worker.work_once()
    away = rig.task(run, "t")
    rig.hub = there
    rig.worker().work_once()

    assert (away.state, away.failures, away.setbacks, away.crashes) == (TaskState.QUEUED, 0, 0, 0)
    assert any("nowhere.git" in str(line.get("error")) for line in said)
    assert rig.task(run, "t").state is TaskState.DONE


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


@pytest.mark.parametrize(
    ("acceptance", "ends"),
    [((), (TaskState.QUEUED, "task_error", 2)), ((("true",),), (TaskState.DONE, "", 1))],
    ids=["nothing shows that it is not needed", "its acceptance does"],
)
def test_nothing_after_work_that_was_sent_back_is_not_done(
    rig: Rig, acceptance: tuple[tuple[str, ...], ...], ends: tuple[TaskState, str, int]
) -> None:
    """What had to be done was done wrongly, and then not at all."""
    badly = r"touch made/$(printf '\377')"

    def act(_task: TaskSpec, sandbox: Sandbox, context: AgentContext) -> AgentResult:
        if context.attempt == 1:
            sandbox.run(["sh", "-c", f"mkdir made; {badly}"], timeout_s=20, log=context.log)
        return AgentResult()

    run = rig.submit(sh("t", "true", files=("made/",), acceptance=acceptance))
    worker = rig.worker(Doing(act))
    while rig.task(run, "t").attempt < 2 or rig.task(run, "t").state in {TaskState.ACKED, TaskState.RUNNING}:
        worker.work_once()

    record = rig.task(run, "t")
    assert outcome(record) == ends
    if not acceptance:
        assert record.failure_reason == "changed nothing, though what attempt 1 changed was sent back"
        assert "It was sent back for: left what cannot land" in record.evidence


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
    assert rig.hub.read_blob(record.attempt_commit, "f") == b"again\n"
