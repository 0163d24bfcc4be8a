"""Running one command to its end: argv, no shell, a time limit, its output, and everything it started.

Runs in the tool host, one command at a time. When the command is over, by itself or not, all its
descendants are ended: nothing outlives a call.
"""

import codecs
import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from .memory import count_oom_kills
from .processes import before_exec, end_descendants, reap_orphans
from .protocol import Finished, ToolError

TAIL_BYTES = 64 * 1024
MAX_OUTPUT_BYTES = 10 * 1024 * 1024
TERM_GRACE_S = 2.0
READ_BYTES = 64 * 1024
_POLL_S = 0.1


class AbandonedError(Exception):
    """Nobody waits for the command any more; it was ended."""


class Command(NamedTuple):
    """What to run, and the limits on it."""

    argv: Sequence[str]
    tree: Path
    timeout_s: float
    env: Mapping[str, str]  # added to the tool host's own
    max_output_bytes: int = MAX_OUTPUT_BYTES
    restrict: Callable[[], None] | None = None  # called before exec; see `landlock.make_restriction`


class Output:
    """Passes output on as text up to a cap, the beginning as it comes and as much of the end by `finish`.

    What lies between is left out. The tail is always remembered.
    """

    def __init__(self, emit: Callable[[str], None], *, cap_bytes: int = MAX_OUTPUT_BYTES) -> None:
        self._emit = emit
        self._end_bytes = min(cap_bytes // 2, MAX_OUTPUT_BYTES)  # in memory until then
        self._left_bytes = cap_bytes - self._end_bytes  # of the beginning
        self._left_out_bytes = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._end = bytearray()
        self._tail = bytearray()
        self.total_bytes = 0

    def add(self, chunk: bytes) -> None:
        """Take what the command wrote."""
        self.total_bytes += len(chunk)
        self._tail += chunk
        del self._tail[:-TAIL_BYTES]
        first, more = chunk[: self._left_bytes], chunk[self._left_bytes :]
        self._left_bytes -= len(first)
        self._pass_on(first)
        self._end += more
        beyond = max(0, len(self._end) - self._end_bytes)
        del self._end[:beyond]
        self._left_out_bytes += beyond

    def finish(self) -> None:
        """Pass on the end, once nothing more comes: where a suite of tests says what has failed."""
        if self._left_out_bytes:
            self._decoder.reset()
            self._emit(f"\n[swarm: bytes of output left out here: {self._left_out_bytes}]\n")
        for start in range(0, len(self._end), READ_BYTES):
            self._pass_on(bytes(self._end[start : start + READ_BYTES]))

    def _pass_on(self, chunk: bytes) -> None:
        if text := self._decoder.decode(chunk):
            self._emit(text)

    @property
    def tail(self) -> str:
        """The last 64 KiB as text."""
        return self._tail.decode("utf-8", errors="replace")

    @property
    def is_truncated(self) -> bool:
        """The tail is not all there was."""
        return self.total_bytes > len(self._tail)


def run_command(
    command: Command, emit: Callable[[str], None], is_abandoned: Callable[[], bool] = lambda: False
) -> Finished:
    """Run a command in `command.tree` and return how it ended; `emit` gets its output as it comes.

    At the time limit its process group gets SIGTERM and, two seconds later, SIGKILL.

    Raises:
        ToolError: the command could not be started.
        AbandonedError: `is_abandoned` became true; the command and its descendants are dead.
    """
    kills_before = count_oom_kills()
    began_s = time.monotonic()
    process = _start(command)
    output = Output(emit, cap_bytes=command.max_output_bytes)
    try:
        timed_out = _watch(process, output, deadline_s=began_s + command.timeout_s, is_abandoned=is_abandoned)
    finally:
        if process.poll() is None:
            _kill_group(process, signal.SIGKILL)
            process.wait()
        end_descendants()
        if process.stdout is not None:
            process.stdout.close()
    output.finish()
    return Finished(
        exit_code=process.returncode,
        output=output.tail,
        duration_s=round(time.monotonic() - began_s, 3),
        timed_out=timed_out,
        ran_out_of_memory=process.returncode != 0 and not timed_out and _rose(kills_before),
        output_truncated=output.is_truncated,
    )


def _start(command: Command) -> subprocess.Popen[bytes]:
    if not command.argv or any("\0" in part for part in command.argv):
        raise ToolError(f"argv must be a list of words without NUL, got {list(command.argv)!r}")
    try:
        # preexec_fn is safe here: the tool host has one thread.
        return subprocess.Popen(
            list(command.argv),
            cwd=command.tree,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            start_new_session=True,
            preexec_fn=before_exec(command.env, command.restrict),  # noqa: PLW1509
        )
    except FileNotFoundError:
        raise ToolError(f"command not found: {command.argv[0]!r}") from None
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise ToolError(f"command {command.argv[0]!r} cannot be started: {error}") from None


def _watch(
    process: subprocess.Popen[bytes],
    output: Output,
    *,
    deadline_s: float,
    is_abandoned: Callable[[], bool],
) -> bool:
    """Read output until the command has ended; True when the time limit ended it."""
    kill_at_s = 0.0
    pipe = process.stdout
    if pipe is None:
        raise AssertionError("started without a pipe")
    os.set_blocking(pipe.fileno(), False)
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            is_open = _read_some(selector, output)
            if process.poll() is not None:
                _drain(pipe.fileno(), output)
                return kill_at_s > 0
            if not is_open:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_POLL_S)
            if is_abandoned():
                raise AbandonedError
            reap_orphans(except_pid=process.pid)
            now_s = time.monotonic()
            if kill_at_s and now_s >= kill_at_s:
                _kill_group(process, signal.SIGKILL)
            elif not kill_at_s and now_s >= deadline_s:
                _kill_group(process, signal.SIGTERM)
                kill_at_s = now_s + TERM_GRACE_S


def _read_some(selector: selectors.BaseSelector, output: Output) -> bool:
    """Read what is there, waiting a moment for it; False once the pipe is closed."""
    if not selector.get_map():
        return False
    for key, _ in selector.select(_POLL_S):
        chunk = os.read(key.fd, READ_BYTES)
        if not chunk:
            selector.unregister(key.fileobj)
            return False
        output.add(chunk)
    return True


def _drain(fd: int, output: Output) -> None:
    """Take what the ended command left in the pipe; somebody may still hold the other end and write on."""
    with contextlib.suppress(BlockingIOError):
        for _ in range(64):
            chunk = os.read(fd, READ_BYTES)
            if not chunk:
                return
            output.add(chunk)


def _kill_group(process: subprocess.Popen[bytes], sign: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, sign)


def _rose(before: int | None) -> bool:
    after = count_oom_kills()
    return before is not None and after is not None and after > before
