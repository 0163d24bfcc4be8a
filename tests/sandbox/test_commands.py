"""Commands through a real tool host: limits, output, and that nothing outlives them."""

import re
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from watching import DAEMON, dies_soon, wait_for_text

from swarm.fleet.process import ProcessLauncher
from swarm.sandbox.client import HostedSandbox
from swarm.sandbox.commands import Output
from swarm.sandbox.memory import count_oom_kills
from swarm.sandbox.protocol import SandboxEndedError, ToolError


def test_argv_reaches_the_program_as_it_is(sandbox: HostedSandbox, tree: Path) -> None:
    """There is no shell: metacharacters are text."""
    word = "$(touch pwned); `touch pwned` | touch pwned > pwned"

    finished = sandbox.run(["printf", "%s", word], timeout_s=10)

    assert (finished.exit_code, finished.output) == (0, word)
    assert list(tree.iterdir()) == []


def test_the_exit_code_and_both_streams_come_back(sandbox: HostedSandbox) -> None:
    """Both streams arrive in the order they were written; the working folder is the tree."""
    finished = sandbox.run(["sh", "-c", "pwd; echo err >&2; echo out; exit 3"], timeout_s=10)

    assert finished.exit_code == 3
    assert finished.output == f"{sandbox.tree}\nerr\nout\n"
    assert not finished.timed_out


def test_a_command_that_does_not_exist_is_named(sandbox: HostedSandbox) -> None:
    """The tool host survives and says which program is missing."""
    with pytest.raises(ToolError, match="command not found: 'no-such-program'"):
        sandbox.run(["no-such-program"], timeout_s=10)

    assert sandbox.run(["true"], timeout_s=10).exit_code == 0


@pytest.mark.parametrize("argv", [[], ["a\0b"]])
def test_an_argv_that_cannot_be_run_is_refused(sandbox: HostedSandbox, argv: list[str]) -> None:
    """An empty list and a NUL character get an answer that shows them."""
    with pytest.raises(ToolError, match="argv must be a list of words"):
        sandbox.run(argv, timeout_s=10)


def test_the_time_limit_ends_a_command_that_ignores_sigterm(sandbox: HostedSandbox) -> None:
    """SIGTERM first, SIGKILL two seconds later."""
    began = time.monotonic()

    finished = sandbox.run(["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"], timeout_s=0.3)

    assert finished.timed_out
    assert finished.exit_code == -9
    assert 2.2 < time.monotonic() - began < 10


def test_the_time_limit_lets_a_command_clean_up(sandbox: HostedSandbox) -> None:
    """A command that ends on SIGTERM is not killed."""
    finished = sandbox.run(["sh", "-c", "trap 'echo bye; exit 0' TERM; sleep 60 & wait"], timeout_s=0.3)

    assert finished.timed_out
    assert (finished.exit_code, finished.output) == (0, "bye\n")


def test_an_output_flood_ends_at_the_time_limit_and_stays_small(sandbox: HostedSandbox, tree: Path) -> None:
    """`yes` for two seconds: the log is capped and says so, the tail is 64 KiB, memory stays flat."""
    log = tree.parent / "logs/attempt.log"
    sandbox.run(["true"], timeout_s=10)
    before = psutil.Process().memory_info().rss

    finished = sandbox.run(["yes"], timeout_s=2, log=log)

    assert finished.timed_out
    assert finished.output_truncated
    assert len(finished.output) == 64 * 1024
    assert 10 * 1024 * 1024 <= log.stat().st_size < 10 * 1024 * 1024 + 1024
    begins = log.read_bytes()[5 * 1024 * 1024 :][:200]
    assert re.search(rb"\[swarm: bytes of output left out here: \d+\]\n", begins)
    assert psutil.Process().memory_info().rss - before < 40 * 1024 * 1024


def test_the_tail_is_the_end_of_the_output_even_past_the_cap() -> None:
    """What a failing command says last is what the next attempt needs to see."""
    passed_on: list[str] = []
    output = Output(passed_on.append, cap_bytes=10)

    for number in range(20_000):
        output.add(f"line {number}\n".encode())

    assert output.tail.endswith("line 19999\n")
    assert len(output.tail) == 64 * 1024
    assert "".join(passed_on) == "line "  # of 10 bytes; the rest is for the end
    output.finish()
    left_out = output.total_bytes - 10
    assert "".join(passed_on) == f"line \n[swarm: bytes of output left out here: {left_out}]\n9999\n"


@pytest.mark.parametrize("size", [9, 10, 11])
def test_a_log_has_all_of_what_fits(size: int) -> None:
    """One byte more than that, and one is left out; a character is never cut by the seam alone."""
    passed_on: list[str] = []
    output = Output(passed_on.append, cap_bytes=10)
    text = "1234ü789ab"[: size - 1]

    output.add(text.encode())
    output.finish()

    seam = "\n[swarm: bytes of output left out here: 1]\n"
    assert "".join(passed_on) == (text if size <= 10 else f"1234{seam}789ab")


def test_the_log_of_a_long_run_ends_as_the_run_did(sandbox: HostedSandbox, tree: Path) -> None:
    """A suite of tests names what has failed in its last lines."""
    log = tree.parent / "logs/attempt.log"
    program = "print('collected'); print('passed\\n' * 2_000_000); print('FAILED test_a.py::test_b')"

    sandbox.run([sys.executable, "-c", program], timeout_s=60, log=log)

    kept = log.read_bytes()
    assert kept.startswith(b"collected\npassed\n")
    assert kept.endswith(b"passed\n\nFAILED test_a.py::test_b\n")
    assert len(kept) < 10 * 1024 * 1024 + 1024


def test_a_character_cut_in_two_is_put_together() -> None:
    """Text is decoded across reads."""
    passed_on: list[str] = []
    output = Output(passed_on.append)

    for byte in "ü€".encode():
        output.add(bytes([byte]))

    assert "".join(passed_on) == "ü€"


@pytest.mark.parametrize(("lasts_s", "timeout_s"), [(0, 30), (60, 0.5)])
def test_a_daemon_dies_with_its_command(
    sandbox: HostedSandbox, tree: Path, lasts_s: float, timeout_s: float
) -> None:
    """Own session, dead parent, empty environment: still found, whether the command ended or was ended."""
    finished = sandbox.run([sys.executable, "-c", DAEMON, str(lasts_s)], timeout_s=timeout_s)

    assert finished.timed_out == (lasts_s > timeout_s)
    assert dies_soon(int((tree / "pid").read_text()))


def test_a_background_process_that_holds_the_pipe_does_not_hold_the_call(sandbox: HostedSandbox) -> None:
    """The call ends when the command does, not when everybody has closed its output."""
    began = time.monotonic()

    finished = sandbox.run(["sh", "-c", "sleep 60 & echo started"], timeout_s=30)

    assert finished.output == "started\n"
    assert time.monotonic() - began < 10


def test_killing_from_another_thread_ends_the_command_and_its_daemon(
    sandbox: HostedSandbox, tree: Path
) -> None:
    """A lost lease ends the agent at once, wherever the worker's main thread waits."""
    daemon: list[int] = []

    def kill_when_started() -> None:
        daemon.append(int(wait_for_text(tree / "pid")))
        sandbox.kill()

    killer = threading.Thread(target=kill_when_started)
    killer.start()
    with pytest.raises(SandboxEndedError, match="was ended"):
        sandbox.run([sys.executable, "-c", DAEMON, "60"], timeout_s=60)
    killer.join()

    assert dies_soon(daemon[0])
    ending = sandbox.ending()
    assert ending is not None
    assert ending.exit_code == -9


def test_a_sandbox_that_has_ended_says_so(sandbox: HostedSandbox) -> None:
    """Calls after the end fail with the reason; closing twice is harmless."""
    assert sandbox.ending() is None

    sandbox.close()
    sandbox.close()

    with pytest.raises(SandboxEndedError):
        sandbox.call("list_files", {})


def test_a_command_that_kills_the_tool_host_leaves_nothing(sandbox: HostedSandbox, tree: Path) -> None:
    """The agent may end its own host; what it started in a session of its own is found by its tag."""
    script = "setsid sleep 600 & echo $! > pid; sleep 0.2; kill -9 $PPID; sleep 600"

    with pytest.raises(SandboxEndedError):
        sandbox.run(["sh", "-c", script], timeout_s=60)

    assert dies_soon(int((tree / "pid").read_text()))


def test_two_sandboxes_of_one_attempt_do_not_end_each_other(sandbox: HostedSandbox, tree: Path) -> None:
    """Tags are unique to a sandbox, whatever its label."""
    other = ProcessLauncher().open(tree, labels={"swarm.attempt": "run/task/1"})

    other.close()

    assert sandbox.run(["true"], timeout_s=10).exit_code == 0


def test_the_oom_counter_is_read_from_either_version_of_cgroups(tmp_path: Path) -> None:
    """Version 1 and 2 files, at the group's path or at the top; None where there is no counter."""
    proc = tmp_path / "cgroup"
    root = tmp_path / "fs"
    (root / "memory/docker/x").mkdir(parents=True)
    (root / "user").mkdir()

    proc.write_text("4:memory:/docker/x\n1:cpu:/\n")
    assert count_oom_kills(proc, root) is None
    (root / "memory/memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")
    assert count_oom_kills(proc, root) == 1
    (root / "memory/docker/x/memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
    assert count_oom_kills(proc, root) == 2
    proc.write_text("0::/user\n")
    (root / "user/memory.events").write_text("low 0\nhigh 0\nmax 9\noom 4\noom_kill 3\n")
    assert count_oom_kills(proc, root) == 3
