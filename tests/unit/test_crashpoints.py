"""Crash points do what they say, in real processes."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import swarm
from swarm.crashpoints import POINTS, REACHED, CrashPointError, arm, crashpoint, disarm
from swarm.errors import ConfigError

PROGRAM = """
import sys
from swarm.crashpoints import arm, crashpoint
from swarm.logs import log_to_stderr

log_to_stderr()
arm(sys.argv[1])
for number in range(3):
    print("pass", number, flush=True)
    crashpoint("merge.after_tx")
print("end", flush=True)
"""


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    """No point stays armed for the next test."""
    yield
    disarm()


def start(spec: str) -> "subprocess.Popen[str]":
    """A process that passes the point three times."""
    kept = {name: os.environ[name] for name in ("PATH", "COVERAGE_PROCESS_CONFIG") if name in os.environ}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, spec],
        env={**kept, "PYTHONPATH": str(Path(str(swarm.__file__)).parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_kill_ends_the_process_at_the_pass_that_was_named() -> None:
    """The second pass through the point is the last thing that the process does, and its log says so."""
    process = start("merge.after_tx:2:kill")

    output, log = process.communicate(timeout=20)

    assert process.returncode == -signal.SIGKILL
    (line,) = map(json.loads, log.splitlines())
    assert (line["msg"], line["point"], line["action"]) == (REACHED, "merge.after_tx", "kill")
    assert output.splitlines() == ["pass 0", "pass 1"]


def test_stop_freezes_the_process_until_it_is_continued() -> None:
    """A zombie that wakes up later is made this way."""
    process = start("merge.after_tx:1:stop")

    _, status = os.waitpid(process.pid, os.WUNTRACED)
    process.send_signal(signal.SIGCONT)
    output, _ = process.communicate(timeout=20)

    assert os.WIFSTOPPED(status)
    assert output.splitlines()[-1] == "end"


def test_raise_breaks_the_pass_that_was_named_and_only_that() -> None:
    """An error in the middle, as any library might raise one."""
    arm("merge.after_tx:2:raise")

    crashpoint("merge.after_tx")
    with pytest.raises(CrashPointError, match=r"'merge\.after_tx' was armed"):
        crashpoint("merge.after_tx")
    crashpoint("merge.after_tx")


def test_a_point_of_another_name_is_passed_unharmed() -> None:
    """Arming one point leaves the others alone; several can be armed at once."""
    arm("merge.before_tx:1:raise,worker.after_claim:1:raise")

    crashpoint("merge.after_tx")

    with pytest.raises(CrashPointError):
        crashpoint("worker.after_claim")


def test_nothing_is_armed_by_an_empty_spec() -> None:
    """The default of the setting."""
    arm("")

    assert crashpoint("merge.after_tx") is None  # type: ignore[func-returns-value]  # it returns at all


@pytest.mark.parametrize(
    "spec",
    [
        "merge.after_tx",
        "merge.after_tx:kill",
        "merge.after_tx:x:kill",
        "merge.after_tx:0:kill",
        "merge.after_tx:-1:raise",
        "merge.after_tx:1:explode",
    ],
)
def test_a_malformed_spec_is_a_config_error_that_repeats_it(spec: str) -> None:
    """A typo in a test does not make the test pass for nothing."""
    with pytest.raises(ConfigError, match=spec):
        arm(spec)


def test_a_point_that_does_not_exist_is_not_armed() -> None:
    """A point that was renamed cannot leave behind a test that kills nothing."""
    with pytest.raises(ConfigError, match=r"no point 'merge\.after_txx'") as raised:
        arm("merge.after_txx:1:kill")

    assert raised.value.hint == "did you mean 'merge.after_tx'?"


def test_the_table_of_points_is_what_the_sources_pass_through() -> None:
    """Each point of the table is in the sources once, and each one in the sources is in the table."""
    top = Path(str(swarm.__file__)).parents[1]
    sources = [path for package in ("swarm", "workers") for path in (top / package).rglob("*.py")]
    passed = [
        name
        for path in sources
        for name in re.findall(r"^ +crashpoint\((.*)\)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]

    assert sorted(passed) == sorted(f'"{name}"' for name in POINTS)
