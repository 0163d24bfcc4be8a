"""A run on this machine: what its end survives."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from worker_rig import Rig

from swarm.engine.store import Store
from swarm.local_run import LocalRun
from swarm.settings import load_settings
from swarm.testing.plans import make_plan
from swarm.testing.repository import make_repository


@pytest.fixture
def rig(tmp_path: Path, redis_url: str) -> Iterator[Rig]:
    """A repository and a queue."""
    made = Rig(make_repository(tmp_path / "repo", {"a.txt": "a"}), redis_url)
    yield made
    made.close()


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
