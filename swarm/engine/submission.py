"""Turns a plan into what the submit script stores: the run's id and its tasks in chunks."""

import hashlib
import json
import time
from collections.abc import Iterator, Sequence

from swarm.engine.caller import Caller
from swarm.engine.encoding import encode_spec
from swarm.engine.locks import compile_locks, lock_text
from swarm.engine.ranks import AGES, urgency
from swarm.engine.words import text_of, words_of
from swarm.errors import RefusedError
from swarm.plan.graph import walk_up
from swarm.plan.model import Plan, TaskSpec, queue_of

TASKS = 150
EDGES = 500
"""What one script stores at most; more would keep the server from others for over a millisecond."""

INLINE = 64
"""So many dependents stand in the hash of their dependency; more are a list of their own, said by `MANY`."""

MANY = "*"

LEAVING_LOOKS, LEAVING_PAUSE_S = 40, 0.05
"""How often it is looked whether the tasks of a removed run are gone, and how long is waited in between."""

_NOTHING = [""] * 8
_NOBODY: list[str] = []
SCHEMA = "7"
"""Version of the data in Redis."""


def submit_plan(
    caller: Caller,
    project: str,
    plan: Plan,
    *,
    base: str,
    key: str,
    repository: str,
    hub: tuple[str, str],
    deadline_s: float | None,
    fail_fast: bool,
) -> str:
    """Store what is not stored yet, activate, and return the run's id.

    Raises:
        RefusedError: the project belongs to another repository on this server, or tasks of a removed run of
            the same id do not go away.
    """
    specs = [encode_spec(task) for task in plan.tasks]
    run = run_id(project, plan, specs, base=base, key=key)
    branch = branch_of(run)
    opening = (run, plan.goal, branch, base, repository, SCHEMA, str(len(plan.tasks)), *hub)
    answer = _open(caller, run, opening)
    if answer[0] == "REFUSED":
        raise RefusedError(
            f"project {project!r} on this server belongs to repository {answer[1]!r}",
            hint="set another `project` in swarm.toml",
        )
    if answer[0] == "SCHEMA":
        raise RefusedError(
            f"project {project!r} on this server has data of another version of swarm (schema {answer[1]})",
            hint="finish its runs with that version, or set another `project` in swarm.toml",
        )
    if answer[1] == "loading":
        before = int(answer[2])
        stored = _store(caller, run, plan, specs, stored=before, first_age=int(answer[3]))
        # A submitter that was killed may have wanted otherwise.
        for pairs in _deadlines(plan, deadline_s, is_completed=before > 0):
            caller.call("deadlines", run, *pairs)
        if fail_fast or before:
            caller.call("fail_fast", run, "1" if fail_fast else "")
        caller.call("activate", run, stored)
        caller.drain_work()
    return run


def _open(caller: Caller, run: str, opening: tuple[str, ...]) -> list[str]:
    """Create the run, once the last task of one of the same id that was removed is gone."""
    for looks in range(LEAVING_LOOKS):
        answer = words_of(caller.call("open_run", *opening))
        if answer[0] != "LEAVING":
            return answer
        if looks:
            time.sleep(LEAVING_PAUSE_S)  # another process is doing the rest
        caller.drain_work()
    raise RefusedError(
        f"run {run} was removed from Redis, and some of its tasks are still there",
        hint="submit it again in a minute; if that does not help, `--key NAME` makes it another run",
    )


def _store(caller: Caller, run: str, plan: Plan, specs: Sequence[str], *, stored: int, first_age: int) -> int:
    """Send the chunks from number `stored` on, each as soon as it is made; how many there are.

    What is sent again after a lost reply changes nothing: a chunk is stored once, by its number.
    """

    def chunks() -> Iterator[tuple[str | int, ...]]:
        for number, chunk in enumerate(plan_chunks(plan, specs, first_age)):
            if number >= stored:
                yield (run, number, *chunk)

    answers = caller.stream("submit", chunks)
    return int(text_of(answers[-1][1])) if answers else stored


def branch_of(run: str) -> str:
    """The integration branch of a run."""
    return f"swarm/{run}"


def run_id(project: str, plan: Plan, specs: Sequence[str], *, base: str, key: str) -> str:
    """Ten hex digits that the same project, plan (its tasks as `encode_spec` has them), base and key give."""
    head = json.dumps([project, plan.goal, plan.version, base, key], separators=(",", ":"))
    return hashlib.sha256("\n".join([head, *specs]).encode()).hexdigest()[:10]


def plan_chunks(plan: Plan, specs: Sequence[str], first_age: int) -> Iterator[list[str]]:
    """The arguments of each submit call, always cut the same way, so that a number says how far it got.

    From the plan's end to its beginning: a task's rank and dependents are known once all after it were seen,
    so the server stores the end of a plan while its beginning is being worked out.
    """
    chunk: list[str] = []
    tasks = edges = 0
    place = len(plan.tasks)
    for task, rank_s, after in walk_up(plan):
        place -= 1
        score = urgency(rank_s, task.priority) + (first_age + place) % AGES
        if len(after) > INLINE:
            parts = [after[start : start + EDGES] for start in range(0, len(after), EDGES)]
            entry, inline = task_entry(task, specs[place], score, MANY), len(parts[0])
        else:
            parts, inline = [_NOBODY], len(after)
            entry = task_entry(task, specs[place], score, "\n".join(after))
        for number, part in enumerate(parts):
            more = len(part) if number else inline
            if chunk and (tasks == TASKS or edges + more > EDGES):
                yield chunk
                chunk, tasks, edges = [], 0, 0
            if not chunk:
                chunk.append(str(place - (number > 0)))
            chunk += [task.id, *_NOTHING] if number else entry
            chunk.append("\n".join(part))
            tasks, edges = tasks + 1, edges + more
    if chunk:
        yield chunk


def _deadlines(plan: Plan, deadline_s: float | None, *, is_completed: bool) -> Iterator[list[str]]:
    """Pairs of task id (empty: the run) and ms after its submission, as many as a script notes at once."""
    pairs = [[task.id, _ms(task.deadline_s)] for task in plan.tasks if task.deadline_s is not None]
    if deadline_s is not None:
        pairs.insert(0, ["", _ms(deadline_s)])
    elif is_completed:
        pairs.insert(0, ["", ""])
    for start in range(0, len(pairs), TASKS):
        yield [word for pair in pairs[start : start + TASKS] for word in pair]


def _ms(seconds: float) -> str:
    return str(round(seconds * 1000))


def task_entry(task: TaskSpec, spec: str, score: int, dependents: str) -> list[str]:
    """What the scripts want to know of a new task; its dispatch score with or without an age."""
    return [
        task.id,
        spec,
        queue_of(task),
        task.executor_needed,
        str(score),
        lock_text(compile_locks(task)),
        str(task.max_attempts),
        str(len(set(task.dependencies))),
        dependents,
    ]
