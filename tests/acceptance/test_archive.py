"""A run's end is on disk, and outlives what Redis keeps of it."""

import json

import pytest
from real_swarm import DIAMOND, Swarm

from swarm.engine.connect import open_store
from swarm.engine.engine import Engine
from swarm.fleet.server_file import running_url

pytestmark = pytest.mark.usefixtures("uncounted")


def test_a_run_that_redis_has_forgotten_is_not_done_again(swarm: Swarm) -> None:
    """Its plan, run again, ends at once: git proves each landing, and no agent is started."""
    plan = swarm.plan(DIAMOND)
    report = swarm.json("run", plan, "-y", "--workers", "2")
    run, commits = str(report["run"]), swarm.trailers(str(report["branch"]))
    folder = swarm.root / ".swarm" / "runs" / run
    told = [json.loads(line) for line in (folder / "events.ndjson").read_text().splitlines()]
    assert told[-1]["kind"] == "run_ended"
    assert json.loads((folder / "run.json").read_text())["stored"]["state"] == "done"
    assert len((folder / "tasks.ndjson").read_text().splitlines()) == len(DIAMOND)
    url = running_url(swarm.root / ".swarm")
    assert url is not None
    engine = Engine(open_store(url), swarm.root.name)
    assert engine.forget(run)
    assert swarm.json("status", run)["run"]["is_archived"]  # type: ignore[index]  # a mapping of JSON

    again = swarm.json("run", plan, "-y", "--workers", "2")

    assert (again["run"], again["state"]) == (run, "done")
    assert swarm.trailers(str(again["branch"])) == commits
    later = (folder / "events.ndjson").read_text().splitlines()[len(told) :]
    assert "task_claimed" not in {json.loads(line)["kind"] for line in later}
    engine.close()
