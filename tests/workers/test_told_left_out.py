"""What did not land of a task that is done, in every form of the report: the whole way from the workspace."""

import json
from xml.etree import ElementTree as ET

from worker_rig import Rig, sh

from swarm.engine.snapshot import take_snapshot
from swarm.fleet.process import ProcessLauncher
from swarm.observe.left_out import read_left_out
from swarm.observe.report import build_report, render_report
from swarm.observe.report_data import Report
from swarm.plan.model import TaskSpec
from swarm.repo.merging.merge_queue import MergeQueue


def reported(rig: Rig, *tasks: TaskSpec) -> Report:
    """The report on a run of these tasks."""
    rig.user.commit({".gitignore": "*.env\n"})
    rig.base = rig.hub.import_base(rig.user.path)
    run, worker = rig.submit(*tasks), rig.worker()
    for _ in tasks:
        worker.work_once()
        MergeQueue(rig.engine, rig.hub, ProcessLauncher(), merger_id="m", home=rig.home).land_train()
    snapshot = take_snapshot(rig.engine, run)
    return build_report(snapshot, left_out=read_left_out(rig.home, run, snapshot.tasks))


def test_a_report_tells_what_a_done_task_did_not_land(rig: Rig) -> None:
    """A half that was ignored, and one of which nothing landed; a task without files has nothing to land."""
    half = sh("half", "mkdir src; echo x > src/a.py; echo x > src/b.env; echo noise", files=("src/**",))
    report = reported(rig, half, sh("idle", "true", files=("idle.py",)), sh("check", "true"))

    text, md, junit, data = (render_report(report, form) for form in ("text", "md", "junit", "json"))
    rows = {row["id"]: (row["landed_nothing"], row["left_out"]) for row in json.loads(data)["tasks"]}
    cases = {
        case.get("name"): {one.get("name"): one.get("value") for one in case.iter("property")}
        for case in ET.fromstring(junit).iter("testcase")  # noqa: S314  # our own
    }
    assert rows == {"half": (False, "src/b.env"), "idle": (True, ""), "check": (False, "")}
    assert "left out as ignored: src/b.env" in text
    assert "landed nothing       1 task that is done: idle\n" in text
    assert md.partition("## What did not land of tasks that are done\n\n")[2].splitlines()[:2] == [
        "- `half` left out as ignored: src/b.env",
        "- `idle` changed nothing",
    ]
    assert cases["half"]["left_out"] == "src/b.env"
    assert cases["idle"]["landed_nothing"] == "true"
    assert not {"left_out", "landed_nothing"} & cases["check"].keys()


def test_a_report_of_tasks_that_landed_whole_does_not_speak_of_it(rig: Rig) -> None:
    """Most have."""
    report = reported(rig, sh("t", "echo x > f", files=("f",)))

    assert "landed nothing" not in render_report(report, "text")
    assert "What did not land" not in render_report(report, "md")
