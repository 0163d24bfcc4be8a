"""A scripted reviewer, judge and author, told apart by their system prompts, and agents that count."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from worker_rig import Rig

from swarm.crashpoints import CrashPointError
from swarm.fleet.process import ProcessLauncher
from swarm.models.usage import Usage
from swarm.plan.model import TaskSpec
from swarm.repo.hub.refs import task_ref
from swarm.repo.merging.merge_queue import MergeQueue
from swarm.sandbox.protocol import Sandbox
from swarm.states import TaskState
from swarm.testing.script import ModelRequest, ScriptedReply, failing, saying
from swarm.testing.scripted_model import Script, ScriptedModel
from workers.agents.agent import Agent, AgentContext, AgentResult
from workers.prompts import load_prompt

Answers = Sequence[ScriptedReply] | Script


def approving(*findings: dict[str, object], summary: str = "Does what was asked.") -> ScriptedReply:
    """A review that approves."""
    return saying(json.dumps({"findings": findings, "summary": summary, "verdict": "approve"}))


def rejecting(*findings: dict[str, object], summary: str = "It is wrong.") -> ScriptedReply:
    """A review that rejects."""
    return saying(json.dumps({"findings": findings, "summary": summary, "verdict": "reject"}))


def finding(message: str, *, severity: str = "major", path: str = "f", line: int = 1) -> dict[str, object]:
    """One finding of a review."""
    return {"path": path, "line": line, "severity": severity, "message": message}


def choosing(number: int, reason: str = "The clearest.") -> ScriptedReply:
    """A judge's choice."""
    return saying(json.dumps({"reason": reason, "choice": number}))


def choosing_what_says(text: str) -> Script:
    """A judge that picks the candidate whose diff holds a text, wherever it was put."""

    def pick(request: ModelRequest) -> ScriptedReply:
        number = next(number for number in range(1, 6) if text in shown_as(request, number))
        return choosing(number)

    return pick


def shown_as(request: ModelRequest, number: int) -> str:
    """The diff that a judge was shown under a number; empty when there is none."""
    return request.prompt.partition(f"<candidate-{number}>")[2].partition(f"</candidate-{number}>")[0]


@contextmanager
def models(rig: Rig, **answers: Answers) -> Iterator[ScriptedModel]:
    """A model whose `agent`, `reviewer` and `judge` answer each in its own order; the workers ask it."""
    waiting = {who: said if callable(said) else _in_turn(iter(said)) for who, said in answers.items()}

    def answer(request: ModelRequest) -> ScriptedReply:
        who = next(who for who in ("agent", "reviewer", "judge") if is_asked(request, who))
        return waiting[who](request) if who in waiting else failing(400, "invalid_request_error", who)

    with ScriptedModel(answer) as model:
        rig.model_url = model.url
        yield model


def is_asked(request: ModelRequest, who: str) -> bool:
    """The request goes to this one of them."""
    return load_prompt(who) in request.prompt


def asked(model: ScriptedModel, who: str) -> list[ModelRequest]:
    """What one of them was asked, in order."""
    return [request for request in model.requests if is_asked(request, who)]


def _in_turn(replies: Iterator[ScriptedReply]) -> Script:
    return lambda _: next(replies, failing(400, "invalid_request_error", "the script has ended"))


@dataclass
class Authors:
    """Agents that each write a text into `f`, one after the other, over and over; what each saw is kept."""

    texts: Sequence[str | None]  # None writes nothing
    usage: Usage = Usage(10, 1)  # noqa: RUF009  # frozen
    evidence: list[str] = field(default_factory=list)
    saw: list[list[str]] = field(default_factory=list)

    def run(self, _task: TaskSpec, sandbox: Sandbox, context: AgentContext) -> AgentResult:
        """Write the next text."""
        text = self.texts[len(self.saw) % len(self.texts)]
        self.evidence.append(context.evidence)
        self.saw.append(sorted(path.name for path in sandbox.tree.iterdir()))
        if text is not None:
            (sandbox.tree / "f").write_text(text)
        return AgentResult(usage=self.usage)


def task(**rest: object) -> TaskSpec:
    """A task that writes `f`."""
    spec = TaskSpec("t", "Write f", files=("f",), executor="command", command=("true",))
    return TaskSpec(**{**vars(spec), **rest})


def work(rig: Rig, run: str, agent: Agent | None = None, *, until: Callable[[], bool]) -> None:
    """Let one worker claim until something holds."""
    worker = rig.worker(agent)
    worker.stopping.is_draining.set()  # no pauses
    for _ in range(15):
        if until():
            return
        with suppress(CrashPointError):
            worker.work_once()
    raise AssertionError(f"still {rig.task(run, 't')}")


def is_handed_in(rig: Rig, run: str) -> Callable[[], bool]:
    """Whether the task waits for its merge."""
    return lambda: rig.task(run, "t").state is TaskState.MERGING


def land(rig: Rig) -> None:
    """Let a merge queue judge what was handed in."""
    MergeQueue(rig.engine, rig.hub, ProcessLauncher(), merger_id="merger", home=rig.home).land_train()


def content(rig: Rig, run: str) -> bytes | None:
    """What the attempt that was handed in has in `f`."""
    return rig.hub.read_blob(rig.task(run, "t").attempt_commit, "f")


def candidates(rig: Rig, run: str) -> list[str]:
    """Refs of what is not yet chosen."""
    folders = [task_ref(kind, run, "t") + "/" for kind in ("candidate", "passed")]
    return sorted(ref.split("/")[2] + " " + ref.rsplit("/", 1)[1] for ref in rig.hub.refs_under(*folders))


def log(rig: Rig, run: str, attempt: int = 1) -> str:
    """What an attempt's log says."""
    return (rig.home / f"logs/{run}/t.{attempt}.log").read_text()
