"""One run on this machine: hand the plan over, keep the processes alive, watch until it ends."""

import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Protocol

from swarm.engine.connect import engine_for
from swarm.engine.engine import Engine
from swarm.engine.snapshot import Snapshot, take_snapshot
from swarm.errors import AuthenticationError, RefusedError, StoreUnreachableError, UnknownRunError
from swarm.fleet.local import Death, LocalFleet
from swarm.fleet.server import Server, ensure_server, make_home
from swarm.fleet.server_file import running_url
from swarm.plan.document import dump_plan
from swarm.plan.model import Plan, TaskSpec
from swarm.repo.hub import Hub
from swarm.repo.user_repository import commit_of, repository_identity
from swarm.settings import Settings

LOOK_EVERY_S = 0.25
PATIENCE_S = 2.0


def open_queue(settings: Settings) -> tuple[Engine, Server]:
    """Connect to the queue, starting the embedded server where none is configured.

    Raises:
        RepositoryError: there is no commit to work on; nothing was started or written.
    """
    commit_of(settings.root)
    server = ensure_server(settings)
    # Short patience: whoever watches looks again anyway, and must see soon that Redis is away.
    return engine_for(settings, server.url, patience_s=PATIENCE_S), server


def check_executors(tasks: Iterable[TaskSpec], settings: Settings) -> None:
    """Make sure that local workers can do every task.

    Raises:
        AuthenticationError: a task needs a model, and neither a credential nor an endpoint is set.
    """
    needy = next((task.id for task in tasks if task.executor == "messages"), None)
    if needy is not None and not settings.has_model_credential and not settings.anthropic_base_url:
        raise AuthenticationError(
            f"task {needy!r} needs a model (executor 'messages'), and no credential is set",
            hint="set ANTHROPIC_API_KEY; plans of `command` tasks and `swarm demo` need none",
        )


def submit_plan(settings: Settings, engine: Engine, plan: Plan, *, key: str = "") -> str:
    """Bring HEAD into the hub, store the plan, open its branch; return the run id.

    Safe to repeat after a crash at any point: each step finds what the one before left.

    Raises:
        RepositoryError: there is no commit to start from.
    """
    make_home(settings.home)
    hub = Hub.open_or_create(settings.hub)
    base = hub.import_base(settings.root)
    run = engine.submit(plan, base=base, key=key, repository=repository_identity(settings.root))
    hub.start_branch(engine.run(run).branch, base)
    folder = run_folder(settings.home, run)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plan.json").write_text(dump_plan(plan), encoding="utf-8")
    return run


def run_folder(home: Path, run: str) -> Path:
    """Where a run's plan and reports are kept."""
    return home / "runs" / run


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


def drive(settings: Settings, engine: Engine, run: str, fleet: LocalFleet, *, show: Show) -> Driven:
    """Keep the fleet alive until the run ends or a person stops it.

    A Redis that went away is started again at once when it is ours, and waited for when it is not.

    Raises:
        RefusedError: Redis answers, and has lost this run.
    """
    with stop_on_signals() as requests:
        asked = 0
        snapshot = _look(engine, run)
        while True:
            try:
                _keep_server(settings)
                snapshot, note = _look(engine, run), ""
            except StoreUnreachableError as error:
                note = f"{error.message}; waiting for it"
            deaths = fleet.check() if not asked else []
            notes = [note, *map(_obituary, deaths)]
            if requests.count > asked:
                asked = requests.count
                fleet.drain()
                notes.append("draining: tasks at work may finish; press Ctrl-C again to stop now")
            show(snapshot, "; ".join(filter(None, notes)))
            if snapshot.run.state.is_terminal:
                return Driven(snapshot)
            if requests.count > 1 or (asked and fleet.workers_have_ended()):
                return Driven(_look(engine, run), stopped_by=requests.signals[0])
            requests.asked.wait(LOOK_EVERY_S)
            requests.asked.clear()


def _keep_server(settings: Settings) -> None:
    """Start the embedded server again as soon as its process is gone: every lease is running out."""
    if not settings.redis_url and running_url(settings.home) is None:
        ensure_server(settings)


def _look(engine: Engine, run: str) -> Snapshot:
    try:
        return take_snapshot(engine, run)
    except UnknownRunError as error:
        raise RefusedError(
            f"Redis has lost run {run}: somebody emptied it, or another database answers",
            hint=f"run its plan again: what has landed is found in git (.swarm/runs/{run}/plan.json)",
        ) from error


def _obituary(death: Death) -> str:
    return f"{death.name} (pid {death.pid}) ended with {death.exit_code}; starting it again"
