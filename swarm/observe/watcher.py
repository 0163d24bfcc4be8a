"""Show a run while it goes on: redrawn in place on a terminal, one line an event elsewhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.live import Live

from swarm.engine.engine import Engine
from swarm.engine.snapshot import Snapshot
from swarm.observe.live import render_live
from swarm.observe.story import clock_time, tell_event


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
            self._console.print(note, style="yellow")
        self._live.update(render_live(snapshot, min(self._console.width, 120)), refresh=True)


class _Lines:
    """One line an event, so that a CI log reads as a story."""

    def __init__(self, engine: Engine, run: str) -> None:
        self._engine = engine
        self._run = run
        self._after = engine.last_event_id()
        self._is_first = True

    def show(self, snapshot: Snapshot, note: str = "") -> None:
        if note:
            print(note, file=sys.stderr)  # noqa: T201
        events = snapshot.events if self._is_first else self._engine.events(after=self._after)
        self._is_first = False
        for event in events:
            self._after = event.id
            text = tell_event(event) if event.run == self._run else ""
            if text:
                print(f"{clock_time(event)}  {text}", file=sys.stderr, flush=True)  # noqa: T201


class _Quiet:
    def show(self, snapshot: Snapshot, note: str = "") -> None:
        del snapshot, note


@contextmanager
def open_watcher(engine: Engine, run: str, *, quiet: bool = False) -> Iterator[Watcher]:
    """The watcher that fits stderr; `quiet` shows nothing."""
    console = Console(stderr=True)
    if quiet:
        yield _Quiet()
    elif console.is_terminal:
        with Live(console=console, auto_refresh=False, transient=False) as live:
            yield _Screen(live, console)
    else:
        yield _Lines(engine, run)
