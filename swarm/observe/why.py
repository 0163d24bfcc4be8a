"""Why a task is where it is: the chain of causes, from the task to what it all waits for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from swarm.engine.locks import LockEntry, compile_locks
from swarm.engine.on_demand import TasksOnDemand
from swarm.engine.records import AgentRecord, TaskRecord
from swarm.engine.views import SHARED, HeldLock, Surroundings
from swarm.keys import member, split_member
from swarm.observe.asides import asides
from swarm.observe.ended import how_it_ended
from swarm.observe.hub_trouble import hub_troubles
from swarm.observe.orders import pauses_of, reached_limits
from swarm.observe.takers import NOBODY, takers
from swarm.observe.wording import (
    duration,
    failure_with_reason,
    lock_name,
    one_line,
    plural,
    time_of_day,
)
from swarm.plan.model import queue_of
from swarm.states import RunState, TaskState

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_LINKS = 24
MOST_HOLDERS = 3


@dataclass(frozen=True)
class Link:
    """One cause: what is so, about which task, how many steps from the question."""

    task: str
    text: str
    depth: int


def causes(tasks: TasksOnDemand, around: Surroundings, task: str) -> tuple[Link, ...]:
    """The chain of causes behind a task's state, nearest first; at most `MOST_LINKS`.

    Of a longer chain the beginning and the end: what it all waits for is at the end.
    """
    inquiry = _Inquiry(tasks, around)
    inquiry.ask(task, 0)
    links = tuple(inquiry.links[:MOST_LINKS])
    if not inquiry.cut_at:
        return links
    end, between = tasks.end_of(inquiry.cut_at)
    last = _Inquiry(tasks, around)
    last.ask(end, 1)
    tail = last.links[: MOST_LINKS // 2]
    head = links[: MOST_LINKS - len(tail) - 1]
    between += len({link.task for link in links} - {link.task for link in head})
    gap = Link(head[-1].task, f"and so on, {plural(between, 'task')} in between, to the end:", 0)
    return (*head, gap, *tail)


class _Inquiry:
    """One walk along the causes; each task is explained once."""

    def __init__(self, tasks: TasksOnDemand, around: Surroundings) -> None:
        self.links: list[Link] = []
        self.cut_at = ""  # the first task that there was no room for
        self._around = around
        self._now_ms = around.now_ms
        self._tasks = tasks
        self._agents = {agent.worker_id: agent for agent in around.alive}
        self._asked: set[str] = set()
        self._ordered: set[str] = set()  # orders that were said
        self._explain: dict[TaskState, Callable[[TaskRecord, int], None]] = {
            TaskState.PENDING: self._pending,
            TaskState.QUEUED: self._queued,
            TaskState.ACKED: self._held,
            TaskState.RUNNING: self._held,
            TaskState.MERGING: self._merging,
            TaskState.DONE: self._ended,
            TaskState.FAILED: self._ended,
            TaskState.UPSTREAM_FAILED: self._upstream_failed,
            TaskState.CANCELLED: self._cancelled,
            TaskState.SKIPPED: self._ended,
        }

    def ask(self, name: str, depth: int) -> None:
        if name in self._asked:
            return
        # A plan may be thousands of tasks deep, or wide: stop where nobody reads on.
        if len(self.links) >= MOST_LINKS:
            self.cut_at = self.cut_at or name
            return
        self._asked.add(name)
        if task := self._tasks.get(name):
            at = len(self.links)
            self._explain[task.state](task, depth)
            self.links[at + 1 : at + 1] = [Link(name, one_line(text), depth + 1) for text in asides(task)]

    def _ask_all(self, names: Sequence[str], depth: int) -> None:
        self._tasks.fetch(names[:MOST_LINKS])
        for name in names:
            self.ask(name, depth)

    def _say(self, task: TaskRecord, depth: int, text: str) -> None:
        self.links.append(Link(task.spec.id, one_line(text), depth))

    def _pending(self, task: TaskRecord, depth: int) -> None:
        if self._around.run.state is RunState.LOADING:
            self._say(task, depth, "pending: the plan is still being stored; submit it again to go on")
            return
        waiting = task.waiting_for
        shown = ", ".join(waiting[:3]) + (f" and {len(waiting) - 3} more" if len(waiting) > 3 else "")  # noqa: PLR2004
        many = plural(len(waiting), "dependency", "dependencies")
        if task.join:
            many = f"{len(waiting)} of the {plural(len(task.parts), 'task')} that it was expanded into"
        self._say(task, depth, f"pending: waits for {many}: {shown}" if waiting else "pending")
        self._say_orders(task, depth + 1)
        self._ask_all(waiting, depth + 1)

    def _queued(self, task: TaskRecord, depth: int) -> None:
        why = failure_with_reason(task.failure_kind, task.failure_reason)
        again = f" after attempt {task.attempt} failed: {why}" if task.failure_kind else ""
        if task.not_before_ms > self._now_ms:
            until, left = time_of_day(task.not_before_ms), self._until(task.not_before_ms)
            self._say(task, depth, f"queued: in backoff until {until}, {left} more{again}")
            self._say_orders(task, depth + 1)
        elif task.parked_on:
            waits = f"parked on {lock_name(task.parked_on)} since {self._when(task.parked_ms)}"
            self._say(task, depth, f"queued: {waits}{again}")
            self._say_orders(task, depth + 1)
            self._holders(task, depth + 1)
        else:
            self._say(task, depth, f"queued: {self._where_ready(task)}{again}")
            self._takers(task, depth + 1)

    def _where_ready(self, task: TaskRecord) -> str:
        ready = f"ready in queue {queue_of(task.spec)!r}"
        if not self._around.run.is_paused:
            return ready
        # Nobody is taken out of a queue by the pause, but by the first claim that comes by after it.
        return "stands aside" if self._tasks.stands_aside(task) else f"{ready}, but its run is paused"

    def _holders(self, task: TaskRecord, depth: int) -> None:
        name = member(task.run, task.spec.id)
        path = task.parked_on.strip("/")
        in_the_way = [lock for lock in self._around.locks if lock.path.strip("/") == path]
        if not in_the_way and self._around.turn not in {"", name}:
            whose = split_member(self._around.turn)[1]
            self._say(task, depth, f"it is the turn of {whose}, which others overtook too often")
            self._holder(task, self._around.turn, depth + 1)
        elif not in_the_way:
            self._say(task, depth, f"{lock_name(task.parked_on)} has just become free")
        holders = {(lock.run, lock.task) for lock in in_the_way}
        for lock in (*in_the_way, *self._also_in_the_way(task, holders)):
            since = f"since {self._when(lock.since_ms)}"
            locked = f"{lock_name(lock.path)} is locked ({lock.mode})"
            if lock.run == task.run:
                self._say(task, depth, f"{locked} by {lock.task} {since}")
                self.ask(lock.task, depth + 1)
                continue
            self._say(task, depth, f"{locked} by {lock.task} of run {lock.run} {since}")
            doing = f"{lock.task} is {lock.state}; `swarm why {lock.task} --run {lock.run}` says more"
            self._say(task, depth + 1, doing)
            if lock.state != TaskState.MERGING:
                self._say(task, depth + 1, self._pulse(lock.worker_id))

    def _also_in_the_way(self, task: TaskRecord, known: set[tuple[str, str]]) -> list[HeldLock]:
        """What else it needs and others hold, one lock a task: it parks on the first that it meets."""
        wanted, found = compile_locks(task.spec), dict[tuple[str, str], HeldLock]()
        for lock in self._around.locks:
            held = LockEntry.of("S" if lock.mode == SHARED else "X", lock.path)
            if (lock.run, lock.task) not in known and any(entry.excludes(held) for entry in wanted):
                found.setdefault((lock.run, lock.task), lock)
        return list(found.values())[:MOST_HOLDERS]

    def _pulse(self, worker_id: str) -> str:
        agent = self._agents.get(worker_id)
        if agent is None:
            return f"{worker_id} is not among the living"
        return f"{worker_id}: heartbeat {self._since(agent.seen_ms)} ago"

    def _takers(self, task: TaskRecord, depth: int) -> None:
        """Who could claim a ready task, and why nobody has."""
        self._ordered.clear()  # at the end of a chain what holds it is said again
        if self._say_orders(task, depth):
            if not self._alive("worker"):
                self._say(task, depth, NOBODY)
        else:
            for line in takers(task, self._agents.values(), self._now_ms):
                self._say(task, depth, line)
            self._say_hub(task, depth, self._alive("worker"))

    def _alive(self, kind: str) -> list[AgentRecord]:
        return [agent for agent in self._agents.values() if agent.kind == kind]

    def _say_hub(self, task: TaskRecord, depth: int, agents: Sequence[AgentRecord]) -> None:
        """Say which of them cannot use the hub, and why."""
        for line in hub_troubles(agents, self._now_ms):
            self._say(task, depth, line)

    def _say_orders(self, task: TaskRecord, depth: int) -> bool:
        """Say what people have ordered that keeps it from being given out, unless said; is there any?"""
        reached = reached_limits(self._around.controls, self._around.holders, task.spec.type)
        pauses = pauses_of(self._around.run, self._around.controls, kind=task.spec.type)
        for line, holders in (*((pause, ()) for pause in pauses), *reached):
            if line in self._ordered:
                continue
            self._ordered.add(line)
            self._say(task, depth, line)
            for name in holders[:MOST_HOLDERS]:
                self._holder(task, name, depth + 1)
        return bool(pauses or reached)

    def _holder(self, task: TaskRecord, name: str, depth: int) -> None:
        run, holder = split_member(name)
        if run == task.run:
            self.ask(holder, depth)
        else:
            self._say(task, depth, f"{holder} of run {run}: `swarm why {holder} --run {run}` says more")

    def _held(self, task: TaskRecord, depth: int) -> None:
        since = self._since(task.started_ms or task.claimed_ms)
        doing = "running" if task.state is TaskState.RUNNING else "claimed; its workspace is being made"
        attempt = f", attempt {task.attempt} of {task.spec.max_attempts}" if task.attempt > 1 else ""
        self._say(task, depth, f"{doing} on worker {task.worker_id} for {since}{attempt}")
        agent = self._agents.get(task.worker_id)
        if agent is None:
            then = "then the task is queued again" if self._agents else "and nobody is alive to take it back"
            is_over = task.lease_ends_ms <= self._now_ms
            lease = "has ended" if is_over else f"ends in {self._until(task.lease_ends_ms)}"
            self._say(
                task, depth + 1, f"worker {task.worker_id} is not among the living; its lease {lease}, {then}"
            )
        else:
            self._say(
                task, depth + 1, f"heartbeat {self._since(agent.seen_ms)} ago; {_lease(task, self._now_ms)}"
            )
            self._say_hub(task, depth + 1, [agent])

    def _merging(self, task: TaskRecord, depth: int) -> None:
        slot = self._around.slot
        is_taken = slot is not None and slot.until_ms > self._now_ms
        if task.merge_begun_ms >= max(1, task.handed_in_ms):
            since = self._since(task.merge_begun_ms)
            self._say(task, depth, f"merging: its gate has been running for {since}")
            if slot and member(task.run, task.spec.id) in slot.train:
                left = f"the slot ends in {self._until(slot.until_ms)}" if is_taken else "the slot has ended"
                self._say(task, depth + 1, f"{self._pulse(slot.merger)}; {left}")
            self._say_hub(task, depth + 1, self._alive("supervisor"))
            return
        self._say(
            task, depth, f"merging: handed in {self._since(task.handed_in_ms)} ago, waits for the merge queue"
        )
        if not any(agent.kind == "supervisor" for agent in self._agents.values()):
            self._say(task, depth + 1, "no supervisor is alive to merge it")
        self._say_hub(task, depth + 1, self._alive("supervisor"))
        if slot and is_taken:
            other, more = split_member(slot.train[0])[1], len(slot.train) - 1
            behind = f"{other} and {plural(more, 'other task')}" if more else other
            self._say(task, depth + 1, f"behind {behind}: {slot.merger} has the branch's slot for it")
            self.ask(other, depth + 2)

    def _ended(self, task: TaskRecord, depth: int) -> None:
        for deeper, text in how_it_ended(task, self._now_ms):
            self._say(task, depth + deeper, text)

    def _upstream_failed(self, task: TaskRecord, depth: int) -> None:
        blockers = self._tasks.blockers(task)
        what = "was expanded, and failed" if task.join else "never started,"
        self._say(task, depth, f"upstream_failed: {what} because of {', '.join(blockers)}")
        self._ask_all(blockers, depth + 1)

    def _cancelled(self, task: TaskRecord, depth: int) -> None:
        ago = f"cancelled {self._since(task.ended_ms)} ago"
        self._say(
            task, depth, f"{ago}: {task.failure_reason}" if task.failure_reason else f"{ago} by a person"
        )
        before = [name for name in self._tasks.blockers(task) if name in task.spec.dependencies][:MOST_LINKS]
        self._tasks.fetch(before)
        for name in before:
            if (one := self._tasks.get(name)) and one.state is TaskState.CANCELLED:
                self.ask(name, depth + 1)

    def _when(self, then_ms: int) -> str:
        return f"{time_of_day(then_ms)}, {self._since(then_ms)} ago"

    def _since(self, then_ms: int) -> str:
        return duration((self._now_ms - then_ms) / 1000)

    def _until(self, then_ms: int) -> str:
        return duration((then_ms - self._now_ms) / 1000)


def _lease(task: TaskRecord, now_ms: int) -> str:
    left_s = (task.lease_ends_ms - now_ms) / 1000
    return (
        f"lease good for {duration(left_s)}"
        if left_s > 0
        else "its lease has ended; the reaper takes it back"
    )
