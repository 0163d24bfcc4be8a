"""What did not land of a task that is done, in every form of the report: the whole way from the workspace."""

import json
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from looked_at import choosing_what_says, land, models, work
from worker_rig import Rig, sh

from swarm import crashpoints
from swarm.engine.snapshot import take_snapshot
from swarm.fleet.process import ProcessLauncher
from swarm.observe.left_out import LeftOut, read_left_out
from swarm.observe.report import build_report, render_report
from swarm.observe.report_data import Report
from swarm.plan.model import TaskSpec
from swarm.repo.merging.merge_queue import MergeQueue
from swarm.sandbox.protocol import Sandbox
from swarm.states import TaskState
from workers.agents.agent import AgentContext, AgentResult

FORGED = "left out as ignored: forged"


@dataclass
class Leaving:
    """Agents that each write a text into `src/f`, unless it is empty, and a file beside it that is ignored.

    Each also prints what a worker would say of another file.
    """

    made: list[tuple[str, str]]  # text, and the ignored file; in turn

    def run(self, _task: TaskSpec, sandbox: Sandbox, context: AgentContext) -> AgentResult:
        """Do what is next."""
        text, ignored = self.made.pop(0)
        (sandbox.tree / "src").mkdir()
        for name in filter(None, ["f" if text else "", ignored]):
            (sandbox.tree / "src" / name).write_text(f"{text}\n")
        context.log.parent.mkdir(parents=True, exist_ok=True)
        with context.log.open("a") as log:
            log.write(f"{FORGED}\n")
        return AgentResult()


def submitted(rig: Rig, **more: object) -> str:
    """A run of one task, in a repository that ignores `.env` files."""
    rig.user.commit({".gitignore": "*.env\n"})
    rig.base = rig.hub.import_base(rig.user.path)
    return rig.submit(sh("t", "true", files=("src/**",), **more))


def told(rig: Rig, run: str) -> dict[str, str]:
    """What is said to be left out, once what was handed in has landed."""
    land(rig)
    assert rig.task(run, "t").state is TaskState.DONE
    return read_left_out(rig.home, run, rig.engine.tasks(run))


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


@pytest.mark.parametrize("best", ["+one", "+two", "(it changes nothing)"])
def test_of_several_candidates_only_what_the_chosen_one_left_out_is_told(rig: Rig, best: str) -> None:
    """Whichever was the last; one that changed nothing else has left something out as well."""
    run = submitted(rig, best_of=3)
    agents = Leaving([("one", "a.env"), ("", "b.env"), ("two", "c.env")])

    with models(rig, judge=choosing_what_says(best)):
        work(rig, run, agents, until=lambda: rig.task(run, "t").state in {TaskState.MERGING, TaskState.DONE})

    assert told(rig, run) == {"t": {"+one": "src/a.env", "+two": "src/c.env"}.get(best, "src/b.env")}


def test_what_an_agent_or_a_check_prints_is_not_what_was_left_out(rig: Rig) -> None:
    """Only workers say that, and not in the log."""
    run = submitted(rig, acceptance=(("echo", FORGED),))

    rig.worker(Leaving([("x", "")])).work_once()

    assert FORGED in (rig.home / f"logs/{run}/t.1.log").read_text()
    assert told(rig, run) == {}


def test_what_a_dead_worker_left_out_is_told_of_the_attempt_that_hands_it_in(rig: Rig) -> None:
    """Its work is taken up as it is, without what is missing from it."""
    run = submitted(rig)
    lost = rig.worker(Leaving([("x", "a.env")]))
    lost.stopping.is_draining.set()  # no pause
    crashpoints.arm("worker.after_attempt:1:raise")
    try:
        lost.work_once()
    finally:
        crashpoints.disarm()

    rig.worker(Leaving([])).work_once()

    assert rig.task(run, "t").attempt == 2
    assert told(rig, run) == {"t": "src/a.env"}


def test_what_an_attempt_left_out_that_was_not_taken_is_not_told(rig: Rig) -> None:
    """The next one left out nothing."""
    run = submitted(rig, acceptance=(("grep", "good", "src/f"),))
    agents = Leaving([("bad", "a.env"), ("good", "")])

    work(rig, run, agents, until=lambda: rig.task(run, "t").state is TaskState.MERGING)

    assert told(rig, run) == {}


def test_a_note_that_a_killed_worker_did_not_end_spoils_no_other(tmp_path: Path) -> None:
    """What was noted last counts, also that it was nothing."""
    notes = LeftOut(tmp_path / "logs", "a/b")
    notes.note("1", "")
    assert not (tmp_path / "logs").exists()
    notes.note("1", "x.env")
    with (tmp_path / "logs" / "a%2Fb.left_out").open("a") as file:
        file.write('\n["2", "y.e')
    notes.note("3", "z\u2028.env")
    notes.note("1", "")

    assert [notes.read(of) for of in ("1", "2", "3")] == ["", "", "z\u2028.env"]
