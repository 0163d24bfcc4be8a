"""One run on this machine: hand the plan over, keep the processes alive, watch until it ends."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from swarm.engine.engine import Engine
from swarm.engine.snapshot import Snapshot, take_snapshot
from swarm.engine.store import open_store
from swarm.errors import StoreUnreachableError
from swarm.fleet.local import Death, LocalFleet
from swarm.fleet.server import Server, ensure_server, make_home
from swarm.plan.document import dump_plan
from swarm.plan.model import Plan
from swarm.repo.hub import Hub
from swarm.repo.user_repository import commit_of, repository_identity
from swarm.settings import Settings

LOOK_EVERY_S = 0.25


def open_queue(settings: Settings) -> tuple[Engine, Server]:
    """Connect to the queue, starting the embedded server where none is configured.

    Raises:
        RepositoryError: there is no commit to work on; nothing was started or written.
    """
    commit_of(settings.root)
    server = ensure_server(settings)
    engine = Engine(open_store(server.url), settings.project, lease_ms=int(settings.lease_s * 1000))
    return engine, server


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

    count: int = 0
    asked: threading.Event = field(default_factory=threading.Event)

    def add(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        """Count one more request; a signal handler."""
        self.count += 1
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


def drive(
    settings: Settings,
    engine: Engine,
    run: str,
    fleet: LocalFleet,
    *,
    show: Callable[[Snapshot, str], None],
) -> Snapshot:
    """Keep the fleet alive until the run ends or a person stops it; return the last snapshot.

    A Redis that went away is started again when it is ours, and waited for when it is not.
    """
    with stop_on_signals() as requests:
        asked = 0
        while True:
            try:
                snapshot = take_snapshot(engine, run)
            except StoreUnreachableError:
                ensure_server(settings)
                continue
            deaths = fleet.check() if not asked else []
            show(snapshot, _note(deaths, requests.count))
            if snapshot.run.state.is_terminal or requests.count > 1:
                return snapshot
            if requests.count > asked:
                asked = requests.count
                fleet.drain()
            if asked and fleet.workers_have_ended():
                return take_snapshot(engine, run)
            requests.asked.wait(LOOK_EVERY_S)
            requests.asked.clear()


def _note(deaths: list[Death], stopping: int) -> str:
    """What a person should know beside the snapshot."""
    notes = [
        f"{death.name} (pid {death.pid}) ended with {death.exit_code}; starting it again" for death in deaths
    ]
    if stopping:
        notes.append("draining: tasks at work may finish; press Ctrl-C again to stop now")
    return "; ".join(notes)
