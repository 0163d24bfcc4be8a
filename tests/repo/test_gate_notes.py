"""What gates say of a landing beside letting it pass: kept, logged, and told in every report."""

import json
from xml.etree import ElementTree as ET

import pytest
from merge_board import Board, task, write
from structlog.testing import capture_logs

from swarm.engine.snapshot import take_snapshot
from swarm.observe.pull_request import body_of
from swarm.observe.report import build_report, render_report
from swarm.observe.report_data import Report
from swarm.observe.story import tell_event
from swarm.repo.gates.definitions import load_gates
from swarm.repo.merging.gate_notes import read_notes
from swarm.repo.merging.landing import Outcome
from swarm.supervisor import Supervisor

RARELY = 1e-9
GATES = f"""[gate.tests]
command = ["sh", "-c", "printf fine"]
[gate.lint]
command = ["sh", "-c", "echo untidy; exit 3"]
required = false
[gate.bench]
command = ["false"]
sample = {RARELY}
"""


@pytest.fixture
def landed(board: Board) -> Board:
    """One task landed though a gate that is advisory was red, and another was left out by its sample."""
    board.user.commit({"swarm.toml": GATES})
    board.submit(task("one"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    return board


def measured(board: Board) -> Report:
    """The report on the board's run."""
    snapshot = take_snapshot(board.engine, board.run)
    return build_report(snapshot, notes=read_notes(board.hub.home, board.run, snapshot.tasks))


def test_the_log_names_each_gate_its_command_and_its_verdict(landed: Board) -> None:
    """Bare output would say neither which gate wrote it nor what came of it."""
    assert landed.land().outcome == Outcome.LANDED

    log = (landed.hub.home / "logs" / landed.run / "one.1.gate.log").read_text()

    lines = [line.rpartition(",")[0] or line for line in log.splitlines()]
    assert lines == [
        "== gate tests: sh -c 'printf fine' ==",
        "fine",
        "== tests: exit code 0: green",
        "== gate lint (advisory): sh -c 'echo untidy; exit 3' ==",
        "untidy",
        "== lint: exit code 3: red, but advisory: it stops nothing",
        "== gate bench: left out by its sample",
    ]


def test_a_red_advisory_gate_is_in_every_form_of_the_report(landed: Board) -> None:
    """What is run and reported, and stops nothing, has to be reported."""
    landed.land()

    text, md, data, junit = (
        render_report(measured(landed), form) for form in ("text", "md", "json", "junit")
    )

    [row] = json.loads(data)["tasks"]
    properties = {one.get("name"): one.get("value") for one in ET.fromstring(junit).iter("property")}  # noqa: S314  # our own
    assert "advisory, and red: lint: exit code 3" in text
    assert "advisory, and red    lint on 1 landing\n" in text
    assert "gates left out       bench on 1 landing\n" in text
    assert "## Advisory gates that were red\n\n- `one` landed with lint: exit code 3\n" in md
    assert (row["red_advisory"], row["gates_not_run"]) == (["lint: exit code 3"], ["bench"])
    assert (properties["red_advisory"], properties["gates_not_run"]) == ("lint: exit code 3", "bench")


def test_a_pull_request_tells_what_judged_from_what_only_looked_on(landed: Board) -> None:
    """Whoever merges it takes every gate that is listed for one that was green on the merged tree."""
    landed.land()

    body = body_of(measured(landed), load_gates(landed.hub, landed.user.head()))

    assert body.partition("on the merged tree\n\n")[2].splitlines()[:3] == [
        "- `sh -c 'printf fine'`",
        "- `sh -c 'echo untidy; exit 3'` (lint: advisory, stops nothing; red on 1 landing)",
        "- `false` (bench: judges a sample of 1e-09; did not run on 1 landing)",
    ]


def test_event_and_supervisor_tell_of_a_red_advisory_gate(landed: Board) -> None:
    """Whoever watches hears of it while the run goes on, on every host."""
    supervisor = Supervisor(landed.engine, landed.hub, landed.queue(), worker_id="s", publish_to=None)

    with capture_logs() as logged:
        supervisor.tick(lambda: False)

    told = [tell_event(event) for event in landed.engine.events() if event.kind == "task_done"]
    [warning] = [line for line in logged if line["log_level"] == "warning"]
    assert told[0].endswith("; advisory, and red: lint: exit code 3")
    assert (warning["event"], warning["task"]) == ("advisory gate red", "one")
    assert warning["gates"] == ["lint: exit code 3"]


def test_a_landing_without_such_gates_leaves_no_notes(board: Board) -> None:
    """Most have nothing to say: no file, and no line in a report."""
    board.user.commit({"swarm.toml": '[gate.tests]\ncommand = ["true"]\n'})
    board.submit(task("one"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    board.land()

    assert not list((board.hub.home / "logs" / board.run).glob("*.json"))
    assert read_notes(board.hub.home, board.run, board.engine.tasks(board.run)) == {}
    assert "advisory" not in render_report(measured(board), "text")


def test_a_green_gate_that_compared_nothing_says_so_everywhere(board: Board) -> None:
    """It stops nothing, and nobody takes it for a comparison."""
    bench = '[gate.bench]\nkind = "performance"\ncommand = ["test", "-e", "src/new.py"]\nruns = 5\n'
    board.user.commit({"swarm.toml": bench})
    board.submit(task("one"))
    board.hand_in(write("src/new.py", "a = 2\n"))
    assert board.land().outcome == Outcome.LANDED

    report = measured(board)
    text, md, data, junit = (render_report(report, form) for form in ("text", "md", "json", "junit"))
    body = body_of(report, load_gates(board.hub, board.user.head()))

    said = "bench: compared nothing: on the base: exit code 1"
    properties = {one.get("name"): one.get("value") for one in ET.fromstring(junit).iter("property")}  # noqa: S314  # our own
    assert said in text
    assert "compared nothing     bench on 1 landing\n" in text
    assert f"## Green gates that compared nothing\n\n- `one` landed with {said}\n" in md
    assert json.loads(data)["tasks"][0]["gates_hollow"] == [said]
    assert properties["gates_hollow"] == said
    assert "(bench: compared nothing: on the base: exit code 1, on 1 landing)" in body


def test_event_and_supervisor_tell_of_a_gate_that_compared_nothing(board: Board) -> None:
    """As of one that is advisory and was red: while the run goes on, on every host."""
    bench = '[gate.bench]\nkind = "performance"\ncommand = ["test", "-e", "src/new.py"]\nruns = 5\n'
    board.user.commit({"swarm.toml": bench})
    board.submit(task("one"))
    board.hand_in(write("src/new.py", "a = 2\n"))
    supervisor = Supervisor(board.engine, board.hub, board.queue(), worker_id="s", publish_to=None)

    with capture_logs() as logged:
        supervisor.tick(lambda: False)

    said = "bench: compared nothing: on the base: exit code 1"
    [event] = [event for event in board.engine.events() if event.kind == "task_done"]
    [warning] = [line for line in logged if line["log_level"] == "warning"]
    assert tell_event(event).endswith(f"; green without a comparison: {said}")
    assert "advisory" not in tell_event(event)
    assert (warning["event"], warning["task"], warning["gates"]) == ("gate compared nothing", "one", [said])
