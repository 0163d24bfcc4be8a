"""An attempt that changed more than its write scope: it gets the locks that it lacks, or waits for them."""

import json
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs
from worker_outcomes import outcome
from worker_rig import Doing, Rig, sh

from swarm import crashpoints
from swarm.engine.claims import Claim
from swarm.errors import RefusedError
from swarm.plan.model import TaskSpec
from swarm.plan.scope import WriteScope
from swarm.repo.gates.widening import MOST_PATHS
from swarm.repo.git.tree import read_tree
from swarm.repo.hub.refs import attempt_ref
from swarm.repo.merging.merge_queue import Landing, MergeQueue, Outcome
from swarm.repo.workspaces.workspace import open_workspace, take_attempt
from swarm.sandbox.protocol import Sandbox
from swarm.states import TaskState
from swarm.testing.launcher import SubprocessLauncher
from workers.agents.agent import AgentContext, AgentResult

Act = Callable[[TaskSpec, Sandbox, AgentContext], AgentResult]


def land(rig: Rig) -> Landing:
    """Judge what was handed in."""
    queue = MergeQueue(rig.engine, rig.hub, SubprocessLauncher(), merger_id="merger", home=rig.home)
    [landing] = queue.land_train()
    return landing


def names(rig: Rig, commit: str) -> list[str]:
    """The files of a commit."""
    return [path.decode() for path in sorted(read_tree(rig.hub.git, commit))]


def kept(rig: Rig) -> dict[str, str]:
    """What is durable of attempts, judged or not."""
    return rig.hub.refs_under("refs/swarm/attempt/", "refs/swarm/rejected/")


def log(rig: Rig, run: str, attempt: int = 1) -> str:
    """What an attempt at `t` was told."""
    return (rig.home / f"logs/{run}/t.{attempt}.log").read_text()


def test_what_is_free_is_locked_and_the_attempt_lands(rig: Rig) -> None:
    """One attempt, no failure; the merge holds it to the scope that the engine has, and has it land."""
    script = "echo x > ok.txt; echo x > 'pages [id].txt'; rm README.md"
    run = rig.submit(sh("t", script, files=("ok.txt",)))

    rig.worker().work_once()

    record = rig.task(run, "t")
    assert outcome(record) == (TaskState.MERGING, "", 0)
    assert record.attempt == 1
    assert record.widened == ("README.md", r"pages \[id].txt")
    assert record.planned_files == ("ok.txt",)
    assert [lock.path for lock in rig.engine.locks()] == ["README.md", "ok.txt", "pages [id].txt"]
    assert "[swarm: the write scope is now ok.txt, README.md, pages" in log(rig, run)
    landing = land(rig)
    assert landing.outcome is Outcome.LANDED
    assert names(rig, landing.commit) == ["ok.txt", "pages [id].txt"]
    assert rig.engine.locks() == []


def writing(*paths: str, text: str = "x\n") -> Act:
    """An agent that writes these files."""

    def act(_task: TaskSpec, sandbox: Sandbox, _context: AgentContext) -> AgentResult:
        for path in paths:
            (sandbox.tree / path).parent.mkdir(parents=True, exist_ok=True)
            (sandbox.tree / path).write_text(text)
        return AgentResult()

    return act


def with_other_at_work(rig: Rig, act: Act, held: list[Claim]) -> Act:
    """An agent beside which somebody claims the other task, before it does anything."""

    def both(task: TaskSpec, sandbox: Sandbox, context: AgentContext) -> AgentResult:
        other = rig.engine.claim(rig.worker().profile, f"other-{len(held)}")
        assert other is not None
        held.append(other)
        return act(task, sandbox, context)

    return both


def test_what_is_not_free_is_waited_for_without_charge_and_the_work_is_kept(rig: Rig) -> None:
    """The next claim needs the union, and hands in the same commit: the agent is not run again."""
    other = sh("other", "true", files=("theirs.txt",))
    run = rig.submit(sh("t", "true", files=("ok.txt",), priority=1), other)
    held: list[Claim] = []
    worker = rig.worker(Doing(with_other_at_work(rig, writing("ok.txt", "theirs.txt"), held)))

    with capture_logs() as told:
        worker.work_once()
    waiting = rig.task(run, "t")
    blocked = rig.engine.claim(worker.profile, "blocked")
    rig.engine.finish(held[0])
    worker.work_once()

    record = rig.task(run, "t")
    assert outcome(waiting) == (TaskState.QUEUED, "", 0)
    assert (waiting.setbacks, waiting.crashes, waiting.parked_on) == (0, 0, "theirs.txt/")
    assert waiting.spec.files == ("ok.txt", "theirs.txt")
    assert blocked is None
    assert [line["reason"] for line in told if line["event"] == "claim lost"] == [
        "it needs more files, and waits for theirs.txt"
    ]
    assert "[swarm: put back, with what it has done: it needs more files, and waits for" in log(rig, run)
    assert len(held) == 1
    assert outcome(record) == (TaskState.MERGING, "", 0)
    assert (record.attempt, record.attempt_commit) == (2, rig.hub.resolve(attempt_ref(run, "t", 1)))
    assert land(rig).outcome is Outcome.LANDED


def test_kept_work_that_conflicts_by_then_goes_back_with_both_sides(rig: Rig) -> None:
    """Whoever had the file has landed another version: the next attempt is told, as of any conflict."""
    other = sh("other", "true", files=("theirs.txt",))
    run = rig.submit(sh("t", "true", files=("ok.txt",), priority=1), other)
    held: list[Claim] = []
    worker = rig.worker(Doing(with_other_at_work(rig, writing("theirs.txt"), held)))
    worker.work_once()
    workspace = open_workspace(rig.hub, rig.base, rig.home / "workspaces" / "other")
    (workspace.tree / "theirs.txt").write_text("theirs\n")
    ref, scope = attempt_ref(run, "other", 1), WriteScope(["theirs.txt"])
    taken = take_attempt(rig.hub, workspace, scope=scope, message="other", ref=ref)
    rig.engine.start(held[0])
    rig.engine.hand_in(held[0], commit=str(taken.commit))
    first = land(rig)

    worker.work_once()
    second = land(rig)

    assert (first.task, first.outcome) == ("other", Outcome.LANDED)
    assert (second.task, second.outcome, second.requeued) == ("t", Outcome.CONFLICT, True)
    assert rig.hub.find_attempt(run, "t") is None
    assert "theirs" in rig.task(run, "t").evidence


@pytest.mark.parametrize("scope", ["widen", "strict"])
def test_a_task_without_a_write_scope_gets_none(rig: Rig, scope: str) -> None:
    """Its plan says that it changes nothing."""
    rig.scope = scope
    run = rig.submit(sh("t", "echo x > new.txt"))

    rig.worker().work_once()

    record = rig.task(run, "t")
    assert outcome(record) == (TaskState.QUEUED, "out_of_scope", 1)
    assert record.failure_reason.startswith("changed outside the write scope: new.txt")
    assert kept(rig) == {}


def test_a_strict_scope_is_not_widened(rig: Rig) -> None:
    """Charged and named; nothing of the attempt becomes durable, and no lock is taken."""
    rig.scope = "strict"
    run = rig.submit(sh("t", "echo x > ok.txt; echo x > sneaky.txt", files=("ok.txt",)))

    rig.worker().work_once()

    record = rig.task(run, "t")
    assert outcome(record) == (TaskState.QUEUED, "out_of_scope", 1)
    assert record.failure_reason == "changed outside the write scope: sneaky.txt"
    assert record.evidence == "Changed outside the write scope:\nsneaky.txt"
    assert rig.hub.find_attempt(run, "t") is None
    assert record.spec.files == ("ok.txt",)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("swarm.toml", "only a plan puts 'swarm.toml' into a scope"),
        ("SWARM.toml", "only a plan puts 'SWARM.toml' into a scope"),
        ("deep/.claude/settings.json", "only a plan puts 'deep/.claude/settings.json' into a scope"),
        ("AGENTS.md", "only a plan puts 'AGENTS.md' into a scope"),
        (".cursor", "only a plan puts '.cursor' into a scope"),
        ("sub/.claude", "only a plan puts 'sub/.claude' into a scope"),
        (".swarm/x", "no pattern can name '.swarm/x': swarm's own folder in '.swarm/x'"),
        ("back\\slash", "no pattern can name 'back\\\\slash': backslash"),
    ],
)
def test_what_only_a_plan_gives_is_refused(rig: Rig, path: str, why: str) -> None:
    """What judges attempts and steers agents, and what no pattern can name; the path is in the reason."""
    run = rig.submit(sh("t", "true", files=("ok.txt",)))

    rig.worker(Doing(writing("ok.txt", path))).work_once()

    record = rig.task(run, "t")
    assert outcome(record) == (TaskState.QUEUED, "out_of_scope", 1)
    assert record.failure_reason.startswith(f"changed outside the write scope: {path} ({why}")
    assert kept(rig) == {}
    assert record.spec.files == ("ok.txt",)


@pytest.mark.parametrize(
    "path",
    [
        "swarm.toml",
        "./Swarm.toml",
        ".//swarm.toml",
        ".claude/",
        "deep/.claude/*.json",
        "CLAUDE.md.",
        ".claude/**",
    ],
)
def test_an_agent_that_asks_first_gets_no_more(rig: Rig, path: str) -> None:
    """It is told so, and goes on; a glob above such a file is held to approval by the merge."""
    said: list[str] = []

    def ask(_task: TaskSpec, _sandbox: Sandbox, context: AgentContext) -> AgentResult:
        try:
            context.extend([path], [])
        except RefusedError as error:
            said.append(error.message)
        return AgentResult()

    run = rig.submit(sh("t", "true", files=("ok.txt",)))

    rig.worker(Doing(ask)).work_once()

    assert said == [f"only a plan puts {path!r} into a scope"]
    assert rig.task(run, "t").state is TaskState.DONE


def test_a_plan_may_give_what_no_attempt_gets(rig: Rig) -> None:
    """Somebody has read the plan."""
    run = rig.submit(sh("t", "echo '# x' > swarm.toml", files=("swarm.toml",)))

    rig.worker().work_once()

    assert rig.task(run, "t").state is TaskState.MERGING


@pytest.mark.parametrize("beyond", [0, 1])
def test_a_scope_is_widened_by_so_many_paths_at_most(rig: Rig, beyond: int) -> None:
    """One more, and the attempt is refused; the reason names the first, the evidence all."""
    paths = [f"more/{number:03}.txt" for number in range(MOST_PATHS + beyond)]
    run = rig.submit(sh("t", "true", files=("ok.txt",)))

    rig.worker(Doing(writing(*paths))).work_once()

    record = rig.task(run, "t")
    if not beyond:
        assert outcome(record) == (TaskState.MERGING, "", 0)
        assert record.widened == tuple(paths)
        return
    assert outcome(record) == (TaskState.QUEUED, "out_of_scope", 1)
    assert record.failure_reason == (
        f"changed outside the write scope: {', '.join(paths[:10])} and 55 more"
        " (a scope is widened by 64 paths at most, not by 65)"
    )
    assert record.evidence.splitlines()[1:] == paths


def test_what_can_never_land_is_the_reason_beside_what_could_be_widened(rig: Rig) -> None:
    """No lock is asked for an attempt that is refused in any case; the evidence names both."""
    script = "echo x > more.txt; ln -s /etc/passwd ok.txt"
    run = rig.submit(sh("t", script, files=("ok.txt",)))

    rig.worker().work_once()

    record = rig.task(run, "t")
    assert outcome(record) == (TaskState.FAILED, "policy", 1)
    assert record.failure_reason.startswith("left what cannot land: ok.txt: links to '/etc/passwd'")
    assert record.evidence.splitlines()[2:] == ["Changed outside the write scope:", "more.txt"]
    assert record.widened == ()


def test_an_attempt_that_fails_its_acceptance_takes_no_more_locks(rig: Rig) -> None:
    """Only what would be handed in asks for them; it is not taken up again either."""
    failing = sh("t", "echo x > more.txt", files=("ok.txt",), acceptance=(("false",),))
    run = rig.submit(failing)

    rig.worker().work_once()

    record = rig.task(run, "t")
    assert outcome(record) == (TaskState.QUEUED, "gate_failed", 1)
    assert record.widened == ()
    assert rig.hub.find_attempt(run, "t") is None


def test_build_output_widens_nothing(rig: Rig) -> None:
    """What is ignored is no change of the attempt's."""
    run = rig.submit(
        sh("t", "mkdir __pycache__; touch __pycache__/x.pyc; echo x > ok.txt", files=("ok.txt",))
    )

    rig.worker().work_once()

    assert rig.task(run, "t").state is TaskState.MERGING
    assert rig.task(run, "t").widened == ()


def test_a_part_gets_nothing_outside_what_it_is_a_part_of(rig: Rig) -> None:
    """Whoever has read the plan has allowed no more; the refused commit is not handed in again."""
    plan = [{"id": "x", "description": "x", "files": ["src/x.py"], "command": ["true"]}]

    def act(task: TaskSpec, sandbox: Sandbox, context: AgentContext) -> AgentResult:
        if task.id == "t":
            return AgentResult(expansion=context.expand(json.dumps(plan)))
        return writing("src/x.py", "docs/x.md")(task, sandbox, context)

    run = rig.submit(sh("t", "true", files=("src/",)))
    worker = rig.worker(Doing(act))
    worker.work_once()
    worker.work_once()

    record = rig.task(run, "t.x")
    assert outcome(record) == (TaskState.QUEUED, "out_of_scope", 1)
    assert (
        "'docs/x.md' is not inside the write scope of what task 't.x' is a part of" in record.failure_reason
    )
    assert rig.hub.find_attempt(run, "t.x") is None


@pytest.mark.parametrize(("scope", "state", "failures"), [("widen", "merging", 0), ("strict", "queued", 1)])
def test_kept_work_is_held_to_the_scope_as_it_is_now(rig: Rig, scope: str, state: str, failures: int) -> None:
    """A worker died between making its attempt durable and asking for what it lacked."""
    run = rig.submit(sh("t", "true", files=("ok.txt",)))
    lost = rig.worker(Doing(writing("ok.txt", "more.txt")))
    lost.stopping.is_draining.set()  # no pause
    crashpoints.arm("worker.after_attempt:1:raise")
    try:
        lost.work_once()
    finally:
        crashpoints.disarm()
    found = rig.hub.find_attempt(run, "t")
    rig.scope = scope

    rig.worker(Doing(writing())).work_once()

    record = rig.task(run, "t")
    assert found is not None
    assert (record.state, record.failures) == (state, failures)
    assert record.attempt_commit == (found.commit if scope == "widen" else "")
    assert (rig.hub.find_attempt(run, "t") is None) == (scope == "strict")
