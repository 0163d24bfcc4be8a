"""Show a run while it goes on: redrawn in place on a terminal, one line an event elsewhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.live import Live

from swarm.engine.reads import Reads
from swarm.engine.records import Event
from swarm.engine.snapshot import Snapshot, is_ready_in
from swarm.errors import StoreUnreachableError
from swarm.observe.live import render_live
from swarm.observe.story import clock_time, tell_event

EVENTS_A_LOOK = 1000


class Watcher(Protocol):
    """Takes one snapshot after another."""

    def show(self, snapshot: Snapshot, note: str = "") -> None:
        """Show this snapshot; `note` is a line of its own, such as a process that died."""
        ...


class _Screen:
    def __init__(self, live: Live, console: Console) -> None:
        self._live = live
        self._console = console

    def show(self, snapshot: Snapshot, note: str = "") -> None:
        if note:
            self._console.print(note, style="yellow", markup=False, highlight=False)
        self._live.update(render_live(snapshot, min(self._console.width, 120)), refresh=True)


class _Lines:
    """One line an event, so that a CI log reads as a story."""

    def __init__(self, queue: Reads, run: str, since: str | None) -> None:
        self._queue = queue
        self._run = run
        self._after = queue.last_event_id() if since is None else since
        self._begins_with_newest = since is None

    def show(self, snapshot: Snapshot, note: str = "") -> None:
        if note:
            print(note, file=sys.stderr)  # noqa: T201
        try:
            events = (
                snapshot.events
                if self._begins_with_newest
                else self._queue.events(after=self._after, limit=EVENTS_A_LOOK)
            )
        except StoreUnreachableError:
            return  # whoever drives the run waits for Redis, and says so; these events are shown then
        self._begins_with_newest = False
        for event in events:
            self._after = event.id
            text = tell_event(event) if self._is_about(event, snapshot) else ""
            if text:
                print(f"{clock_time(event)}  {text}", file=sys.stderr, flush=True)  # noqa: T201

    def _is_about(self, event: Event, snapshot: Snapshot) -> bool:
        """Of this run; or of no run, about a queue in which tasks of this one are ready."""
        if event.kind != "type_unserved":
            return event.run == self._run
        queue, executor = event.fields.get("type", ""), event.fields.get("executor", "")
        return not snapshot.run.is_paused and any(
            is_ready_in(task, queue, executor) for task in snapshot.tasks
        )


class _Quiet:
    def show(self, snapshot: Snapshot, note: str = "") -> None:
        del snapshot, note


@contextmanager
def open_watcher(
    queue: Reads, run: str, *, since: str | None = None, quiet: bool = False
) -> Iterator[Watcher]:
    """The watcher that fits stderr; `quiet` shows nothing.

    Lines begin after the event `since`, or with the newest few of the run.
    """
    console = Console(stderr=True)
    if quiet:
        yield _Quiet()
    elif console.is_terminal:
        with Live(console=console, auto_refresh=False, transient=False) as live:
            yield _Screen(live, console)
    else:
        yield _Lines(queue, run, since)
