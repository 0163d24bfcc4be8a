"""`submit`: what it says of a plan that was submitted before."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from swarm.engine.connect import open_store
from swarm.engine.engine import Engine
from swarm.engine.store import Store
from swarm.engine.words import text_of
from swarm.errors import StorePutDownError
from swarm.plan.document import parse_plan
from swarm.settings import load_settings
from swarm.submitting import submit_plan
from swarm.testing.repository import make_repository

# Any: these are the fixtures' own types, and a test cannot import from its conftest.
Swarm = Callable[..., Any]
Bench = Any

ROOT = Path(__file__).parents[2]
PLAN = [{"id": "a", "description": "do it", "command": ["true"]}]
GATE = '[gate.tests]\ncommand = ["true"]\n'


@pytest.fixture
def plan(folder: Path) -> str:
    """The path of a plan of one task, in a repository with a gate."""
    make_repository(folder, {"a.py": "1\n", "swarm.toml": (folder / "swarm.toml").read_text() + GATE})
    path = folder / "plan.json"
    path.write_text(json.dumps(PLAN), encoding="utf-8")
    return str(path)


def test_a_plan_whose_run_has_ended_says_how_to_run_it_again(swarm: Swarm, bench: Bench, plan: str) -> None:
    """Nothing was queued, and the exit code alone does not show that."""
    first = swarm("submit", plan, "--json").json()
    bench.engine.cancel(first["run"])

    again = swarm("submit", plan, "--json")
    anew = swarm("submit", plan, "--key", "second", "--json")

    assert first["state"] == "active"
    assert again.json() == first | {"state": "cancelled"}
    assert f"`swarm retry {first['run']}` goes on with it, --key NAME" in again.err
    assert (anew.json()["state"], anew.err) == ("active", "")


def test_a_run_that_nothing_judges_is_not_begun_in_silence(
    swarm: Swarm, bench: Bench, folder: Path, plan: str
) -> None:
    """Green is no word for what nobody looked at: one line says so, and nothing is refused."""
    del bench
    settings = (folder / "swarm.toml").read_text().removesuffix(GATE)
    advisory = GATE + "required = false\n"
    bare = make_repository(folder, {"swarm.toml": settings + advisory}).head()
    accepted = folder / "accepted.json"
    accepted.write_text(json.dumps([PLAN[0] | {"acceptance": [["true"]]}]), encoding="utf-8")

    begun, judged = swarm("submit", plan, "--json"), swarm("submit", str(accepted))

    assert begun.code == judged.code == 0
    assert begun.err == (
        f"warning: no gate is required at {bare[:12]}, and 1 of 1 task named no acceptance command:"
        " that work lands unjudged; `swarm init` writes gates\n"
    )
    assert judged.err == ""
    (folder / "swarm.toml").write_text(settings + GATE, encoding="utf-8")
    assert swarm("submit", str(accepted), "--key", "again").err == (
        f"warning: swarm.toml here has other gates or guarded paths than at {bare[:12]}:"
        " those of the commit judge; commit it first if yours are to\n"
    )


@pytest.mark.parametrize("table", ["[gates.tests]\ncommand = ['true']\n", "[approval]\npath = ['deploy']\n"])
def test_a_table_that_nobody_reads_is_refused_in_the_base_as_well(
    swarm: Swarm, bench: Bench, folder: Path, plan: str, table: str
) -> None:
    """What is committed decides; mended in the checkout alone it would still guard nothing."""
    right = (folder / "swarm.toml").read_text()
    make_repository(folder, {"swarm.toml": right + table})
    (folder / "swarm.toml").write_text(right, encoding="utf-8")

    refused = swarm("submit", plan)

    assert refused.code == 2
    assert "swarm.toml in " in refused.err
    assert "did you mean" in refused.err
    assert bench.engine.run_ids() == []


def test_what_submit_prints_is_what_is_documented(swarm: Swarm, bench: Bench, plan: str) -> None:
    """Scripts are written by docs/json.md."""
    del bench
    table = (Path(__file__).parents[2] / "docs" / "json.md").read_text(encoding="utf-8")
    (row,) = re.findall(r"^\| `submit` \|(.*)", table, re.MULTILINE)

    printed = swarm("submit", plan, "--json").json()

    assert re.findall(r"`(\w+)`", row) == list(printed)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--review"], "--review"),
        (["--no-review"], "--no-review"),
        (["--key", "b"], "--key"),
        (["--deadline", "60", "--fail-fast"], "--deadline, --fail-fast"),
    ],
)
def test_a_resumed_run_keeps_what_it_was_submitted_with(
    swarm: Swarm, bench: Bench, plan: str, words: list[str], named: str
) -> None:
    """What would not count is refused, where it used to be overlooked."""
    del bench
    run = swarm("submit", plan, "--json").json()["run"]

    refused = swarm("run", "--resume", run, *words)

    assert refused.code == 2
    assert f"a run keeps what it was submitted with, and {named} would not count" in refused.err
    assert "--key NAME makes a new run" in refused.err


def test_run_says_so_too_of_a_run_that_had_ended(swarm: Swarm, bench: Bench, folder: Path, plan: str) -> None:
    """Its report alone looks as if it had just been cancelled."""
    run = swarm("submit", plan, "--json").json()["run"]
    bench.engine.cancel(run)

    again = subprocess.run(
        [sys.executable, "-m", "swarm", "-C", str(folder), "run", plan, "-y"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    said = (
        f"this plan was run on this commit, and ended: cancelled; `swarm retry {run}` goes on with it, --key"
    )
    assert again.returncode == 1
    assert said in again.stderr
    assert again.stdout.splitlines()[-1] == f"  swarm retry {run}"


def test_options_that_come_too_late_are_not_passed_over_in_silence(
    swarm: Swarm, bench: Bench, plan: str
) -> None:
    """A run keeps the deadline and the policy that it was submitted with."""
    run = swarm("submit", plan, "--json").json()["run"]

    late = swarm("submit", plan, "--fail-fast")
    same = swarm("submit", plan)

    assert late.out == same.out == f"{run}\n"
    assert "keeps the --deadline and --fail-fast of then" in late.err
    assert same.err == ""
    assert not bench.engine.run(run).is_fail_fast


def test_a_submission_costs_no_more_when_there_are_other_runs(swarm: Swarm, store: Store, plan: str) -> None:
    """By the server's own count: nobody asks what has become of each of them."""

    def commands(key: str) -> int:
        before = processed(store)
        swarm("submit", plan, "--key", key)
        return processed(store) - before

    commands("first")  # loads the scripts
    alone = commands("second")
    for number in range(9):
        commands(f"other {number}")

    assert commands("last") < alone + 9  # a look at the clock may come in between, a look at each run not


def test_a_submission_whose_server_is_put_down_is_to_be_repeated(folder: Path, plan: str) -> None:
    """Its run is not stored whole, so it cannot be resumed."""
    gone = Engine(open_store("redis://127.0.0.1:1"), "p", is_put_down=lambda: True)
    settings = load_settings(folder, {})

    with pytest.raises(StorePutDownError) as stopped:
        submit_plan(settings, gone, parse_plan(Path(plan).read_text(encoding="utf-8")))

    assert not stopped.value.retryable
    assert (
        stopped.value.help == "submit it again: the same plan starts the server, and goes on where it stopped"
    )


def processed(store: Store) -> int:
    """How many commands the server has had, this one included."""
    return int(text_of(store.call("INFO", "stats")).partition("total_commands_processed:")[2].split()[0])


@pytest.mark.parametrize(("flags", "is_reviewed"), [((), None), (("--review",), True)])
def test_review_is_stored_with_the_tasks_of_the_run(
    swarm: Swarm, bench: Bench, plan: str, flags: tuple[str, ...], *, is_reviewed: bool | None
) -> None:
    """So that no worker's own settings decide it."""
    run = swarm("submit", plan, "--json", *flags).json()["run"]

    (task,) = bench.engine.tasks(run)
    assert task.spec.review is is_reviewed
