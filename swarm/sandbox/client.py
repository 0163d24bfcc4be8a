"""The trusted end of the channel: a `Sandbox` over the pipes of one tool host.

Everything that comes back is untrusted: lines are bounded and checked, and a tool host that breaks
the protocol or does not answer in time is ended.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Protocol, Self  # JSON values come in; each is checked before use

from swarm.sandbox.protocol import Ending, Finished, SandboxEndedError, ToolError

FILE_TOOL_LIMIT_S = 60.0
COMMAND_SLACK_S = 15.0
ENDING_S = 0.5
"""How long a tool host whose pipes are closed may take to be gone."""
MAX_LINE_BYTES = 32 * 1024 * 1024
MAX_LOG_BYTES = 10 * 1024 * 1024


class Host(Protocol):
    """A started tool host, as a launcher holds it."""

    def end(self) -> Ending:
        """Kill it and all it started, now; again is a no-op with the same answer. Called from any thread."""
        ...

    def ending(self) -> Ending | None:
        """How it ended, or None while it runs."""
        ...

    def clean_up(self) -> None:
        """Remove what it leaves behind (folders, a container); called once, after `end`."""
        ...


class HostedSandbox:
    """A sandbox whose tool host answers on a pair of pipes. `kill` may come from any thread.

    Args:
        tree: the folder as the trusted side knows it.
        requests: the tool host's stdin.
        replies: the tool host's stdout; must reach its end once the host is dead.
        host: ends it, and says how it ended.
        max_log_bytes: what one `run` adds to its log at most.
        notice: what a reader of the log should know of this sandbox; stands before the first output.
    """

    def __init__(
        self,
        tree: Path,
        *,
        requests: IO[bytes],
        replies: IO[bytes],
        host: Host,
        max_log_bytes: int = MAX_LOG_BYTES,
        notice: str = "",
    ) -> None:
        self.tree = tree
        self._requests = requests
        self._replies = replies
        self._host = host
        self._max_log_bytes = max_log_bytes
        self._notice = notice
        self._turn = threading.Lock()
        self._number = 0
        self._is_closed = False

    def call(self, tool: str, arguments: Mapping[str, object]) -> str:
        """Run a file tool; see `protocol.Sandbox`."""
        result = self._exchange(tool, arguments, limit_s=FILE_TOOL_LIMIT_S, on_output=lambda _: None)
        return str(result)

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        env: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> Finished:
        """Run a command; see `protocol.Sandbox`."""
        arguments = {
            "argv": list(argv),
            "timeout_s": timeout_s,
            "env": dict(env or {}),
            "max_output_bytes": self._max_log_bytes,
        }
        with _Log(log, self._max_log_bytes) as sink:
            if log is not None and self._notice:
                sink.add(f"[swarm: {self._notice}]\n")
                self._notice = ""
            result = self._exchange(
                "run_command", arguments, limit_s=timeout_s + COMMAND_SLACK_S, on_output=sink.add
            )
        return self._finished(result)

    def kill(self) -> None:
        """End the tool host and all it started, now."""
        self._host.end()

    def ending(self) -> Ending | None:
        """How the tool host ended, or None while it runs."""
        return self._host.ending()

    def close(self) -> None:
        """Kill and remove whatever is left; a second time is a no-op."""
        if self._is_closed:
            return
        self._is_closed = True
        self._host.end()
        for pipe in (self._requests, self._replies):
            with suppress(OSError, ValueError):
                pipe.close()
        self._host.clean_up()

    def _exchange(
        self, tool: str, arguments: Mapping[str, object], *, limit_s: float, on_output: Callable[[str], None]
    ) -> object:
        """Send one request and return its result; the watchdog ends a host that does not answer."""
        with self._turn:
            self._number += 1
            watchdog = threading.Timer(limit_s, self.kill)
            watchdog.daemon = True
            watchdog.start()
            try:
                self._send({"id": self._number, "tool": tool, "arguments": arguments})
                return self._await_reply(on_output)
            finally:
                watchdog.cancel()

    def _send(self, request: Mapping[str, object]) -> None:
        try:
            self._requests.write(json.dumps(request).encode("ascii") + b"\n")
            self._requests.flush()
        except (OSError, ValueError):
            raise self._ended() from None

    def _await_reply(self, on_output: Callable[[str], None]) -> object:
        while True:
            message = self._next_message()
            if isinstance(output := message.get("output"), str):
                on_output(output)
            elif "error" in message:
                raise ToolError(str(message["error"]))
            elif "result" in message:
                return message["result"]
            else:
                raise self._broken("a message without output, result or error")

    def _next_message(self) -> dict[str, Any]:
        try:
            line = self._replies.readline(MAX_LINE_BYTES)
        except (OSError, ValueError):
            raise self._ended() from None
        if not line:
            raise self._ended()
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            raise self._broken("a line that is not JSON") from None
        if not isinstance(message, dict) or message.get("id") != self._number:
            raise self._broken("an answer to something else")
        return message

    def _finished(self, result: object) -> Finished:
        try:
            return _decode_finished(result)
        except (TypeError, ValueError, KeyError):
            raise self._broken("a result that is not a finished command") from None

    def _broken(self, what: str) -> SandboxEndedError:
        self.kill()
        return SandboxEndedError(f"the tool host sent {what}; it was ended")

    def _ended(self) -> SandboxEndedError:
        """Its pipes are gone, so it is of no use any more: see how it ended, and make sure that it did."""
        deadline_s = time.monotonic() + ENDING_S
        while (ending := self._host.ending()) is None and time.monotonic() < deadline_s:
            time.sleep(0.005)
        ending = ending or self._host.end()
        return SandboxEndedError(ending.reason or f"the tool host ended with exit code {ending.exit_code}")


def _decode_finished(result: object) -> Finished:
    if not isinstance(result, dict):
        raise TypeError("not an object")
    return Finished(
        exit_code=int(result["exit_code"]),
        output=str(result["output"]),
        duration_s=float(result["duration_s"]),
        timed_out=bool(result["timed_out"]),
        ran_out_of_memory=bool(result["ran_out_of_memory"]),
        output_truncated=bool(result["output_truncated"]),
    )


class _Log:
    """A file that output is appended to, up to a cap; without a path it swallows everything."""

    def __init__(self, path: Path | None, cap_bytes: int) -> None:
        self._path = path
        self._left_bytes = cap_bytes + 1024  # room for the host's own note that it dropped the rest
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("ab")
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, text: str) -> None:
        if self._file is None or self._left_bytes <= 0:
            return
        data = text.encode("utf-8", "replace")[: self._left_bytes]
        self._left_bytes -= len(data)
        self._file.write(data)
        self._file.flush()
