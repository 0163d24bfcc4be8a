"""How well scopes were declared, in every form of the report, while Redis has the run and afterwards."""

import json
import shutil

import pytest
from real_swarm import Swarm, write_task

from swarm.engine.connect import open_store
from swarm.engine.engine import Engine
from swarm.fleet.server_file import running_url

pytestmark = pytest.mark.usefixtures("uncounted")

FIT = {"declared": 3, "matched": 1, "touched": 2, "inside": 1, "precision": 0.3333, "recall": 0.5}


def test_the_report_says_what_was_declared_and_what_was_touched(swarm: Swarm) -> None:
    """Of a task that got another file, one whose scope was too large, and one that touched nothing.

    The same once Redis has forgotten the run; and that it is not known, where there is no hub any more.
    """
    tasks = [
        write_task("stray", files=("elsewhere.txt",)),
        write_task("wide", files=("out/wide.txt", "lib/*.py")),
        {**write_task("idle"), "command": ["true"]},
    ]

    report = swarm.json("run", swarm.plan(tasks), "-y", "--workers", "2")

    run, folder = str(report["run"]), swarm.root / ".swarm"
    rows = {row["id"]: row for row in report["tasks"]}  # type: ignore[attr-defined]  # JSON
    assert report["scope"] == FIT
    assert [rows[name]["scope"] and rows[name]["scope"]["recall"] for name in rows] == [0, 1, None]
    assert [rows[name]["scope"] and rows[name]["scope"]["precision"] for name in rows] == [0, 0.5, None]
    assert [rows[name]["widened"] for name in rows] == [["out/stray.txt"], [], []]
    assert json.loads((folder / "runs" / run / "report.json").read_text())["scope"] == FIT
    assert swarm.json("watch", run)["scope"] == FIT
    url = running_url(folder)
    assert url is not None
    engine = Engine(open_store(url), swarm.root.name)
    assert engine.forget(run)
    engine.close()
    archived = swarm.json("report", run)
    assert (archived["scope"], archived["tasks"]) == (FIT, report["tasks"])
    text = swarm.call("report", run).stdout
    assert "scope recall         50%: 1 of 2 touched paths declared" in text
    assert "scope precision      33%: 1 of 3 declared patterns touched" in text
    assert "widened              1 write scope: stray" in text
    shutil.rmtree(folder / "repo.git")
    assert "scope recall         what was touched is not known here" in swarm.call("report", run).stdout
