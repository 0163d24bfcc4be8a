"""Attempts that ask the queue: to be replaced by tasks, and for more files."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from worker_rig import Doing, Rig, sh

from swarm.errors import PlanError, RefusedError
from swarm.models.client import ModelClient
from swarm.models.tiers import model_for
from swarm.plan.expansion import read_expansion
from swarm.plan.model import Plan, TaskSpec
from swarm.sandbox.client import HostedSandbox
from swarm.sandbox.protocol import Sandbox
from swarm.settings import Settings
from swarm.states import FailureKind, TaskState
from swarm.testing.script import ScriptedReply, saying, using
from swarm.testing.scripted_model import ScriptedModel
from workers.agents.agent import AgentContext, AgentResult
from workers.agents.command import CommandAgent
from workers.agents.messages import Limits, MessagesAgent
from workers.lease import LeaseLostError

Serve = Callable[[Sequence[ScriptedReply]], ScriptedModel]

TASK = TaskSpec("t", "do it", files=("src/",), timeout_s=60)
PARTS = [
    {"id": "a", "description": "one", "files": ["src/a.py"]},
    {"id": "b", "description": "other", "dependencies": ["a"]},
]


def reading(context: AgentContext) -> AgentContext:
    """A context that reads sub-plans as an attempt at TASK does."""
    return replace(context, expand=lambda text: read_expansion(text, TASK, bounds=TASK.files))


def commanded(script: str) -> TaskSpec:
    """A command task that runs a shell script."""
    return replace(TASK, executor="command", command=("sh", "-c", script))


def converse(model: ScriptedModel, sandbox: HostedSandbox, context: AgentContext) -> AgentResult:
    """Let the agent `messages` work on TASK."""
    settings = Settings(anthropic_api_key="scripted", anthropic_base_url=model.url)
    client = ModelClient(settings)
    try:
        agent = MessagesAgent(client, model_of=lambda tier: model_for(tier, settings), limits=Limits())
        return agent.run(TASK, sandbox, context)
    finally:
        client.close()


def test_a_command_writes_down_what_is_to_be_done_instead(
    sandbox: HostedSandbox, context: AgentContext
) -> None:
    """An absolute path, so a command may change its folder; confined to where it can write."""
    script = f"mkdir deeper && cd deeper && printf '%s' '{json.dumps(PARTS)}' > \"$SWARM_EXPAND\""

    result = CommandAgent().run(commanded(script), sandbox, reading(context))

    assert result.failure is None
    assert result.expansion is not None
    assert [task.id for task in result.expansion.tasks] == ["a", "b"]


@pytest.mark.parametrize("evidence", ["", "gate 'tests':\n\t1 failed\0 \ud800 é"])
def test_a_command_is_told_what_earlier_attempts_failed_with(
    sandbox: HostedSandbox, context: AgentContext, evidence: str
) -> None:
    """As text in its environment, to the line; nothing where nothing has failed."""
    script = 'printf "%s" "${SWARM_EVIDENCE-none}" > told.txt'

    result = CommandAgent().run(commanded(script), sandbox, replace(context, evidence=evidence))

    assert result.failure is None
    told = (sandbox.tree / "told.txt").read_text(encoding="utf-8")
    assert told == (evidence.translate({0: "?", 0xD800: "?"}) or "none")


def test_a_command_that_fails_expands_nothing(sandbox: HostedSandbox, context: AgentContext) -> None:
    """Its exit code comes first."""
    script = f"printf '%s' '{json.dumps(PARTS)}' > \"$SWARM_EXPAND\"; exit 3"

    result = CommandAgent().run(commanded(script), sandbox, reading(context))

    assert result.expansion is None
    assert result.failure is not None
    assert result.failure.reason == "'sh' exited with 3"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("touch $SWARM_EXPAND", "the plan is empty"),
        ("echo '[{}]' > $SWARM_EXPAND", "$[0].description: required"),
        ("mkdir $SWARM_EXPAND", "cannot read what SWARM_EXPAND names"),
        ("ln -s /etc/passwd $SWARM_EXPAND", "cannot read what SWARM_EXPAND names"),
        ("head -c 300000 /dev/zero > $SWARM_EXPAND", "300000 bytes, more than 262144: write fewer"),
    ],
)
def test_what_is_no_sub_plan_is_a_failure_of_the_command(
    sandbox: HostedSandbox, context: AgentContext, script: str, said: str
) -> None:
    """Charged, and said."""
    failure = CommandAgent().run(commanded(script), sandbox, reading(context)).failure

    assert failure is not None
    assert failure.kind is FailureKind.TASK_ERROR
    assert failure.kind.is_charged
    assert said in failure.reason


@pytest.mark.parametrize("faults", [1, 2, 5])
def test_a_problem_of_a_sub_plan_is_named_once(
    sandbox: HostedSandbox, context: AgentContext, faults: int
) -> None:
    """In the reason; of many the reason names three and the evidence all."""
    parts = [{"id": f"part-{number}"} for number in range(faults)]
    script = f"printf '%s' '{json.dumps(parts)}' > $SWARM_EXPAND"

    failure = CommandAgent().run(commanded(script), sandbox, reading(context)).failure

    assert failure is not None
    assert failure.reason.count(".description: ") == min(faults, 3)
    assert failure.evidence.count(".description: ") == (faults if faults > 3 else 0)


def test_a_command_that_asks_for_nothing_leaves_no_trace(rig: Rig) -> None:
    """The path is only a name: nothing is there that could land."""
    run = rig.submit(sh("t", "echo $SWARM_EXPAND > new.txt", files=("new.txt",)))

    rig.worker().work_once()

    record = rig.task(run, "t")
    assert record.state is TaskState.MERGING
    names = rig.hub.git.one_line("ls-tree", "-r", "--name-only", record.attempt_commit).split()
    assert names == ["README.md", "new.txt"]


def test_a_model_replaces_its_task(serve: Serve, sandbox: HostedSandbox, context: AgentContext) -> None:
    """The conversation ends with the call; its cost is counted."""
    model = serve([using("expand_task", {"tasks": PARTS}), saying("never asked")])

    result = converse(model, sandbox, reading(context))

    assert result.failure is None
    assert result.expansion is not None
    assert [task.id for task in result.expansion.tasks] == ["a", "b"]
    assert result.usage.cost_microusd > 0
    assert len(model.requests) == 1


def test_a_model_is_told_what_is_wrong_with_its_tasks(
    serve: Serve, sandbox: HostedSandbox, context: AgentContext
) -> None:
    """All of it, and it may try again: no attempt is lost to a slip."""
    bad = [{"id": "a", "description": "x", "files": ["docs/x.md"], "dependencies": ["c"]}]
    model = serve(
        [
            using("expand_task", {"tasks": bad}),
            using("expand_task", {}),
            using("expand_task", {"tasks": PARTS}),
        ]
    )

    result = converse(model, sandbox, reading(context))

    assert result.expansion is not None
    told = json.dumps(model.requests[-1].body["messages"])
    assert "unknown dependency 'c'" in told
    assert "not inside the write scope" in told
    assert "tasks must be an array" in told


def test_a_model_asks_for_more_files(serve: Serve, sandbox: HostedSandbox, context: AgentContext) -> None:
    """It is told its larger scope, or why it cannot have it."""

    def extend(files: Sequence[str], reads: Sequence[str]) -> TaskSpec:
        if files == ["/etc"]:
            raise RefusedError("absolute path in '/etc'", hint="inside")
        return replace(TASK, files=(*TASK.files, *files), reads=tuple(reads))

    model = serve(
        [
            using("extend_scope", {"files": ["/etc"]}),
            using("extend_scope", {"files": "docs"}),
            using("extend_scope", {"files": ["docs/x.md"], "reads": ["b.py"]}),
            saying("done"),
        ]
    )

    result = converse(model, sandbox, replace(context, extend=extend))

    assert result.failure is None
    told = json.dumps(model.requests[-1].body["messages"])
    assert "absolute path in '/etc' (inside)" in told
    assert "must be lists of paths" in told
    assert "Your write scope is now:\\nsrc/\\ndocs/x.md" in told


def test_without_a_queue_there_is_nothing_to_ask(context: AgentContext) -> None:
    """A context of its own refuses in words."""
    with pytest.raises(PlanError):
        context.expand("[]")
    with pytest.raises(RefusedError):
        context.extend(["a"], [])


def expanding(task: TaskSpec, _sandbox: Sandbox, context: AgentContext) -> AgentResult:
    """Any agent may ask by its result: what a planning executor will do."""
    return AgentResult(expansion=context.expand(json.dumps(PARTS if task.id == "t" else PARTS[:1])))


def test_an_attempt_is_replaced_by_tasks(rig: Rig) -> None:
    """The queue knows them, under the name of the task; the workspace is gone, and the log says so."""
    run = rig.submit(sh("t", "true", files=("src/",)))

    rig.worker(Doing(expanding)).work_once()

    assert rig.task(run, "t").state is TaskState.PENDING
    assert rig.task(run, "t.a").state is TaskState.QUEUED
    assert rig.task(run, "t.b").waiting_for == ("t.a",)
    assert "expanded into 2 tasks" in (rig.home / f"logs/{run}/t.1.log").read_text()
    assert list((rig.home / "workspaces").glob("*/*")) == []


def test_a_part_without_files_is_bounded_by_what_it_is_a_part_of(rig: Rig) -> None:
    """Otherwise two expansions would lead out of every scope."""

    def escaping(task: TaskSpec, _sandbox: Sandbox, context: AgentContext) -> AgentResult:
        files = [] if task.id == "t" else ["secret.py"]
        rows = [{"id": "x", "description": "x", "files": files, "command": ["true"]}]
        plans: list[Plan] = []
        try:
            plans.append(context.expand(json.dumps(rows)))
        except PlanError as error:
            (rig.shared / "said").write_text(str(error.problems[0]))
        return AgentResult(expansion=plans[0] if plans else None)

    run = rig.submit(sh("t", "true", files=("src/",)))
    worker = rig.worker(Doing(escaping))
    worker.work_once()
    worker.work_once()

    assert "'secret.py' is not inside the write scope" in (rig.shared / "said").read_text()
    assert rig.task(run, "t.x").state is TaskState.DONE


def test_an_attempt_works_on_with_a_larger_scope(rig: Rig) -> None:
    """What it changes there lands; the scope that is stored has grown too."""

    def more(task: TaskSpec, sandbox: Sandbox, context: AgentContext) -> AgentResult:
        for path in ("a.py", "b.py"):
            if path not in task.files:
                task = context.extend([path], [])
            sandbox.call("write_file", {"path": path, "content": "x = 1\n"})
        return AgentResult()

    run = rig.submit(sh("t", "true", files=("a.py",)))

    rig.worker(Doing(more)).work_once()

    record = rig.task(run, "t")
    assert (record.state, record.spec.files) == (TaskState.MERGING, ("a.py", "b.py"))
    assert "the write scope is now a.py, b.py" in (rig.home / f"logs/{run}/t.1.log").read_text()


def test_an_attempt_whose_files_are_taken_is_over(rig: Rig) -> None:
    """Nothing is told or charged; the task waits for all of them, and is then done with them."""
    said: list[str] = []

    def more(task: TaskSpec, _sandbox: Sandbox, context: AgentContext) -> AgentResult:
        if task.id == "t" and "b.py" not in task.files:
            # The other one begins while this one is at work.
            other = rig.engine.claim(rig.worker().profile, "other")
            assert other is not None
            try:
                context.extend(["b.py"], [])
            except LeaseLostError as error:
                said.append(str(error))
                rig.engine.finish(other)
                raise
        return AgentResult()

    run = rig.submit(sh("t", "true", files=("a.py",)), sh("other", "true", files=("b.py",)))
    worker = rig.worker(Doing(more))

    worker.work_once()
    waiting = rig.task(run, "t")
    worker.work_once()

    assert said == ["it needs more files, and waits for b.py"]
    assert (waiting.state, waiting.failures, waiting.setbacks, waiting.crashes) == (TaskState.QUEUED, 0, 0, 0)
    assert rig.task(run, "t").state is TaskState.DONE
    assert rig.task(run, "t").attempt == 2
