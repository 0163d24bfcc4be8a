"""Reads about runs and their tasks."""

from collections.abc import Callable, Iterator, Sequence

from swarm.engine.records import (
    ProgressRecord,
    RunRecord,
    StoredLink,
    TaskRecord,
)
from swarm.engine.specs import decode_spec
from swarm.engine.store import Reply
from swarm.engine.stored import PAUSED, claim_fields, decode_run, decode_task, task_fields, took_fields
from swarm.engine.words import hash_of, text_of, words_of
from swarm.errors import UnknownRunError, UnknownTaskError
from swarm.keys import Keys, member
from swarm.plan.model import TaskSpec
from swarm.states import RunState, TaskState

Ask = Callable[[Sequence[Sequence[str | int]]], list[Reply]]
"""Sends commands together, with patience."""

PAGE = 500


class RunReads:
    """Reads about one project's runs."""

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
        found = self.some_tasks(run, [task])
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
            for record in self.some_tasks(run, ids[start : start + PAGE])
        ]

    def some_tasks(self, run: str, ids: Sequence[str]) -> list[TaskRecord]:
        """Those of a run's tasks that are there, in the order asked for."""
        names = [member(run, task) for task in ids]
        commands: list[list[str | int]] = [["HGETALL", self.keys.of("task", name)] for name in names]
        commands += [["ZSCORE", self.keys.of("leases"), name] for name in names]
        replies = self._ask(commands)
        records = []
        for name, stored, lease in zip(names, replies, replies[len(names) :], strict=False):
            values = task_fields(stored)
            if "state" in values:
                records.append(decode_task(name, values, lease))
        return self._with_waiting(run, records)

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

    def paused_runs(self) -> list[str]:
        """Those of the active runs that are paused, by name."""
        runs = list(self.active_runs())
        replies = self._ask([["HGET", self.keys.of("run", run), "paused"] for run in runs]) if runs else []
        return [run for run, reply in zip(runs, replies, strict=True) if text_of(reply) == PAUSED]

    def stands_aside(self, run: str, task: str) -> bool:
        """The task was taken out of its queue, because its run is paused."""
        return bool(text_of(self._one("ZSCORE", self.keys.of("paused", run), member(run, task))))

    def ended_runs(self) -> dict[str, int]:
        """Runs that have ended, and when, ms."""
        runs = sorted(set(self.run_ids()) - set(words_of(self._one("SMEMBERS", self.keys.of("active")))))
        commands = [["HGET", self.keys.of("run", run), "ended_ms"] for run in runs]
        replies = self._ask(commands) if commands else []
        ended = {run: int(text_of(reply) or 0) for run, reply in zip(runs, replies, strict=True)}
        return {run: ended_ms for run, ended_ms in ended.items() if ended_ms}

    def stored_run(self, run: str) -> dict[str, str]:
        """A run's hash; empty when there is no such run."""
        return hash_of(self._one("HGETALL", self.keys.of("run", run)))

    def stored_tasks(self, run: str) -> Iterator[dict[str, str]]:
        """The fields of a run's tasks, each with its `id`, in the plan's order."""
        ids = self.task_ids(run)
        for start in range(0, len(ids), PAGE):
            page = ids[start : start + PAGE]
            replies = self._ask([["HGETALL", self.keys.of("task", member(run, task))] for task in page])
            for task, reply in zip(page, replies, strict=True):
                yield {"id": task, **task_fields(reply)}

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
        fields = ("state", "claim", "took", "score")
        found: list[ProgressRecord] = []
        for start in range(0, len(ids), PAGE):
            names = [self.keys.of("task", member(run, task)) for task in ids[start : start + PAGE]]
            for reply in self._ask([["HMGET", name, *fields] for name in names]):
                state, claim, took, score = words_of(reply)
                numbers = (claim_fields(claim)["claimed_ms"], took_fields(took)["busy_ms"], score)
                found.append(
                    ProgressRecord(
                        TaskState(state or TaskState.DONE), *(int(number or 0) for number in numbers)
                    )
                )
        return found

    def links(self, run: str) -> dict[str, StoredLink]:
        """Of all tasks of a run what ties them together, by id."""
        ids = self.task_ids(run)
        found: dict[str, StoredLink] = {}
        for start in range(0, len(ids), PAGE):
            page = ids[start : start + PAGE]
            names = [self.keys.of("task", member(run, task)) for task in page]
            replies = self._ask([["HMGET", name, *StoredLink._fields] for name in names])
            found |= {task: StoredLink(*words_of(reply)) for task, reply in zip(page, replies, strict=True)}
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

    def in_order(self, run: str, ids: Sequence[str]) -> list[str]:
        """Those of the ids that tasks of the run have, in the plan's order."""
        places = words_of(self._one("ZMSCORE", self.keys.of("index", run), *ids)) if ids else []
        placed = [(float(place), name) for name, place in zip(ids, places, strict=True) if place]
        return [name for _, name in sorted(placed)]

    # ----------------------------------------------------------------------------------------
    def _with_waiting(self, run: str, records: list[TaskRecord]) -> list[TaskRecord]:
        """Pending tasks with those of their dependencies that are not done."""
        pending = [record for record in records if record.state is not TaskState.DONE]
        needed = sorted({name for record in pending for name in _awaited_by(record)})
        if not needed:
            return records
        replies = self._ask(
            [["HMGET", self.keys.of("task", member(run, name)), "state", "skipped_ms"] for name in needed]
        )
        is_open = {name for name, reply in zip(needed, replies, strict=True) if is_awaited(*words_of(reply))}
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


def is_awaited(state: str, skipped_ms: str) -> bool:
    """Dependents wait for what is not done, unless a person ever said to go on without it."""
    return state != TaskState.DONE and not skipped_ms
