"""The read side of the engine: plain commands, no script, one or two round trips a question."""

from collections.abc import Iterable, Iterator
from itertools import chain, dropwhile, islice

from swarm.engine.records import (
    AgentRecord,
    Controls,
    DurationRecord,
    Event,
    LockRecord,
    QueueRecord,
    SlotRecord,
    Unserved,
)
from swarm.engine.run_reads import PAGE, RunReads
from swarm.engine.store import Reply
from swarm.engine.stored import (
    claim_fields,
    decode_agent,
    decode_controls,
    decode_entry,
    entry_of,
    id_parts,
)
from swarm.engine.words import hash_of, text_of, words_of
from swarm.keys import split_member
from swarm.states import FailureKind


class Reads(RunReads):
    """Reads about one project's queue."""

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

    def unserved(self) -> dict[str, Unserved]:
        """Queues with tasks that no worker could do for so long that it was reported -> since when, why."""
        stored = hash_of(self._one("HGETALL", self.keys.of("unserved")))
        words = {name: text.split(" ") for name, text in sorted(stored.items())}
        return {
            name: Unserved(int(since), *executor)
            for name, (since, told, *executor) in words.items()
            if told != "0"
        }

    def unserved_of(self, run: str) -> dict[str, Unserved]:
        """Those of the unserved queues in which tasks of this run are ready that nobody can do."""
        return {
            name: one for name, one in self.unserved().items() if self._is_ready_in(name, run, one.executor)
        }

    def ready_of(self, run: str, queues: Iterable[str]) -> list[str]:
        """Those of the queues in which tasks of this run are ready."""
        return [name for name in queues if self._is_ready_in(name, run, "")]

    def depth(self, part: str, name: str = "") -> int:
        """How many members one of the project's sorted sets has."""
        return _int(self._one("ZCARD", self.keys.of(part, name)))

    def members(self, part: str, name: str = "") -> list[str]:
        """What one of the project's sorted sets has, lowest score first."""
        return words_of(self._one("ZRANGE", self.keys.of(part, name), 0, -1))

    def waiting_for_approval(self, run: str) -> tuple[str, ...]:
        """The tasks of a run whose attempt waits for a person's word."""
        dead = [task for owner, task in map(split_member, self.members("dead")) if owner == run]
        failed = self.some_tasks(run, self.in_order(run, dead))
        return tuple(one.spec.id for one in failed if one.failure_kind == FailureKind.APPROVAL)

    def dead(self, most: int) -> list[tuple[str, str, int, str, str, int]]:
        """The newest dead letters: run, task, failed at (ms), kind of failure, reason, attempts."""
        words = words_of(self._one("ZREVRANGE", self.keys.of("dead"), 0, most - 1, "WITHSCORES"))
        names, times = words[::2], words[1::2]
        fields = ("failure_kind", "failure_reason", "claim")
        replies = self._ask([["HMGET", self.keys.of("task", name), *fields] for name in names])
        return [
            (*split_member(name), int(float(at_ms)), kind, reason, int(claim_fields(claim)["attempt"]))
            for name, at_ms, (kind, reason, claim) in zip(names, times, map(words_of, replies), strict=True)
        ]

    def locks(self) -> list[LockRecord]:
        """Every lock held now, by the tasks that hold a token."""
        holders = [
            *words_of(self._one("ZRANGE", self.keys.of("leases"), 0, -1)),
            *words_of(self._one("ZRANGE", self.keys.of("merging"), 0, -1)),
        ]
        if not holders:
            return []
        fields = ("locks", "claim", "state", "widened")
        replies = self._ask([["HMGET", self.keys.of("task", name), *fields] for name in holders])
        from swarm.engine.locks import read_locks  # noqa: PLC0415  # most commands that look need no locks

        found: list[LockRecord] = []
        for name, reply in zip(holders, replies, strict=True):
            locks, claim, state, widened = words_of(reply)
            held, widening = claim_fields(claim), widened.splitlines()
            holder = (name, int(held["token"]), int(held["claimed_ms"]), held["worker"], state)
            found += [
                LockRecord(lock.path, lock.mode, *holder, lock.covered(widening))
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
        return SlotRecord(stored["merger"], tuple(stored["task"].split()), int(stored["until_ms"]))

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
        """Up to `limit` events later than the event `after`."""
        # Its own entry too: there may be more in it.
        entries = self._one("XRANGE", self.keys.of("events"), entry_of(after), "+", "COUNT", limit + 1)
        found = _events_of(entries)
        reached = id_parts(after)
        return list(islice(dropwhile(lambda event: id_parts(event.id) <= reached, found), limit))

    def newest_events(self, limit: int) -> list[Event]:
        """The last `limit` events, oldest first."""
        entries = self._one("XREVRANGE", self.keys.of("events"), "+", "-", "COUNT", limit)
        return list(_events_of(entries[::-1] if isinstance(entries, list) else []))[-limit:]

    def last_event_id(self) -> str:
        """The id of the newest event, to ask for what comes after it; `0-0` before the first."""
        newest = self.newest_events(1)
        return newest[0].id if newest else "0-0"

    # ----------------------------------------------------------------------------------------
    def _is_ready_in(self, queue: str, run: str, executor: str) -> bool:
        """The run has a task in the queue; where an executor is named, one for it."""
        key, start = self.keys.of("queue", queue), 0
        while page := words_of(self._one("ZRANGE", key, start, start + PAGE - 1)):
            names = [name for name in page if split_member(name)[0] == run]
            if names and not executor:
                return True
            replies = self._ask([["HGET", self.keys.of("task", name), "executor"] for name in names])
            if executor in map(text_of, replies):
                return True
            start += PAGE
        return False


def _events_of(entries: Reply) -> Iterator[Event]:
    return chain.from_iterable(map(decode_entry, entries)) if isinstance(entries, list) else iter(())


def _int(reply: Reply) -> int:
    return int(text_of(reply) or 0)
