"""Every way a command line can go wrong ends in two lines and an exit code."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from swarm.cli.failures import end
from swarm.errors import NotFinishedError, PlanError, Problem, StoreUnreachableError
from swarm.plan.reading import problems_error

ROOT = Path(__file__).parents[2]


def swarm(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in {"REDIS_URL", "NO_COLOR"}}
    return subprocess.run(
        [sys.executable, "-m", "swarm", *arguments],
        cwd=cwd,
        env={**kept, "PYTHONPATH": str(ROOT), **env},
        capture_output=True,
        text=True,
        check=False,
    )


def raising(error: BaseException) -> object:
    raise error


def test_an_unknown_option_is_a_usage_error_with_the_next_step(tmp_path: Path) -> None:
    """Exit 2, one line that names the option, one that says where to look."""
    answer = swarm("status", "--bogus", cwd=tmp_path)

    assert answer.returncode == 2
    assert answer.stdout == ""
    assert answer.stderr == (
        "error[SW001]: no such option '--bogus'\nhelp: `swarm status --help` shows how to use it\n"
    )


def test_an_unknown_command_names_the_nearest(tmp_path: Path) -> None:
    """A slip of the finger costs one line of reading."""
    answer = swarm("stauts", cwd=tmp_path)

    assert answer.returncode == 2
    assert "'stauts'" in answer.stderr
    assert "status" in answer.stderr


def test_with_json_an_error_is_json_on_stdout_and_nothing_else(tmp_path: Path) -> None:
    """A program reads the same fields whatever went wrong."""
    answer = swarm("status", "--json", cwd=tmp_path)

    assert answer.returncode == 3
    assert answer.stderr == ""
    assert json.loads(answer.stdout) == {
        "error": {
            "code": "SW011",
            "message": f"no server is running for {tmp_path}",
            "hint": "start one with `swarm run` or set REDIS_URL",
            "retryable": True,
        }
    }


def test_a_plan_error_lists_every_problem(capsys: pytest.CaptureFixture[str]) -> None:
    """One look at the output is enough to mend the whole file."""
    problems = [Problem("$.tasks[0].id", "missing"), Problem("$.tasks[1].files[0]", "absolute", "drop the /")]

    code = end(lambda: raising(PlanError("plan.json: 2 problems", problems, hint="mend them")), ["validate"])

    assert code == 2
    assert capsys.readouterr().err.splitlines() == [
        "error[SW003]: plan.json: 2 problems",
        "  $.tasks[0].id: missing",
        "  $.tasks[1].files[0]: absolute (drop the /)",
        "help: mend them",
    ]


def test_a_single_problem_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The message holds it already; the list below it would say it again."""
    end(lambda: raising(problems_error("plan.json", [Problem("$[0].id", "missing")])), ["validate"])

    assert capsys.readouterr().err.count("$[0].id: missing") == 1


def test_an_error_without_a_hint_says_what_helps_with_its_kind(capsys: pytest.CaptureFixture[str]) -> None:
    """Every error ends in a next step."""
    end(lambda: raising(PlanError("plan.json: line 1 column 2: not JSON")), ["validate"])

    assert "swarm validate PLAN" in capsys.readouterr().err.splitlines()[-1]


def test_a_plan_error_lists_every_problem_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    """The problems travel as values, not as text to parse."""
    problems = [Problem("$.tasks[0].id", "missing")]

    end(lambda: raising(PlanError("plan.json: 1 problem", problems)), ["validate", "--json"])

    error = json.loads(capsys.readouterr().out)["error"]
    assert error["problems"] == [{"path": "$.tasks[0].id", "message": "missing", "hint": ""}]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StoreUnreachableError("gone"), 3),
        (NotFinishedError("later"), 8),
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
        (SystemExit(7), 7),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_ending_has_its_exit_code(
    error: BaseException, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Scripts branch on the number."""
    ended_with = end(lambda: raising(error), [])

    assert ended_with == code
    assert "Traceback" not in capsys.readouterr().err


def test_an_unexpected_error_keeps_its_traceback_in_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The user sees what to report; the traceback waits in the file that the message names."""
    (tmp_path / ".swarm").mkdir()

    with contextlib.chdir(tmp_path):
        code = end(lambda: raising(ZeroDivisionError("by zero")), [])

    said = capsys.readouterr().err
    crash = next((tmp_path / ".swarm" / "crashes").iterdir())
    assert code == 5
    assert said.startswith("error[SW000]: internal error: ZeroDivisionError: by zero\n")
    assert str(crash) in said
    assert "Traceback" not in said
    assert "ZeroDivisionError: by zero" in crash.read_text()


def test_a_reader_that_leaves_early_hears_no_complaint(tmp_path: Path) -> None:
    """`swarm … | head` prints nothing on stderr, and ends as the signal would end it."""
    reader, writer = os.pipe()
    os.close(reader)

    answer = subprocess.run(
        [sys.executable, "-m", "swarm", "explain", "all"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )

    os.close(writer)
    assert answer.stderr == ""
    assert answer.returncode == 141


def test_escapes_in_a_name_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A hostile file name cannot repaint the screen through an error message."""
    end(lambda: raising(StoreUnreachableError("no \x1b]0;owned\x07\x1b[2Jserver")), [])

    assert capsys.readouterr().err.splitlines()[0] == "error[SW011]: no server"
