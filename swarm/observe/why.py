"""Why a task is where it is: the chain of causes, from the task to what it all waits for."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from swarm.engine.records import TaskRecord
from swarm.engine.snapshot import Snapshot
from swarm.engine.views import HeldLock
from swarm.observe.orders import orders_in_force, start_for
from swarm.observe.wording import FAILURES, duration, lock_name, one_line, plural
from swarm.plan.model import queue_of
from swarm.states import FailureKind, RunState, TaskState

MOST_LINKS = 24
_BLOCKED = (TaskState.FAILED, TaskState.CANCELLED, TaskState.UPSTREAM_FAILED)


@dataclass(frozen=True)
class Link:
    """One cause: what is so, about which task, how many steps from the question."""

    task: str
    text: str
    depth: int


def causes(snapshot: Snapshot, locks: Sequence[HeldLock], task: str) -> tuple[Link, ...]:
    """The chain of causes behind a task's state, nearest first; at most `MOST_LINKS`."""
    inquiry = _Inquiry(snapshot, locks)
    inquiry.ask(task, 0)
    return tuple(inquiry.links[:MOST_LINKS])


def next_steps(snapshot: Snapshot, task: str) -> tuple[str, ...]:
    """What a person could type next about this task."""
    run = snapshot.run.run
    record = next(one for one in snapshot.tasks if one.spec.id == task)
    if record.state is TaskState.FAILED:
        gate = " --gate" if record.failure_kind == FailureKind.GATE_FAILED else ""
        return (
            f"swarm logs {task} --run {run}{gate}",
            f"swarm retry {run} --task {task}",
            f"swarm skip {run} {task}",
        )
    if record.state in {TaskState.UPSTREAM_FAILED, TaskState.CANCELLED}:
        return (f"swarm retry {run}",)
    if record.state is TaskState.DONE:
        return (f"swarm diff {task} --run {run}",) if record.merged_commit else ()
    if not snapshot.run.state.is_terminal and not any(agent.kind == "worker" for agent in snapshot.alive):
        return (f"swarm run --resume {run}",)
    return (f"swarm logs {task} --run {run} -f",) if record.state is TaskState.RUNNING else ()


class _Inquiry:
    """One walk along the causes; each task is explained once."""

    def __init__(self, snapshot: Snapshot, locks: Sequence[HeldLock]) -> None:
        self.links: list[Link] = []
        self._snapshot = snapshot
        self._locks = locks
        self._now_ms = snapshot.taken_ms
        self._tasks = {task.spec.id: task for task in snapshot.tasks}
        self._agents = {agent.worker_id: agent for agent in snapshot.alive}
        self._asked: set[str] = set()
        self._explain: dict[TaskState, Callable[[TaskRecord, int], None]] = {
            TaskState.PENDING: self._pending,
            TaskState.QUEUED: self._queued,
            TaskState.ACKED: self._held,
            TaskState.RUNNING: self._held,
            TaskState.MERGING: self._merging,
            TaskState.DONE: self._done,
            TaskState.FAILED: self._failed,
            TaskState.UPSTREAM_FAILED: self._upstream_failed,
            TaskState.CANCELLED: self._cancelled,
            TaskState.SKIPPED: self._skipped,
        }

    def ask(self, name: str, depth: int) -> None:
        task = self._tasks.get(name)
        # A plan may be thousands of tasks deep: stop where nobody reads on.
        if task is None or name in self._asked or len(self.links) >= MOST_LINKS:
            return
        self._asked.add(name)
        self._explain[task.state](task, depth)

    def _say(self, task: TaskRecord, depth: int, text: str) -> None:
        self.links.append(Link(task.spec.id, one_line(text), depth))

    def _pending(self, task: TaskRecord, depth: int) -> None:
        if self._snapshot.run.state is RunState.LOADING:
            self._say(task, depth, "pending: the plan is still being stored; submit it again to go on")
            return
        waiting = task.waiting_for
        shown = ", ".join(waiting[:3]) + (f" and {len(waiting) - 3} more" if len(waiting) > 3 else "")  # noqa: PLR2004
        many = plural(len(waiting), "dependency", "dependencies")
        self._say(task, depth, f"pending: waits for {many}: {shown}" if waiting else "pending")
        for name in waiting:
            self.ask(name, depth + 1)

    def _queued(self, task: TaskRecord, depth: int) -> None:
        again = f" after attempt {task.attempt} failed: {_reason(task)}" if task.failure_kind else ""
        if task.not_before_ms > self._now_ms:
            self._say(task, depth, f"queued: in backoff for {self._until(task.not_before_ms)}{again}")
        elif task.parked_on:
            self._say(task, depth, f"queued: parked on {lock_name(task.parked_on)}{again}")
            self._holders(task, depth + 1)
        else:
            self._say(task, depth, f"queued: ready in queue {task.spec.type!r}{again}")
            self._takers(task, depth + 1)

    def _holders(self, task: TaskRecord, depth: int) -> None:
        member = f"{task.run}/{task.spec.id}"
        for lock in self._locks:
            if member not in lock.waiters:
                continue
            if lock.run == task.run:
                self._say(task, depth, f"{lock_name(lock.path)} is locked ({lock.mode}) by {lock.task}")
                self.ask(lock.task, depth + 1)
            else:
                other = f"{lock.task} of run {lock.run} on {lock.worker_id}"
                self._say(task, depth, f"{lock_name(lock.path)} is locked ({lock.mode}) by {other}")

    def _takers(self, task: TaskRecord, depth: int) -> None:
        """Who could claim a ready task, and why nobody has."""
        for order in orders_in_force(self._snapshot.run, self._snapshot.controls, kind=task.spec.type):
            self._say(task, depth, order)
        workers = [agent for agent in self._agents.values() if agent.kind == "worker"]
        if not workers:
            self._say(task, depth, "no worker is alive")
            return
        of_type = [agent for agent in workers if {"*", task.spec.type} & set(agent.types)]
        if not of_type:
            types = {kind for agent in workers for kind in agent.types}
            self._say(task, depth, _unserved(f"type {task.spec.type!r}", "alive", len(workers), types))
            self._say(task, depth, f"`{start_for(queue_of(task.spec))}` starts one")
            return
        # A worker of an older version does not say what it runs.
        serving = [agent for agent in of_type if not agent.executors or task.spec.executor in agent.executors]
        if not serving:
            known = {name for agent in of_type for name in agent.executors}
            whose = "alive" if len(of_type) == len(workers) else f"of type {task.spec.type!r}"
            self._say(task, depth, _unserved(f"executor {task.spec.executor!r}", whose, len(of_type), known))
            return
        equipped = [agent for agent in serving if set(task.spec.needs) <= set(agent.tags)]
        if not equipped:
            wanted, tags = (
                ", ".join(task.spec.needs),
                sorted({tag for agent in serving for tag in agent.tags}),
            )
            said = (
                f"no worker has all of the tags it needs ({wanted}); tags alive: {', '.join(tags) or 'none'}"
            )
            self._say(task, depth, said)
            self._say(task, depth, f"`{start_for(queue_of(task.spec))}` starts one that does")
            return
        serving = equipped
        idle = [agent for agent in serving if not agent.task]
        if idle:
            self._say(task, depth, f"{plural(len(idle), 'idle worker')} can take it now")
            return
        busy = ", ".join(f"{agent.worker_id} ({agent.task})" for agent in serving[:3])
        self._say(task, depth, f"all {plural(len(serving), 'worker')} that can take it are busy: {busy}")

    def _held(self, task: TaskRecord, depth: int) -> None:
        since = self._since(task.started_ms or task.claimed_ms)
        doing = "running" if task.state is TaskState.RUNNING else "claimed; its workspace is being made"
        attempt = f", attempt {task.attempt} of {task.spec.max_attempts}" if task.attempt > 1 else ""
        self._say(task, depth, f"{doing} on worker {task.worker_id} for {since}{attempt}")
        agent = self._agents.get(task.worker_id)
        lease = f"its lease ends in {self._until(task.lease_ends_ms)}, then the task is queued again"
        if agent is None:
            self._say(task, depth + 1, f"worker {task.worker_id} is not among the living; {lease}")
        else:
            self._say(
                task, depth + 1, f"heartbeat {self._since(agent.seen_ms)} ago; {_lease(task, self._now_ms)}"
            )

    def _merging(self, task: TaskRecord, depth: int) -> None:
        if task.merge_begun_ms >= max(1, task.handed_in_ms):
            self._say(
                task, depth, f"merging: its gate has been running for {self._since(task.merge_begun_ms)}"
            )
            return
        self._say(
            task, depth, f"merging: handed in {self._since(task.handed_in_ms)} ago, waits for the merge queue"
        )
        if not any(agent.kind == "supervisor" for agent in self._agents.values()):
            self._say(task, depth + 1, "no supervisor is alive to merge it")
        for other in self._tasks.values():
            if other.state is TaskState.MERGING and other.merge_begun_ms >= max(1, other.handed_in_ms):
                self._say(task, depth + 1, f"behind {other.spec.id}")
                self.ask(other.spec.id, depth + 2)

    def _done(self, task: TaskRecord, depth: int) -> None:
        ago = f"{self._since(task.ended_ms)} ago"
        commit = f"landed as {task.merged_commit[:12]}" if task.merged_commit else "nothing to land"
        attempts = f" at attempt {task.attempt}" if task.attempt > 1 else ""
        self._say(task, depth, f"done {ago}{attempts}: {commit}")

    def _failed(self, task: TaskRecord, depth: int) -> None:
        tried = f"{plural(task.attempt, 'attempt')}"
        self._say(task, depth, f"failed {self._since(task.ended_ms)} ago after {tried}: {_reason(task)}")
        for one in task.history[:-1]:
            took = duration((one.ended_ms - one.since_ms) / 1000)
            said = _said(one.kind, one.message)
            self._say(task, depth + 1, f"attempt {one.attempt}, {took} on worker {one.worker}: {said}")
        for line in [line for line in task.evidence.splitlines() if line.strip()][-3:]:
            self._say(task, depth + 1, f"| {line}")

    def _upstream_failed(self, task: TaskRecord, depth: int) -> None:
        blockers = [
            name
            for name in task.spec.dependencies
            if (one := self._tasks.get(name)) and one.state in _BLOCKED
        ]
        self._say(task, depth, f"upstream_failed: never started, because of {', '.join(blockers)}")
        for name in blockers:
            self.ask(name, depth + 1)

    def _cancelled(self, task: TaskRecord, depth: int) -> None:
        ago = f"cancelled {self._since(task.ended_ms)} ago"
        self._say(
            task, depth, f"{ago}: {task.failure_reason}" if task.failure_reason else f"{ago} by a person"
        )
        for name in task.spec.dependencies:
            if (one := self._tasks.get(name)) and one.state is TaskState.CANCELLED:
                self.ask(name, depth + 1)

    def _skipped(self, task: TaskRecord, depth: int) -> None:
        self._say(task, depth, "skipped by a person: it counts as done")

    def _since(self, then_ms: int) -> str:
        return duration((self._now_ms - then_ms) / 1000)

    def _until(self, then_ms: int) -> str:
        return duration((then_ms - self._now_ms) / 1000)


def _unserved(what: str, whose: str, workers: int, known: Iterable[str]) -> str:
    return f"no worker serves {what}; {plural(workers, 'worker')} {whose}: {', '.join(sorted(known))}"


def _reason(task: TaskRecord) -> str:
    return _said(task.failure_kind, task.failure_reason)


def _said(kind: str, reason: str) -> str:
    said = FAILURES.get(kind, kind)
    return f"{said}: {reason}" if reason else said


def _lease(task: TaskRecord, now_ms: int) -> str:
    left_s = (task.lease_ends_ms - now_ms) / 1000
    return (
        f"lease good for {duration(left_s)}"
        if left_s > 0
        else "its lease has ended; the reaper takes it back"
    )
