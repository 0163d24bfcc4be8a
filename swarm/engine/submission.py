"""Turns a plan into what the submit script stores: the run's id and its tasks in chunks."""

import hashlib
import json
from collections.abc import Iterator

from swarm.engine.caller import Caller
from swarm.engine.locks import compile_locks, lock_text
from swarm.engine.ranks import urgency
from swarm.engine.specs import encode_spec, spec_fields
from swarm.engine.words import words_of
from swarm.errors import RefusedError
from swarm.plan.graph import upward_ranks
from swarm.plan.model import Plan, TaskSpec, queue_of

TASKS = 150
EDGES = 500
"""What one script stores at most; more would keep the server from others for over a millisecond."""

INLINE = 64
"""So many dependents stand in the hash of their dependency; more are a list of their own, said by `MANY`."""

MANY = "*"

SCHEMA = "2"
"""Version of the data in Redis."""


def submit_plan(
    caller: Caller,
    project: str,
    plan: Plan,
    *,
    base: str,
    key: str,
    repository: str,
    deadline_s: float | None,
) -> str:
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
    chunks = plan_chunks(plan) if state == "loading" else []
    while state == "loading" and stored < len(chunks):
        answer = words_of(caller.call("submit", run, stored, *chunks[stored]))
        stored, state = int(answer[1]), answer[2]
    if state == "loading":
        for pairs in _deadlines(plan, deadline_s):
            caller.call("deadlines", run, *pairs)
        caller.call("activate", run, len(chunks))
        caller.drain_work()
    return run


def run_id(project: str, plan: Plan, *, base: str, key: str) -> str:
    """Ten hex digits that the same project, plan, base and key always give."""
    content = {"goal": plan.goal, "version": plan.version, "tasks": [spec_fields(t) for t in plan.tasks]}
    text = json.dumps([project, content, base, key], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def plan_chunks(plan: Plan) -> list[list[str]]:
    """The arguments of each submit call, always cut the same way, so that a number says how far it got."""
    ranks = upward_ranks(plan)
    dependents = _dependents(plan)
    chunks: list[list[str]] = []
    tasks = edges = 0
    for place, task in enumerate(plan.tasks):
        after = dependents.get(task.id, [])
        is_list = len(after) > INLINE
        parts = [after[start : start + EDGES] for start in range(0, len(after), EDGES)] if is_list else [[]]
        for number, part in enumerate(parts):
            edges_of_part = len(part) or len(after)
            if not chunks or tasks == TASKS or edges + edges_of_part > EDGES:
                chunks.append([str(place + (number > 0))])
                tasks = edges = 0
            inline = MANY if is_list else "\n".join(after)
            chunks[-1] += _entry(task, ranks[task.id], inline) if number == 0 else [task.id, *[""] * 8]
            chunks[-1].append("\n".join(part))
            tasks, edges = tasks + 1, edges + edges_of_part
    return chunks


def _deadlines(plan: Plan, deadline_s: float | None) -> Iterator[list[str]]:
    """Pairs of task id (empty: the run) and ms after its submission, as many as a script notes at once."""
    known = {"": deadline_s, **{task.id: task.deadline_s for task in plan.tasks}}
    pairs = [[name, str(round(seconds * 1000))] for name, seconds in known.items() if seconds is not None]
    for start in range(0, len(pairs), TASKS):
        yield [word for pair in pairs[start : start + TASKS] for word in pair]


def _dependents(plan: Plan) -> dict[str, list[str]]:
    """Which tasks wait for a task, in the plan's order."""
    found: dict[str, list[str]] = {}
    for task in plan.tasks:
        for dependency in dict.fromkeys(task.dependencies):
            found.setdefault(dependency, []).append(task.id)
    return found


def _entry(task: TaskSpec, rank_s: float, dependents: str) -> list[str]:
    return [
        task.id,
        encode_spec(task),
        queue_of(task),
        task.executor,
        str(urgency(rank_s, task.priority)),
        lock_text(compile_locks(task)),
        str(task.max_attempts),
        str(len(set(task.dependencies))),
        dependents,
    ]
