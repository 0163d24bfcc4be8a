"""What gates said of a landing beside letting it pass: red advisory ones, some that did not run or compare.

A file beside the gate's log, written before the branch moves, and only where there is something to say.
"""

import contextlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from swarm.engine.records import TaskRecord
from swarm.repo.gates.gate import GateReport
from swarm.settings import attempt_log
from swarm.states import TaskState


class GateNotes(NamedTuple):
    """Of one landing, on the tree of the train that it was a part of."""

    red: Mapping[str, str]  # advisory gate -> how it ended, such as `lint: exit code 1`
    not_run: tuple[str, ...] = ()  # gates that their `sample` left out
    hollow: tuple[str, ...] = ()  # green ones that say less, such as `bench: compared nothing: …`


NO_NOTES = GateNotes({})


def red_advisory(report: GateReport) -> dict[str, str]:
    """Each advisory gate that was red -> how it ended."""
    return {one.name: str(one) for one in report.results if not (one.required or one.passed)}


def hollow_green(report: GateReport) -> tuple[str, ...]:
    """What each gate said that was green and judged less than it is there for."""
    return tuple(f"{one.name}: {one.note}" for one in report.results if one.note)


def keep_notes(log: Path, notes: GateNotes) -> None:
    """Write them beside a gate's log; nothing, and no older file, where there are none.

    A disk that is full loses them, and nothing else.
    """
    path = _path(log)
    with contextlib.suppress(OSError):
        if not any(notes):
            path.unlink(missing_ok=True)
            return
        text = json.dumps({"red": dict(notes.red), "not_run": notes.not_run, "hollow": notes.hollow})
        path.write_text(text + "\n", encoding="utf-8")


def read_notes(home: Path, run: str, tasks: Iterable[TaskRecord]) -> dict[str, GateNotes]:
    """Task -> the notes on its landing, of those that there are any on and that landed on this host."""
    if not any((home / "logs" / run).glob("*.gate.json")):
        return {}
    found = {}
    for task in tasks:
        if task.state is TaskState.DONE:
            notes = _read(_path(attempt_log(home, run, task.spec.id, task.attempt, gate=True)))
            if notes:
                found[task.spec.id] = notes
    return found


def _path(log: Path) -> Path:
    return log.with_suffix(".json")


def _read(path: Path) -> GateNotes | None:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        stored = json.loads(path.read_text(encoding="utf-8"))
        red = {str(name): str(said) for name, said in stored["red"].items()}
        # A file of before has no such entry.
        return GateNotes(red, tuple(map(str, stored["not_run"])), tuple(map(str, stored.get("hollow", ()))))
    return None
