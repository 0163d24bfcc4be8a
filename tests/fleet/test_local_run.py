"""A run on this machine: what it survives."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from worker_rig import Rig

from swarm.engine.store import Store
from swarm.fleet.server import stop_server
from swarm.local_run import LocalRun
from swarm.settings import Settings, load_settings
from swarm.submitting import open_queue
from swarm.testing.plans import make_plan
from swarm.testing.repository import make_repository


@pytest.fixture
def rig(tmp_path: Path, redis_url: str) -> Iterator[Rig]:
    """A repository and a queue."""
    made = Rig(make_repository(tmp_path / "repo", {"a.txt": "a"}), redis_url)
    yield made
    made.close()


@pytest.mark.unsound("a key is of the wrong type")
def test_a_run_whose_archive_redis_refuses_still_reports(rig: Rig, store: Store) -> None:
    """Redis answers with an error: the work is published, the report is there, and a warning says so."""
    told: list[str] = []
    local = LocalRun(load_settings(rig.user.path, {"redis_url": rig.url}), tell=told.append)
    run = local.begin(make_plan("one"))
    local._engine.cancel(run)
    runs = local._engine.keys.of("runs")
    store.call("DEL", runs)
    store.call("SET", runs, "no set")

    ended = local.see_through(run, quiet=True)
    local._engine.close()

    assert ended.exit_code != 0
    assert any(line.startswith(f"warning: run {run} is not archived yet: Redis refused") for line in told)


# The server outlives whoever starts it: here, this very process.
@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
def test_a_call_that_finds_the_server_dead_starts_it_again(tmp_path: Path) -> None:
    """It would wait in vain: nobody else does, and leases run out."""
    user = make_repository(tmp_path / "repo", {"a.txt": "a"})
    settings = Settings(root=user.path, home=user.path / ".swarm", project="killed")
    engine, server = open_queue(settings)
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)

    runs = engine.run_ids()

    assert runs == []
    engine.close()
    assert stop_server(settings.home)
