"""Keeping one run going: its processes alive, its server up, its person informed, until it ends."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from types import FrameType
from typing import Protocol

from swarm.base_check import BaseCheck
from swarm.engine.engine import Engine
from swarm.engine.snapshot import Snapshot, take_snapshot
from swarm.errors import RefusedError, StorePutDownError, StoreUnreachableError, UnknownRunError
from swarm.fleet.liveness import judged_here
from swarm.fleet.local import Death, LocalFleet
from swarm.fleet.stopped import is_put_down, start_if_it_died
from swarm.observe.orders import missing_tags
from swarm.settings import Settings
from swarm.states import RunState

LOOK_EVERY_S = 0.25

BASE_CHECK_PATIENCE_S = 60.0
"""How long a run whose gates were red waits to hear whether they were so before it began."""


@dataclass
class StopRequests:
    """How often a person asked to stop: once drains, twice stops."""

    signals: list[int] = field(default_factory=list)
    asked: threading.Event = field(default_factory=threading.Event)

    @property
    def count(self) -> int:
        """How many requests there were."""
        return len(self.signals)

    def add(self, number: int, _frame: FrameType | None = None) -> None:
        """Count one more request; a signal handler."""
        self.signals.append(number)
        self.asked.set()


@contextmanager
def stop_on_signals() -> Iterator[StopRequests]:
    """Turn SIGINT and SIGTERM into stop requests for as long as the block runs."""
    requests = StopRequests()
    before = {number: signal.signal(number, requests.add) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield requests
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Show(Protocol):
    """Takes a snapshot and, now and then, a line that a person should read beside it."""

    def __call__(self, snapshot: Snapshot, note: str = "") -> None:
        """Show them."""
        ...


@dataclass(frozen=True)
class Driven:
    """How driving a run ended: the last look at it, and the signal that stopped it (0 for none)."""

    snapshot: Snapshot
    stopped_by: int = 0


def refuse_loading(run: str) -> None:
    """Raise what is to be said of a run whose plan is not wholly stored, and not known here."""
    raise RefusedError(
        f"run {run!r} is not wholly stored: its submission was stopped, or Redis has lost the end of it",
        hint="give its plan again: `swarm submit FILE`, or `swarm run FILE`, goes on where it stopped",
    )


def drive(
    settings: Settings,
    engine: Engine,
    run: str,
    fleet: LocalFleet,
    *,
    show: Show,
    check: BaseCheck | None = None,
    store_again: Callable[[], object] | None = None,
) -> Driven:
    """Keep the fleet alive until the run ends or a person stops it.

    A Redis that went away is started again at once when it is ours, and waited for when it is not. One that
    has lost the end of what was submitted is given it again by `store_again`, where the plan is known.

    Raises:
        RefusedError: Redis answers, and has lost this run, or a part of its plan that is not known here.
        StorePutDownError: a person has stopped the embedded server.
    """
    with stop_on_signals() as requests:
        asked = 0
        snapshot = _look(engine, run)
        told: set[str] = set()  # queues whose tags were said to be missing
        while True:
            _refuse_stopped(settings, run)
            try:
                start_if_it_died(settings)
                snapshot, note = _look(engine, run), ""
                if snapshot.run.state is RunState.LOADING:
                    (store_again or partial(refuse_loading, run))()
            except StoreUnreachableError as error:
                _refuse_stopped(settings, run)
                note = f"{error.message}; waiting for it"
            deaths = fleet.check() if not asked else []
            notes = [note, *map(_obituary, deaths), check.take_note() if check else ""]
            notes += _missing(settings, snapshot, told)
            if requests.count > asked:
                asked = requests.count
                fleet.drain()
                notes.append("draining: tasks at work may finish; press Ctrl-C again to stop now")
            show(snapshot, "; ".join(filter(None, notes)))
            if snapshot.run.state.is_terminal:
                _hear_out(check, snapshot, show, lambda: requests.count > 0)  # also before this look
                return Driven(snapshot)
            if requests.count > 1 or (asked and fleet.workers_have_ended()):
                return Driven(_look(engine, run), stopped_by=requests.signals[0])
            requests.asked.wait(LOOK_EVERY_S)
            requests.asked.clear()


def _hear_out(
    check: BaseCheck | None, snapshot: Snapshot, show: Show, is_asked_to_stop: Callable[[], bool]
) -> None:
    """When gates stopped the run, say whether they were red before it; else nobody needs the verdict."""
    if check and snapshot.run.gate_failures and snapshot.run.state is not RunState.DONE:
        check.end(patience_s=BASE_CHECK_PATIENCE_S, is_asked_to_stop=is_asked_to_stop)
        if note := check.take_note():
            show(snapshot, note)


def _refuse_stopped(settings: Settings, run: str) -> None:
    """Raise when the server is gone because a person wants it so: it is not ours to start again."""
    if is_put_down(settings):
        raise StorePutDownError(
            "the embedded server was stopped by `swarm down`",
            hint=f"`swarm run --resume {run}` starts it and goes on",
        )


def _missing(settings: Settings, snapshot: Snapshot, told: set[str]) -> list[str]:
    """Which tags no worker has, once a queue, when those of this run are there to be asked."""
    if not any(agent.kind == "worker" for agent in snapshot.alive):
        return []
    own = set(settings.tags.split(","))
    found = missing_tags(set(snapshot.tagged) - told, snapshot.alive)
    told.update(found)
    # What its own workers have, and have not said yet, is not missing.
    return [line for name, line in sorted(found.items()) if not set(name.split("+")[1:]) <= own]


def _look(engine: Engine, run: str) -> Snapshot:
    try:
        snapshot = take_snapshot(engine, run)
        return snapshot._replace(agents=tuple(judged_here(snapshot.agents)))
    except UnknownRunError as error:
        raise RefusedError(
            f"Redis has lost run {run}: somebody emptied it, or another database answers",
            hint=f"run its plan again: what has landed is found in git (.swarm/runs/{run}/plan.json)",
        ) from error


def _obituary(death: Death) -> str:
    return f"{death.name} (pid {death.pid}) ended with {death.exit_code}; starting it again"
