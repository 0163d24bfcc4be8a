"""The first message to a model: the task and what is known about it, all of it quoted as data."""

from swarm.plan.model import TaskSpec
from workers.prompts import fill_prompt, load_prompt, quote

MAX_EVIDENCE_CHARS = 16_000


def system_prompt() -> str:
    """The rules; the same for every task, so that the prompt cache holds."""
    return load_prompt("agent")


def brief(task: TaskSpec, evidence: str) -> str:
    """The task's own part of the prompt, the stable parts first and the evidence last."""
    parts = [
        quote("task", f"id: {task.id}\ntype: {task.type}\n\n{task.description}"),
        quote("write-scope", "\n".join(task.files) or "(nothing: this task changes no file)"),
    ]
    if task.reads:
        parts.append(quote("worth-reading", "\n".join(task.reads)))
    if task.acceptance:
        parts.append(quote("acceptance-commands", "\n".join(map(str, map(list, task.acceptance)))))
    if task.expected_output:
        parts.append(quote("expected-output", task.expected_output))
    if task.context:
        parts.append(quote("context", task.context))
    if evidence:
        parts.append(fill_prompt("evidence", evidence=quote("evidence", evidence[-MAX_EVIDENCE_CHARS:])))
    return "\n\n".join(parts)
