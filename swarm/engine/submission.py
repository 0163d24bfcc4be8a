"""Turns a plan into what the submit script stores: the run's id and its tasks in chunks."""

import hashlib
import json

from swarm.engine.caller import Caller
from swarm.engine.locks import compile_locks, lock_text
from swarm.engine.ranks import upward_ranks, urgency
from swarm.engine.specs import encode_spec, spec_fields
from swarm.engine.words import words_of
from swarm.errors import RefusedError
from swarm.plan.model import Plan

CHUNK = 150
"""Tasks a script stores; more would keep the server from others for over a millisecond."""


SCHEMA = "1"
"""Version of the data in Redis."""


def submit_plan(caller: Caller, project: str, plan: Plan, *, base: str, key: str, repository: str) -> str:
    """Store what is not stored yet, activate, and return the run's id.

    Raises:
        RefusedError: the project belongs to another repository on this server.
    """
    run = run_id(project, plan, base=base, key=key)
    branch = f"swarm/{run}"
    answer = words_of(caller.call("open_run", run, plan.goal, branch, base, repository, SCHEMA))
    if answer[0] == "REFUSED":
        raise RefusedError(
            f"project {project!r} on this server belongs to repository {answer[1]!r}",
            hint="set another `project` in swarm.toml",
        )
    state, stored = answer[1], int(answer[2])
    ranks = upward_ranks(plan) if state == "loading" else {}
    while state == "loading" and stored < len(plan.tasks):
        answer = words_of(caller.call("submit", run, stored, *chunk_arguments(plan, ranks, stored)))
        stored, state = int(answer[1]), answer[2]
    if state == "loading":
        caller.call("activate", run, len(plan.tasks))
        caller.drain_work()
    return run


def run_id(project: str, plan: Plan, *, base: str, key: str) -> str:
    """Ten hex digits that the same project, plan, base and key always give."""
    content = {"goal": plan.goal, "version": plan.version, "tasks": [spec_fields(t) for t in plan.tasks]}
    text = json.dumps([project, content, base, key], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def chunk_arguments(plan: Plan, ranks: dict[str, float], start: int) -> list[str]:
    """Arguments of one submit call: the tasks from place `start` on."""
    arguments: list[str] = []
    for task in plan.tasks[start : start + CHUNK]:
        arguments += [
            task.id,
            encode_spec(task),
            task.type,
            task.executor,
            str(urgency(ranks[task.id], task.priority)),
            lock_text(compile_locks(task)),
            str(task.max_attempts),
            "\n".join(dict.fromkeys(task.dependencies)),
        ]
    return arguments
