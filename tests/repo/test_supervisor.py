"""One tick of a supervisor: what ends it, what it forgets, and what its heartbeat survives."""

import subprocess
import threading
from pathlib import Path

import pytest

from swarm.engine.claims import WorkerProfile
from swarm.engine.engine import Engine
from swarm.engine.wire import HiredisStore
from swarm.errors import StoreReplyError
from swarm.fleet.process_id import ProcessId
from swarm.plan.model import Plan, TaskSpec
from swarm.plan.scope import WriteScope
from swarm.repo.hub.hub import Hub
from swarm.repo.hub.refs import attempt_ref
from swarm.repo.hub.writing import RefsBusyError
from swarm.repo.merging.merge_queue import MergeQueue, Outcome
from swarm.repo.workspaces.workspace import open_workspace, take_attempt
from swarm.supervisor import Supervisor
from swarm.testing.launcher import SubprocessLauncher
from swarm.testing.repository import UserRepository

NAME = "supervisor-1"


@pytest.fixture
def supervisor(engine: Engine, hub: Hub) -> Supervisor:
    """A supervisor that is not running; it publishes nowhere."""
    queue = MergeQueue(engine, hub, SubprocessLauncher(), merger_id=NAME, home=hub.home)
    return Supervisor(engine, hub, queue, worker_id=NAME, publish_to=None)


def hand_in_run(engine: Engine, hub: Hub, user: UserRepository, path: str, folder: Path) -> str:
    """Submit a run of one task and hand its attempt in; returns the run's branch."""
    base = hub.import_base(user.path)
    run = engine.submit(Plan((TaskSpec(id="one", description="Do one", files=(path,)),)), base=base)
    claim = engine.claim(WorkerProfile("worker-1"), run)
    assert claim is not None
    engine.start(claim)
    hub.start_branch(claim.branch, base)
    workspace = open_workspace(hub, claim.base, folder / run)
    (workspace.tree / path).write_text("a = 2\n")
    ref = attempt_ref(claim.run, claim.task.id, claim.attempt)
    taken = take_attempt(hub, workspace, scope=WriteScope(("**",)), message="attempt", ref=ref)
    assert taken.commit is not None
    engine.hand_in(claim, commit=taken.commit)
    return claim.branch


def test_a_tick_ends_with_a_stale_landing(
    supervisor: Supervisor, engine: Engine, hub: Hub, user: UserRepository, tmp_path: Path
) -> None:
    """Whoever has the newer token goes on; asking again at once would spin."""
    for path in ("src/a.py", "src/b.py"):
        hub.raise_fence(hand_in_run(engine, hub, user, path, tmp_path / "work"), 10_000)

    report = supervisor.tick(lambda: False)

    assert [landing.outcome for landing in report.landings] == [Outcome.STALE]
    assert report.lost_a_slot


def test_a_tick_stops_between_landings(
    supervisor: Supervisor, engine: Engine, hub: Hub, user: UserRepository, tmp_path: Path
) -> None:
    """Told to stop, it ends the landing it is at and begins no other."""
    for path in ("src/a.py", "src/b.py"):
        hand_in_run(engine, hub, user, path, tmp_path / "work")
    answers = iter([False, True])

    report = supervisor.tick(lambda: next(answers))

    assert [landing.outcome for landing in report.landings] == [Outcome.LANDED]
    assert len(supervisor.tick(lambda: False).landings) == 1


def test_a_held_lock_puts_a_tick_off_and_charges_nobody(
    engine: Engine, hub: Hub, user: UserRepository, tmp_path: Path
) -> None:
    """A stopped process that holds the refs is waited for; what was handed in lands afterwards."""
    hand_in_run(engine, hub, user, "src/a.py", tmp_path / "work")
    impatient = Hub(hub.path, patience_s=0.05)
    queue = MergeQueue(engine, impatient, SubprocessLauncher(), merger_id=NAME, home=hub.home)
    supervisor = Supervisor(engine, impatient, queue, worker_id=NAME, publish_to=None)

    with hub.writing_refs(), pytest.raises(RefsBusyError):
        supervisor.tick(lambda: False)
    report = supervisor.tick(lambda: False)

    assert [landing.outcome for landing in report.landings] == [Outcome.LANDED]
    assert [task.setbacks for run in engine.run_ids() for task in engine.tasks(run)] == [0]


def test_what_was_handed_in_lands_though_the_server_refuses_to_reclaim(
    supervisor: Supervisor, engine: Engine, hub: Hub, user: UserRepository, tmp_path: Path
) -> None:
    """A damaged key holds up what needs it, and nothing else."""
    hand_in_run(engine, hub, user, "src/a.py", tmp_path / "work")
    engine.reclaim_expired()
    engine._caller.store.call("SET", engine.keys.of("tick"), "damaged")
    with pytest.raises(StoreReplyError):
        engine.reclaim_expired()

    report = supervisor.tick(lambda: False)

    assert [landing.outcome for landing in report.landings] == [Outcome.LANDED]


def test_a_dead_worker_is_reclaimed_once(supervisor: Supervisor, engine: Engine) -> None:
    """After that it is on the list no longer."""
    process = subprocess.Popen(["sleep", "60"])
    profile = WorkerProfile(str(ProcessId.running(process.pid)))
    process.kill()
    process.wait()
    engine.submit(Plan((TaskSpec(id="one", description="Do one", files=("src/**",)),)), base="1" * 40)
    engine.heartbeat(profile, kind="worker", state="idle")
    assert engine.claim(profile, "claim-1") is not None

    reports = [supervisor.tick(lambda: False), supervisor.tick(lambda: False)]

    assert [report.reclaimed for report in reports] == [1, 0]
    assert engine.agents() == []


def test_the_heartbeat_survives_an_answer_that_makes_no_sense(
    supervisor: Supervisor, engine: Engine, redis_url: str
) -> None:
    """A beat that Redis refuses is missed; the next one is tried."""
    store, broken = HiredisStore(redis_url), engine.keys.of("agent", NAME)
    store.call("SET", broken, "no hash")
    stopped = threading.Event()
    stopped.set()

    supervisor._beat_until(stopped)

    store.call("DEL", broken)
    store.close()
    supervisor._beat_until(stopped)
    assert [agent.worker_id for agent in engine.agents()] == [NAME]
