"""Copies what happens into files, lets Redis forget what is copied, and removes runs that ended long ago.

A step may end anywhere. Events are appended to each run's file before the place in the stream is noted, and
what is in a file already is known by the id of its last line. A run counts as archived when its `run.json`
is in place, and only then may it leave Redis. One process of a home is at it at a time, and one home of a
project.
"""

import fcntl
import json
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from swarm.archive.files import append, mend, read_lines, write_whole
from swarm.archive.shelf import EVENTS, Shelf, decode_tasks, event_line
from swarm.base_check import red_on_base
from swarm.crashpoints import crashpoint
from swarm.engine.engine import Engine
from swarm.engine.records import Event
from swarm.engine.snapshot import Snapshot
from swarm.engine.stored import decode_run, id_parts
from swarm.errors import UnknownRunError
from swarm.observe.left_out import read_left_out
from swarm.observe.report import build_report, render_report
from swarm.repo.changed import touched_paths, unpublished
from swarm.repo.merging.gate_notes import read_notes
from swarm.settings import Settings

PAGE, PAGES_A_STEP = 2_000, 10
LOOK_EVERY_S = 60.0
"""How often runs are looked for that have been kept long enough."""
PAUSE_S = 0.05
"""How long whoever waits for an archive leaves Redis alone."""
LEAST_KEPT_MS = 60_000
"""Whoever waits for a run's end finds it in Redis for so long, whatever the settings say."""
FIRST = "0-0"
UNREADABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What a run ends in of which Redis holds something that nobody can make a report of."""
REPORTS = {"json": "report.json", "md": "report.md", "junit": "report.xml"}


class Archiver:
    """The archive of one home, for one project."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._shelf = Shelf(settings.runs)
        self._home = settings.home
        self._settings = settings
        self._note = settings.home / "archive" / f"{settings.project}.json"
        self._keep_ms = settings.keep_days * 86_400_000
        self._keep_runs = settings.keep_runs
        self._log = structlog.get_logger()
        self._place = ""  # where this process has come to in the stream
        self._newest: dict[str, tuple[int, int, int]] = {}  # run -> last event in its file
        self._is_anew = False  # the stream began again, and has not been read to its end since
        self._lines: dict[str, set[str]] = {}  # run -> all of its file, where that has to be known
        self._ended: set[str] | None = None  # runs to archive
        self._beyond: set[str] = set()  # runs that cannot be archived; said once of each
        self._look_at_s = 0.0
        self._is_in_charge = True

    def step(self) -> bool:
        """Do a piece of what there is to do; True when nothing is left of it."""
        with self._alone() as is_alone:
            if not is_alone:
                return False
            archive, place = self._read_note()
            if not self._is_ours(archive, place):
                return True
            if self._ended is None:
                self._ended = self._not_archived()
            for _ in range(PAGES_A_STEP):
                events = self._engine.events(after=place, limit=PAGE)
                if events:
                    place = self._take(events)
                    crashpoint("archive.after_events")
                    self._write_note(archive, place)
                    self._engine.trim_events(archive, upto=place)
                if len(events) < PAGE:
                    self._is_anew = False
                    self._lines.clear()
                    break
            else:
                return False
            self._put_ended()
            if time.monotonic() >= self._look_at_s:
                self._look_at_s = time.monotonic() + LOOK_EVERY_S
                self._remove_old()
            return not self._ended

    def finish(self, run: str, *, patience_s: float = 10.0) -> bool:
        """Archive all of a run that has ended; False when that was not possible in time."""
        until_s = time.monotonic() + patience_s
        while not self._has(run):
            place = self._place
            self.step()
            if run in self._beyond or not self._is_in_charge or time.monotonic() > until_s:
                return False
            if self._place == place and not self._has(run):
                time.sleep(PAUSE_S)  # another process of this home is at it, or the run has not ended
        return True

    def _is_ours(self, archive: str, place: str) -> bool:
        """Nobody else archives this project; said once when somebody does."""
        is_in_charge = self._engine.trim_events(archive, upto=place)
        if not is_in_charge and self._is_in_charge:
            self._log.warning("another archive of this project is in charge; nothing is archived here")
        self._is_in_charge = is_in_charge
        return is_in_charge

    def _take(self, events: list[Event]) -> str:
        """Append each event to its run's file, unless it is there; returns the last one's id."""
        lines: dict[str, list[str]] = defaultdict(list)
        for event in events:
            newest = self._newest.get(event.run)
            if newest is None:
                newest = self._newest[event.run] = self._mended(event.run)
            line = event_line(event)
            # Ids are in order within one stream only: what is in the file may be of an earlier one.
            is_later = not self._is_anew and id_parts(event.id) > newest
            if is_later or line not in self._lines_of(event.run):
                lines[event.run].append(line)
                self._newest[event.run] = id_parts(event.id)
            if event.kind == "run_ended" and self._ended is not None:
                self._ended.add(event.run)
        for run, new in lines.items():
            append(self._log_of(run), new)
        return events[-1].id

    def _put_ended(self) -> None:
        """Archive what has ended; a run that cannot be stays in Redis, and keeps no other from it."""
        if self._ended is None:
            return
        for run in sorted(self._ended):
            try:
                is_put = self._put(run)
            except UNREADABLE as error:
                self._leave(run, error)
                is_put = True
            if is_put:
                self._ended.discard(run)
                self._newest.pop(run, None)

    def _leave(self, run: str, error: Exception) -> None:
        """Not tried again by this process, unless the run ends once more."""
        if run not in self._beyond:
            self._beyond.add(run)
            self._log.error("run cannot be archived, and stays in Redis", run=run, error=repr(error))

    def _put(self, run: str) -> bool:
        """Archive a run as it ended; False when it changed meanwhile."""
        stored = self._engine.stored_run(run)
        if not stored or stored["ended_ms"] == "0" or self._shelf.has(run, ended_ms=stored["ended_ms"]):
            return True
        tasks = list(self._engine.stored_tasks(run))
        if self._engine.stored_run(run) != stored:
            return False
        now_ms, folder = self._engine.now_ms(), self._shelf.folder(run)
        records = tuple(decode_tasks(run, tasks))
        snapshot = Snapshot(decode_run(run, stored), records, (), (), (), now_ms)
        touched = touched_paths(self._settings, snapshot.run, records)
        notes = read_notes(self._settings.home, run, records)
        red = red_on_base(folder)
        report = build_report(
            snapshot,
            red_on_base=red,
            touched=touched,
            notes=notes,
            left_out=read_left_out(self._settings.home, run, records),
            unpublished=unpublished(self._settings, snapshot.run),
        )
        for form, name in REPORTS.items():
            write_whole(folder / name, [render_report(report, form), "\n"])
        self._shelf.put(run, stored, tasks)
        crashpoint("archive.after_run")
        return True

    def _remove_old(self) -> None:
        """Take out of Redis what is archived and was kept for long enough, or is one too many."""
        now_ms = self._engine.now_ms()
        ended = [(ended_ms, run) for run, ended_ms in self._engine.ended_runs().items()]
        ended.sort(reverse=True)
        for place, (ended_ms, run) in enumerate(ended):
            age_ms = now_ms - ended_ms
            is_over = place >= self._keep_runs or age_ms > self._keep_ms
            if is_over and age_ms > LEAST_KEPT_MS and self._shelf.has(run, ended_ms=str(ended_ms)):
                self._forget(run)

    def _forget(self, run: str) -> None:
        try:
            if self._engine.forget(run):
                self._log.info("run removed from Redis; its archive stays", run=run)
        except UnknownRunError:
            self._log.info("run was removed by another", run=run)

    def _not_archived(self) -> set[str]:
        ended = self._engine.ended_runs()
        return {run for run, ended_ms in ended.items() if not self._shelf.has(run, ended_ms=str(ended_ms))}

    def _has(self, run: str) -> bool:
        ended_ms = self._engine.stored_run(run).get("ended_ms", "0")
        return ended_ms != "0" and self._shelf.has(run, ended_ms=ended_ms)

    # files --------------------------------------------------------------------------------------
    def _log_of(self, run: str) -> Path:
        """A run's own log; what belongs to no run has one for the whole repository."""
        return self._shelf.folder(run) / EVENTS if run else self._home / "archive" / EVENTS

    def _mended(self, run: str) -> tuple[int, int, int]:
        line = mend(self._log_of(run))
        return id_parts(json.loads(line)["id"]) if line else (0, 0, 0)

    def _lines_of(self, run: str) -> set[str]:
        if run not in self._lines:
            self._lines[run] = set(read_lines(self._log_of(run)))
        return self._lines[run]

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        """Hold the home's lock; False when another process does."""
        self._note.parent.mkdir(parents=True, exist_ok=True)
        with self._note.with_suffix(".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True

    def _read_note(self) -> tuple[str, str]:
        """The archive's name, and the last event that it has."""
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            archive, place = str(note["archive"]), str(note["last"])
        except FileNotFoundError:
            archive, place = os.urandom(6).hex(), FIRST
            self._write_note(archive, place)
        if place != self._place:
            self._newest.clear()  # another process has been at the files
        if place != FIRST and self._has_begun_anew(place):
            self._is_anew, place = True, FIRST
        return archive, place

    def _has_begun_anew(self, place: str) -> bool:
        """Redis was emptied, or restored from an older copy: it knows of no archive, or of less."""
        is_unknown = self._engine.archived_to() in {"", FIRST}  # FIRST: a stop when this had just been found
        return is_unknown or id_parts(self._engine.last_event_id()) < id_parts(place)

    def _write_note(self, archive: str, place: str) -> None:
        write_whole(self._note, [json.dumps({"archive": archive, "last": place}), "\n"])
        self._place = place
