"""The archive as it lies in `.swarm/runs/<run>/`: what each file holds, and how to read it back.

`events.ndjson` is what `swarm events` prints, appended to while the run goes on. `tasks.ndjson` and
`run.json` are the hashes that Redis held when the run ended (what a field of a task's says of several things,
by name), `run.json` written last: a run is archived when it is there.
"""

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from swarm.archive.files import TEXT, write_whole
from swarm.engine.records import Event, RunRecord, TaskRecord
from swarm.engine.stored import decode_run, decode_task
from swarm.errors import UnknownRunError
from swarm.keys import member
from swarm.states import TaskState

EVENTS, TASKS, RUN = "events.ndjson", "tasks.ndjson", "run.json"


class Shelf:
    """Every archived run of one repository.

    Args:
        runs: the folder with a folder a run.
    """

    def __init__(self, runs: Path) -> None:
        self._runs = runs

    def folder(self, run: str) -> Path:
        """Where a run's files are."""
        return self._runs / run

    def begins_anew(self, run: str) -> str:
        """The command that begins a run anew: its plan lies here if it was submitted from here."""
        plan = self.folder(run) / "plan.json"
        return f"swarm run {shlex.quote(str(plan)) if plan.exists() else 'PLAN'}"

    def run_ids(self) -> list[str]:
        """The runs that are wholly archived, in the order in which they were."""
        found = [
            (path.stat().st_mtime_ns, path.parent.name)
            for path in self._runs.glob(f"*/{RUN}")
            if not path.is_symlink()
        ]
        return [run for _, run in sorted(found)]

    def has(self, run: str, *, ended_ms: str = "") -> bool:
        """The run is archived; with `ended_ms`, as it was when it ended then."""
        try:
            return ended_ms in {"", self._hash(run)["ended_ms"]}
        except UnknownRunError:
            return False

    def run(self, run: str) -> RunRecord:
        """One run as it ended. Raises UnknownRunError."""
        return decode_run(run, self._hash(run))._replace(is_archived=True)

    def tasks(self, run: str) -> list[TaskRecord]:
        """Its tasks as they ended, in the plan's order. Raises UnknownRunError."""
        self._hash(run)
        with (self.folder(run) / TASKS).open(**TEXT) as file:  # type: ignore[call-overload]  # see `files`
            return decode_tasks(run, [json.loads(line) for line in file])

    def events(self, run: str) -> Iterator[Event]:
        """Its events so far, oldest first; also of a run that goes on."""
        try:
            file = (self.folder(run) / EVENTS).open(**TEXT)  # type: ignore[call-overload]  # see `files`
        except FileNotFoundError:
            return
        with file:
            for line in file:
                if line.endswith("\n"):
                    yield read_event(line)

    def put(self, run: str, stored: Mapping[str, str], tasks: Iterable[Mapping[str, str]]) -> None:
        """Archive a run that has ended: its hash, and its tasks' with their ids."""
        write_whole(self.folder(run) / TASKS, (f"{_json(task)}\n" for task in tasks))
        write_whole(self.folder(run) / RUN, [_json({"run": run, "stored": dict(stored)}), "\n"])

    def _hash(self, run: str) -> dict[str, str]:
        try:
            with (self.folder(run) / RUN).open(**TEXT) as file:  # type: ignore[call-overload]  # see `files`
                stored: dict[str, str] = json.load(file)["stored"]
        except FileNotFoundError:
            raise UnknownRunError(f"no run {run!r}", hint="`swarm runs` lists them") from None
        return stored


def decode_tasks(run: str, stored: Iterable[Mapping[str, str]]) -> list[TaskRecord]:
    """Tasks from their hashes, each with what it waits for among the others."""
    hashes = list(stored)
    is_open = {one["id"] for one in hashes if one["state"] != TaskState.DONE and "skipped_ms" not in one}
    records = []
    for one in hashes:
        record = decode_task(member(run, one["id"]), one, None)
        if record.state is not TaskState.DONE:
            record = record._replace(
                waiting_for=tuple(sorted(is_open.intersection(record.spec.dependencies)))
            )
        records.append(record)
    return records


def event_line(event: Event) -> str:
    """An event as one line of JSON."""
    return _json(event_data(event))


def event_data(event: Event) -> dict[str, object]:
    """An event as JSON."""
    return {
        "id": event.id,
        "at_ms": int(event.id.partition("-")[0]),
        "kind": event.kind,
        "run": event.run,
        "task": event.task,
        "fields": dict(event.fields),
    }


def read_event(line: str) -> Event:
    """The event that `event_line` wrote."""
    data = json.loads(line)
    return Event(data["id"], data["kind"], data["run"], data["task"], data["fields"])


def _json(data: object) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))
