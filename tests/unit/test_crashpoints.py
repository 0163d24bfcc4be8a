"""Crash points do what they say, in real processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import swarm
from swarm import crashpoints
from swarm.crashpoints import CrashPointError, arm, crashpoint, disarm
from swarm.errors import ConfigError

PROGRAM = """
import sys
from swarm.crashpoints import arm, crashpoint

arm(sys.argv[1])
for number in range(3):
    print("pass", number, flush=True)
    crashpoint("here")
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
        stderr=subprocess.DEVNULL,
        text=True,
    )


def test_kill_ends_the_process_at_the_pass_that_was_named() -> None:
    """The second pass through the point is the last thing that the process does."""
    process = start("here:2:kill")

    output, _ = process.communicate(timeout=20)

    assert process.returncode == -signal.SIGKILL
    assert output.splitlines() == ["pass 0", "pass 1"]


def test_stop_freezes_the_process_until_it_is_continued() -> None:
    """A zombie that wakes up later is made this way."""
    process = start("here:1:stop")

    _, status = os.waitpid(process.pid, os.WUNTRACED)
    process.send_signal(signal.SIGCONT)
    output, _ = process.communicate(timeout=20)

    assert os.WIFSTOPPED(status)
    assert output.splitlines()[-1] == "end"


def test_raise_breaks_the_pass_that_was_named_and_only_that() -> None:
    """An error in the middle, as any library might raise one."""
    arm("here:2:raise")

    crashpoint("here")
    with pytest.raises(CrashPointError, match="'here' was armed"):
        crashpoint("here")
    crashpoint("here")


def test_a_point_of_another_name_is_passed_unharmed() -> None:
    """Arming one point leaves the others alone; several can be armed at once."""
    arm("there:1:raise,over.there:1:raise")

    crashpoint("here")

    with pytest.raises(CrashPointError):
        crashpoint("over.there")


def test_nothing_is_armed_by_an_empty_spec() -> None:
    """The default of the setting."""
    arm("")

    crashpoint("here")


@pytest.mark.parametrize(
    "spec", ["here", "here:kill", "here:x:kill", "here:0:kill", "here:-1:raise", "here:1:explode"]
)
def test_a_malformed_spec_is_a_config_error_that_repeats_it(spec: str) -> None:
    """A typo in a test does not make the test pass for nothing."""
    with pytest.raises(ConfigError, match=spec):
        arm(spec)


def test_a_registered_point_can_be_walked() -> None:
    """Tests find every point by its name, with what has just happened there."""
    name = crashpoints.register("test.unit.point", "nothing")

    assert crashpoints.POINTS.pop(name) == "nothing"
