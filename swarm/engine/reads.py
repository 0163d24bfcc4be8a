"""The read side of the engine: plain commands, no script, one or two round trips a question."""

from collections.abc import Callable, Iterator, Sequence

from swarm.engine.records import (
    AgentRecord,
    Controls,
    DurationRecord,
    Event,
    LockRecord,
    ProgressRecord,
    QueueRecord,
    RunRecord,
    SlotRecord,
    TaskRecord,
)
from swarm.engine.specs import decode_spec
from swarm.engine.store import Reply
from swarm.engine.stored import decode_agent, decode_controls, decode_event, decode_run, decode_task
from swarm.engine.words import hash_of, text_of, words_of
from swarm.errors import UnknownRunError, UnknownTaskError
from swarm.keys import Keys, member, split_member
from swarm.plan.model import TaskSpec
from swarm.states import RunState, TaskState

Ask = Callable[[Sequence[Sequence[str | int]]], list[Reply]]
"""Sends commands together, with patience."""

PAGE = 500


class Reads:
    """Reads about one project's queue."""

    def __init__(self, ask: Ask, keys: Keys) -> None:
        self.keys = keys
        self._ask = ask

    def run_ids(self) -> list[str]:
        """All runs, oldest first."""
        return words_of(self._one("ZRANGE", self.keys.of("runs"), 0, -1))

    def run(self, run: str) -> RunRecord:
        """One run. Raises UnknownRunError."""
        stored = self.stored_run(run)
        if "state" not in stored:
            raise UnknownRunError(f"no run {run!r}", hint="`swarm runs` lists them")
        return decode_run(run, stored)

    def task(self, run: str, task: str) -> TaskRecord:
        """One task. Raises UnknownTaskError."""
        found = self._tasks(run, [task])
        if not found:
            raise UnknownTaskError(f"no task {task!r} in run {run!r}", hint=f"`swarm tasks {run}` lists them")
        return found[0]

    def tasks(self, run: str) -> list[TaskRecord]:
        """All tasks of a run, in the plan's order. Raises UnknownRunError."""
        names, known = self._ask(
            [["ZRANGE", self.keys.of("index", run), 0, -1], ["EXISTS", self.keys.of("run", run)]]
        )
        if not known:
            raise UnknownRunError(f"no run {run!r}", hint="`swarm runs` lists them")
        ids = words_of(names)
        return [
            record
            for start in range(0, len(ids), PAGE)
            for record in self._tasks(run, ids[start : start + PAGE])
        ]

    def active_runs(self) -> dict[str, int]:
        """Runs that are wholly stored and have not ended, and how many tasks each has."""
        runs = sorted(words_of(self._one("SMEMBERS", self.keys.of("active"))))
        commands = [["HMGET", self.keys.of("run", run), "state", "tasks"] for run in runs]
        replies = map(words_of, self._ask(commands) if commands else [])
        return {
            run: int(tasks)
            for run, (state, tasks) in zip(runs, replies, strict=True)
            if state == RunState.ACTIVE.value
        }

    def ended_runs(self) -> dict[str, int]:
        """Runs that have ended, and when, ms."""
        runs = sorted(set(self.run_ids()) - set(words_of(self._one("SMEMBERS", self.keys.of("active")))))
        commands = [["HGET", self.keys.of("run", run), "ended_ms"] for run in runs]
        replies = self._ask(commands) if commands else []
        ended = {run: _int(reply) for run, reply in zip(runs, replies, strict=True)}
        return {run: ended_ms for run, ended_ms in ended.items() if ended_ms}

    def stored_run(self, run: str) -> dict[str, str]:
        """A run's hash; empty when there is no such run."""
        return hash_of(self._one("HGETALL", self.keys.of("run", run)))

    def stored_tasks(self, run: str) -> Iterator[dict[str, str]]:
        """The hashes of a run's tasks, each with its `id`, in the plan's order."""
        ids = self.task_ids(run)
        for start in range(0, len(ids), PAGE):
            page = ids[start : start + PAGE]
            replies = self._ask([["HGETALL", self.keys.of("task", member(run, task))] for task in page])
            for task, reply in zip(page, replies, strict=True):
                yield {"id": task, **hash_of(reply)}

    def specs(self, run: str) -> tuple[list[TaskSpec], dict[str, list[str]]]:
        """A run's tasks in the order of submission; and what those that were expanded wait for, by id."""
        names, found = [self.keys.of("task", member(run, task)) for task in self.task_ids(run)], []
        joins: dict[str, list[str]] = {}
        for start in range(0, len(names), PAGE):
            replies = self._ask([["HMGET", name, "spec", "join"] for name in names[start : start + PAGE]])
            for text, join in map(words_of, replies):
                found += [decode_spec(text)] if text else []
                if join:
                    joins[found[-1].id] = join.split()
        return found, joins

    def progress(self, run: str, ids: Sequence[str]) -> list[ProgressRecord]:
        """How far some tasks of a run have come, in the order asked for; one that is gone was done."""
        fields = ("state", "claimed_ms", "busy_ms", "score")
        found: list[ProgressRecord] = []
        for start in range(0, len(ids), PAGE):
            names = [self.keys.of("task", member(run, task)) for task in ids[start : start + PAGE]]
            for reply in self._ask([["HMGET", name, *fields] for name in names]):
                state, *numbers = words_of(reply)
                found.append(
                    ProgressRecord(
                        TaskState(state or TaskState.DONE), *(int(number or 0) for number in numbers)
                    )
                )
        return found

    def task_ids(self, run: str) -> list[str]:
        """The ids of a run's tasks in the plan's order; none for an unknown run."""
        return words_of(self._one("ZRANGE", self.keys.of("index", run), 0, -1))

    def scope_around(self, run: str, task: str) -> tuple[str, ...]:
        """The write scope that a part of an expanded task stays in; empty for any other task: no bounds.

        That of the nearest task around it that has one.
        """
        while around := text_of(self._one("HGET", self.keys.of("task", member(run, task)), "part_of")):
            spec = decode_spec(text_of(self._one("HGET", self.keys.of("task", member(run, around)), "spec")))
            if spec.files:
                return spec.files
            task = around
        return ()

    def known_ids(self, run: str, ids: Sequence[str]) -> list[str]:
        """Those of the ids that tasks of the run have."""
        places = self._one("ZMSCORE", self.keys.of("index", run), *ids)
        return [name for name, place in zip(ids, words_of(places), strict=True) if place]

    def queues(self) -> list[QueueRecord]:
        """Every type ever submitted with the number of tasks claimable now and parked on locks."""
        types = sorted(text_of(self._one("HGET", self.keys.of("meta"), "types")).split())
        commands = [["ZCARD", self.keys.of(part, name)] for name in types for part in ("queue", "parked")]
        counts = [_int(reply) for reply in self._ask(commands)] if commands else []
        return [
            QueueRecord(name, queued, parked)
            for name, queued, parked in zip(types, counts[::2], counts[1::2], strict=True)
        ]

    def controls(self) -> Controls:
        """What is paused and limited, for the whole project and by type."""
        return decode_controls(text_of(self._one("HGET", self.keys.of("meta"), "controls")))

    def unserved(self) -> dict[str, int]:
        """Queues that no worker has served for so long that it was reported -> since when, ms."""
        stored = hash_of(self._one("HGETALL", self.keys.of("unserved")))
        words = {name: text.split(" ") for name, text in sorted(stored.items())}
        return {name: int(since) for name, (since, told) in words.items() if told != "0"}

    def depth(self, part: str, name: str = "") -> int:
        """How many members one of the project's sorted sets has."""
        return _int(self._one("ZCARD", self.keys.of(part, name)))

    def dead(self, most: int) -> list[tuple[str, str, int, str, str, int]]:
        """The newest dead letters: run, task, failed at (ms), kind of failure, reason, attempts."""
        words = words_of(self._one("ZREVRANGE", self.keys.of("dead"), 0, most - 1, "WITHSCORES"))
        names, times = words[::2], words[1::2]
        fields = ("failure_kind", "failure_reason", "attempt")
        replies = self._ask([["HMGET", self.keys.of("task", name), *fields] for name in names])
        return [
            (*split_member(name), int(float(at_ms)), kind, reason, int(attempts or 0))
            for name, at_ms, (kind, reason, attempts) in zip(
                names, times, map(words_of, replies), strict=True
            )
        ]

    def locks(self) -> list[LockRecord]:
        """Every lock held now, by the tasks that hold a token."""
        holders = [
            *words_of(self._one("ZRANGE", self.keys.of("leases"), 0, -1)),
            *words_of(self._one("ZRANGE", self.keys.of("merging"), 0, -1)),
        ]
        if not holders:
            return []
        fields = ("locks", "token", "claimed_ms", "worker", "state")
        replies = self._ask([["HMGET", self.keys.of("task", name), *fields] for name in holders])
        from swarm.engine.locks import read_locks  # noqa: PLC0415  # most commands that look need no locks

        found: list[LockRecord] = []
        for name, reply in zip(holders, replies, strict=True):
            locks, token, since, worker, state = words_of(reply)
            found += [
                LockRecord(lock.path, lock.mode, name, int(token or 0), int(since or 0), worker, state)
                for lock in read_locks(locks)
            ]
        return sorted(found, key=lambda lock: (lock.path, lock.holder))

    def parked(self) -> dict[str, str]:
        """Every task that waits for a lock, `<run>/<task>`, and the path that it waits for."""
        types = text_of(self._one("HGET", self.keys.of("meta"), "types")).split()
        pages = (
            self._ask([["ZRANGE", self.keys.of("parked", name), 0, -1] for name in types]) if types else []
        )
        names = [name for page in pages for name in words_of(page)]
        found: dict[str, str] = {}
        for start in range(0, len(names), PAGE):
            some = names[start : start + PAGE]
            replies = self._ask([["HGET", self.keys.of("task", name), "parked_on"] for name in some])
            found |= {name: path for name, path in zip(some, map(text_of, replies), strict=True) if path}
        return found

    def holders(self, kind: str) -> list[str]:
        """The tasks, `<run>/<task>`, that count towards a limit: of a type that has one, or `*`: all."""
        if kind == "*":
            return words_of(self._one("ZRANGE", self.keys.of("leases"), 0, -1))
        return sorted(words_of(self._one("SMEMBERS", self.keys.of("held", kind))))

    def turn(self) -> str:
        """The task, `<run>/<task>`, whose locks nobody else gets because it was overtaken; mostly empty."""
        return text_of(self._one("HGET", self.keys.of("meta"), "turn")).partition(" ")[2]

    def slot(self, branch: str) -> SlotRecord | None:
        """Who is merging to a branch; None when nobody is."""
        stored = hash_of(self._one("HGETALL", self.keys.of("slot", branch)))
        if not stored.get("merger"):
            return None
        return SlotRecord(stored["merger"], stored["task"], int(stored["until_ms"]))

    def durations(self) -> dict[str, DurationRecord]:
        """What tasks of each type took until they were done, in all runs of the project."""
        lines = text_of(self._one("HGET", self.keys.of("meta"), "durations")).splitlines()
        rows = (line.rsplit("\t", 2) for line in lines)
        return {name: DurationRecord(int(count), int(total)) for name, count, total in rows}

    def agents(self) -> list[AgentRecord]:
        """Every worker and supervisor that has not signed off, by name."""
        words = words_of(self._one("ZRANGE", self.keys.of("agents"), 0, -1, "WITHSCORES"))
        seen = dict(zip(words[::2], words[1::2], strict=True))
        names = sorted(seen)
        replies = self._ask([["HGETALL", self.keys.of("agent", name)] for name in names]) if names else []
        return [
            decode_agent(name, hash_of(reply), int(float(seen[name])))
            for name, reply in zip(names, replies, strict=True)
        ]

    def now_ms(self) -> int:
        """The server's clock."""
        seconds, micros = words_of(self._one("TIME"))
        return int(seconds) * 1000 + int(micros) // 1000

    def events(self, *, after: str = "0-0", limit: int = 1000) -> list[Event]:
        """Up to `limit` events later than the entry id `after`."""
        entries = self._one("XRANGE", self.keys.of("events"), f"({after}", "+", "COUNT", limit)
        return [decode_event(entry) for entry in entries] if isinstance(entries, list) else []

    def newest_events(self, limit: int) -> list[Event]:
        """The last `limit` events, oldest first."""
        entries = self._one("XREVRANGE", self.keys.of("events"), "+", "-", "COUNT", limit)
        return [decode_event(entry) for entry in reversed(entries)] if isinstance(entries, list) else []

    def last_event_id(self) -> str:
        """The id of the newest event, to ask for what comes after it; `0-0` before the first."""
        newest = self.newest_events(1)
        return newest[0].id if newest else "0-0"

    def _tasks(self, run: str, ids: Sequence[str]) -> list[TaskRecord]:
        names = [member(run, task) for task in ids]
        commands: list[list[str | int]] = [["HGETALL", self.keys.of("task", name)] for name in names]
        commands += [["ZSCORE", self.keys.of("leases"), name] for name in names]
        replies = self._ask(commands)
        records = []
        for name, stored, lease in zip(names, replies, replies[len(names) :], strict=False):
            values = hash_of(stored)
            if "state" in values:
                records.append(decode_task(name, values, lease))
        return self._with_waiting(run, records)

    def _with_waiting(self, run: str, records: list[TaskRecord]) -> list[TaskRecord]:
        """Pending tasks with those of their dependencies that are not done."""
        pending = [record for record in records if record.state is not TaskState.DONE]
        needed = sorted({name for record in pending for name in _awaited_by(record)})
        if not needed:
            return records
        replies = self._ask(
            [["HMGET", self.keys.of("task", member(run, name)), "state", "skipped_ms"] for name in needed]
        )
        is_open = {name for name, reply in zip(needed, replies, strict=True) if _is_awaited(*words_of(reply))}
        return [
            record._replace(waiting_for=tuple(sorted(is_open.intersection(_awaited_by(record)))))
            if record.state is not TaskState.DONE
            else record
            for record in records
        ]

    def _one(self, *command: str | int) -> Reply:
        return self._ask([command])[0]


def _awaited_by(record: TaskRecord) -> tuple[str, ...]:
    return (*record.spec.dependencies, *record.join)


def _is_awaited(state: str, skipped_ms: str) -> bool:
    """Dependents wait for what is not done, unless a person ever said to go on without it."""
    return state != TaskState.DONE and not skipped_ms


def _int(reply: Reply) -> int:
    return int(text_of(reply) or 0)
