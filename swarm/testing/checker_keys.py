"""What must hold of a project's keys at any moment, whatever happened before: I1, I3, I4, I7 and I9."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from swarm.engine.engine import Engine
from swarm.engine.locks import LockEntry, compile_locks, read_locks
from swarm.engine.records import TaskRecord
from swarm.engine.store import Store
from swarm.engine.words import hash_of, text_of, words_of
from swarm.keys import Keys, member
from swarm.plan.model import TaskSpec
from swarm.states import TERMINAL, RunState, TaskState

CRASH_CAP = 3
HELD = frozenset({TaskState.ACKED, TaskState.RUNNING, TaskState.MERGING})


@dataclass
class _Seen:
    """One reading of a project."""

    store: Store
    keys: Keys
    tasks: dict[str, TaskRecord]
    hashes: dict[str, dict[str, str]]

    def zset(self, part: str, name: str = "") -> dict[str, float]:
        words = words_of(self.store.call("ZRANGE", self.keys.of(part, name), 0, -1, "WITHSCORES"))
        return dict(zip(words[::2], map(float, words[1::2]), strict=True))

    @cached_property
    def lots(self) -> dict[str, dict[str, float]]:
        """Who stands in each lot: read once, for ten thousand may be parked in one."""
        named = {stored["lot"] for stored in self.hashes.values() if stored.get("lot")}
        return {lot: self.zset("lot", lot) for lot in named}

    @cached_property
    def is_working(self) -> bool:
        """Whether work is left over from a call."""
        return text_of(self.store.call("LLEN", self.keys.of("work"))) not in {"", "0"}

    @cached_property
    def loading(self) -> set[str]:
        """Runs whose plan is being stored."""
        runs = {task.run for task in self.tasks.values()}
        return {
            run
            for run in runs
            if text_of(self.store.call("HGET", self.keys.of("run", run), "state")) == RunState.LOADING
        }


def check_keys(engine: Engine, store: Store) -> list[str]:
    """Violations of I1, I3, I4, I7 and I9; no call may be under way."""
    keys = engine.keys
    tasks = {member(run, record.spec.id): record for run in engine.run_ids() for record in engine.tasks(run)}
    hashes = {name: hash_of(store.call("HGETALL", keys.of("task", name))) for name in tasks}
    seen = _Seen(store, keys, tasks, hashes)
    return [
        *_unreachable(seen),
        *_idle_lots(seen),
        *_started_too_early(seen),
        *_overlaps(seen),
        *_lock_table(seen),
        *_displays(seen),
        *_counts(engine, seen),
        *_over_caps(seen),
        *_controls(engine, seen),
    ]


def _unreachable(seen: _Seen) -> Iterator[str]:
    """I1: each task is in exactly the structure that its state names."""
    delayed, leases, merging = seen.zset("delayed"), seen.zset("leases"), seen.zset("merging")
    queues = {name: seen.zset("queue", name) for name in {one["type"] for one in seen.hashes.values()}}
    parked = {name: seen.zset("parked", name) for name in queues}
    aside = {run: seen.zset("paused", run) for run in {task.run for task in seen.tasks.values()}}
    for name, task in seen.tasks.items():
        stored = seen.hashes[name]
        lot = stored.get("lot", "")
        places = {
            "queue": name in queues[stored["type"]],
            "parked": name in parked[stored["type"]],
            "lot": bool(lot) and name in seen.lots[lot],
            "delayed": name in delayed,
            "paused": name in aside[task.run],
            "leases": name in leases,
            "merging": name in merging,
        }
        found = {place for place, is_there in places.items() if is_there}
        expected: tuple[set[str], ...] = (set(),)
        if task.state is TaskState.QUEUED:
            expected = ({"queue"}, {"delayed"}, {"parked", "lot"}, {"paused"})
        elif task.state in {TaskState.ACKED, TaskState.RUNNING}:
            expected = ({"leases"},)
        elif task.state is TaskState.MERGING:
            expected = ({"merging"},)
        if found not in expected:
            yield f"I1 {name} is {task.state} but stands in {sorted(found)}"
        if task.state is TaskState.PENDING and not _waits_for_live(seen, task):
            yield f"I1 {name} is pending for {task.waiting_for}, which will not end"


def _waits_for_live(seen: _Seen, task: TaskRecord) -> bool:
    if seen.is_working:
        return True  # left-over work may be about it
    if task.run in seen.loading:
        return True  # whoever stores the plan queues it at the end
    waited_for = [member(task.run, name) for name in task.waiting_for]
    if not seen.tasks.keys() >= set(waited_for):
        return True  # the beginning of the plan is not stored yet
    states = [seen.tasks[name].state for name in waited_for]
    return bool(states) and not any(state in TERMINAL for state in states)


def _idle_lots(seen: _Seen) -> Iterator[str]:
    """I1: a lot with tasks has a holder of its node, or a baton is out for it, or it is its node's turn."""
    listed = seen.zset("lots")
    holds = {f"X{node}" for node in seen.zset("locks")} | {f"S{node}" for node in seen.zset("reading")}
    whose = hash_of(seen.store.call("HGETALL", seen.keys.of("meta"))).get("turn", "").partition(" ")[2]
    if whose:
        holds |= {lock.mode + lock.node for lock in read_locks(seen.hashes[whose].get("locks", ""))}
    batons = {
        stored.get("baton", "")
        for name, stored in seen.hashes.items()
        if seen.tasks[name].state is TaskState.QUEUED
    }
    for lot in seen.lots:
        if lot not in listed:
            yield f"I1 lot {lot!r} has tasks and is not listed"
        if lot.split("\n")[0] not in holds and lot not in batons:
            yield f"I1 nothing will wake lot {lot!r}"


def _started_too_early(seen: _Seen) -> Iterator[str]:
    """I3: whatever left `pending` alive has all of its dependencies done, or skipped by a person."""
    for name, task in seen.tasks.items():
        if task.state in {TaskState.QUEUED, TaskState.DONE, *HELD}:
            for dependency in task.spec.dependencies:
                state = seen.tasks[member(task.run, dependency)].state
                was_skipped = "skipped_ms" in seen.hashes[member(task.run, dependency)]
                if state is not TaskState.DONE and not was_skipped:
                    yield f"I3 {name} is {task.state} but its dependency {dependency} is {state}"
        # One that git proves to have landed itself needs no parts.
        if task.join and task.state is TaskState.DONE and not task.merged_commit:
            for sink in task.join:
                was_skipped = "skipped_ms" in seen.hashes[member(task.run, sink)]
                if seen.tasks[member(task.run, sink)].state is not TaskState.DONE and not was_skipped:
                    yield f"I3 {name} is done but its part {sink} is not"
        if task.join and task.state in {TaskState.QUEUED, *HELD}:
            yield f"I3 {name} was expanded and is {task.state}"


def overlap(left: LockEntry, right: LockEntry) -> bool:
    """Whether two locks exclude each other: the definition, one pair at a time."""
    if left.mode == right.mode == "S":
        return False
    if left.node == right.node:
        return True
    return (left.is_wide and right.node.startswith(left.node)) or (
        right.is_wide and left.node.startswith(right.node)
    )


def exclude(left: TaskSpec, right: TaskSpec) -> bool:
    """Whether no two tasks with these scopes may be held at once."""
    theirs = compile_locks(right)
    return any(overlap(mine, lock) for mine in compile_locks(left) for lock in theirs)


def _overlaps(seen: _Seen) -> Iterator[str]:
    """I4: no two held tasks have overlapping scopes."""
    held = [(name, compile_locks(task.spec)) for name, task in seen.tasks.items() if task.state in HELD]
    for place, (name, locks) in enumerate(held):
        for other, others in held[place + 1 :]:
            if any(overlap(mine, theirs) for mine in locks for theirs in others):
                yield f"I4 {name} and {other} are held and overlap"


def _lock_table(seen: _Seen) -> Iterator[str]:
    """I4: the lock table is the sum of what held tasks hold."""
    exclusive: Counter[str] = Counter()
    shared: Counter[str] = Counter()
    wide: Counter[str] = Counter()
    for task in seen.tasks.values():
        for entry in compile_locks(task.spec) if task.state in HELD else ():
            (exclusive if entry.mode == "X" else shared)[entry.node] += 1
            if entry.is_wide:
                wide[entry.mode + entry.node] += 1
    stored_wide = hash_of(seen.store.call("HGETALL", seen.keys.of("wide")))
    if set(seen.zset("locks")) != set(exclusive):
        yield f"I4 exclusive locks {sorted(seen.zset('locks'))} but held are {sorted(exclusive)}"
    readers = hash_of(seen.store.call("HGETALL", seen.keys.of("readers")))
    if set(seen.zset("reading")) != set(shared) or {k: int(v) for k, v in readers.items()} != dict(shared):
        yield f"I4 shared locks {seen.zset('reading')}, {readers} but held are {dict(shared)}"
    if {name: int(count) for name, count in stored_wide.items()} != dict(wide):
        yield f"I4 wide locks {stored_wide} but held are {dict(wide)}"


def _displays(seen: _Seen) -> Iterator[str]:
    """I4: what people see as locked is held: exclusively by that task with that token, shared by somebody."""
    prefix, shared = seen.keys.of("lock"), seen.zset("reading")
    for name in words_of(seen.store.call("KEYS", f"{prefix}*")):
        path = name.removeprefix(prefix)
        mode, holder, token = text_of(seen.store.call("GET", name)).split(" ")
        task = seen.tasks[holder]
        is_held = task.state in HELD and str(task.token) == token
        if not is_held and (mode == "X" or f"{path.rstrip('/')}/".lstrip("/") not in shared):
            yield f"I4 {path!r} is shown as locked by {holder} ({token}), which is {task.state}"


def _counts(engine: Engine, seen: _Seen) -> Iterator[str]:
    """The counts in a run's hash are those of its tasks, and a run ends when its tasks have."""
    for run in engine.run_ids():
        record = engine.run(run)
        actual = Counter(task.state for task in seen.tasks.values() if task.run == run)
        stored = {state: count for state, count in record.counts.items() if count}
        if stored != dict(actual):
            yield f"counts of run {run} are {stored} but its tasks are {dict(actual)}"
        has_ended = all(state.is_terminal for state in actual)
        if has_ended != bool(record.ended_ms) or (has_ended and not record.state.is_terminal):
            yield f"run {run} is {record.state}, ended {record.ended_ms}, with tasks {dict(actual)}"


def _over_caps(seen: _Seen) -> Iterator[str]:
    """I7: attempts and crashes stay within their caps."""
    for name, task in seen.tasks.items():
        if task.failures > task.spec.max_attempts or task.crashes > CRASH_CAP:
            yield f"I7 {name} has {task.failures} failures and {task.crashes} crashes"


def _controls(engine: Engine, seen: _Seen) -> Iterator[str]:
    """What stands aside belongs to a paused run; I9: limited types know exactly who holds their tasks."""
    for run in engine.run_ids():
        if seen.zset("paused", run) and not engine.run(run).is_paused and not seen.is_working:
            yield f"I1 nothing will take up what stands aside of run {run}"
    limits = engine.controls().limits
    for kind in {task.spec.type for task in seen.tasks.values()}:
        held = set(words_of(seen.store.call("SMEMBERS", seen.keys.of("held", kind))))
        leased = {name for name in seen.zset("leases") if seen.tasks[name].spec.type == kind}
        if held != (leased if kind in limits else set()):
            yield f"I9 leases of type {kind} are {sorted(leased)} but counted are {sorted(held)}"
