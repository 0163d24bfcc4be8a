"""The tool host's loop: read a request, do it, answer; end everything when the asker is gone."""

import json
import os
import select
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any  # JSON values come in; `_argument` narrows them

from . import files
from .commands import MAX_OUTPUT_BYTES, AbandonedError, Command, run_command
from .landlock import Confinement, make_restriction
from .processes import adopt_orphans, end_descendants, hide_from_own_user
from .protocol import ToolError

MAX_REQUEST_BYTES = 16 * 1024 * 1024

_FILE_TOOLS: dict[str, tuple[Callable[..., str], tuple[str, ...], tuple[str, ...]]] = {
    "read_file": (files.read_file, ("path",), ()),
    "write_file": (files.write_file, ("path", "content"), ()),
    "edit_file": (files.edit_file, ("path", "old", "new"), ()),
    "list_files": (files.list_files, (), ("path",)),
    "search_files": (files.search_files, ("pattern",), ("path",)),
}
"""Tool -> what does it, the arguments it needs, and those it may have; all of them text."""


def serve(tree: Path, confinement: Confinement | None = None) -> int:
    """Answer requests from stdin on stdout until stdin closes; commands run under `confinement`."""
    # What a library prints must not come between our replies: fd 1 is stderr from here on.
    replies_fd = os.dup(1)
    os.dup2(2, 1)
    adopt_orphans()
    hide_from_own_user()
    restrict = make_restriction(confinement) if confinement else None
    host = _ToolHost(tree, requests_fd=0, replies_fd=replies_fd, restrict=restrict)
    try:
        while (line := host.next_line()) is not None:
            host.answer(line)
    except (AbandonedError, BrokenPipeError):
        pass
    finally:
        end_descendants()
    return 0


class _ToolHost:
    def __init__(
        self, tree: Path, *, requests_fd: int, replies_fd: int, restrict: Callable[[], None] | None
    ) -> None:
        self._tree = tree.resolve()
        self._root_fd = os.open(self._tree, os.O_RDONLY | os.O_DIRECTORY)
        self._requests_fd = requests_fd
        self._replies_fd = replies_fd
        self._restrict = restrict
        self._received = bytearray()

    def next_line(self) -> bytes | None:
        """The next request, or None when no more will come."""
        searched = 0
        while (end := self._received.find(b"\n", searched)) < 0:
            searched = len(self._received)
            if searched > MAX_REQUEST_BYTES or not self._receive():
                return None
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return line

    def answer(self, line: bytes) -> None:
        """Do one request and send its reply."""
        request: dict[str, Any] = json.loads(line)
        number = request["id"]
        try:
            result = self._do(number, request["tool"], request.get("arguments", {}))
        except ToolError as error:
            self._send({"id": number, "error": str(error)})
        else:
            self._send({"id": number, "result": result})

    def _do(self, number: int, tool: str, arguments: Mapping[str, Any]) -> object:
        if tool == "run_command":
            command = _command(self._tree, arguments, self._restrict)
            emit = _Emitter(number, self._send)
            return run_command(command, emit, self._is_abandoned)._asdict()
        if tool not in _FILE_TOOLS:
            raise ToolError(f"unknown tool {tool!r}; known: run_command, {', '.join(_FILE_TOOLS)}")
        do, needed, optional = _FILE_TOOLS[tool]
        if unknown := sorted(set(arguments) - {*needed, *optional}):
            raise ToolError(f"{tool}: unknown argument {unknown[0]!r}")
        values = {name: _text(tool, arguments, name) for name in needed}
        values |= {name: _text(tool, arguments, name) for name in optional if name in arguments}
        return do(self._root_fd, **values)

    def _is_abandoned(self) -> bool:
        """Stdin has closed while a command runs; what comes in meanwhile waits its turn."""
        while select.select([self._requests_fd], [], [], 0)[0]:
            if len(self._received) > MAX_REQUEST_BYTES or not self._receive():
                return True
        return False

    def _receive(self) -> bool:
        chunk = os.read(self._requests_fd, 65536)
        self._received += chunk
        return bool(chunk)

    def _send(self, message: Mapping[str, object]) -> None:
        view = memoryview(json.dumps(message).encode("ascii") + b"\n")
        while view:
            view = view[os.write(self._replies_fd, view) :]


class _Emitter:
    def __init__(self, number: int, send: Callable[[Mapping[str, object]], None]) -> None:
        self._number = number
        self._send = send

    def __call__(self, text: str) -> None:
        self._send({"id": self._number, "output": text})


def _command(tree: Path, arguments: Mapping[str, Any], restrict: Callable[[], None] | None) -> Command:
    argv = arguments.get("argv")
    if not isinstance(argv, list) or not argv or not all(isinstance(word, str) for word in argv):
        raise ToolError(f"run_command: argv must be a list of words, got {argv!r}")
    timeout_s = arguments.get("timeout_s", 600.0)
    if isinstance(timeout_s, bool) or not isinstance(timeout_s, int | float) or timeout_s <= 0:
        raise ToolError(f"run_command: timeout_s must be a positive number, got {timeout_s!r}")
    return Command(
        argv=argv,
        tree=tree,
        timeout_s=float(timeout_s),
        env=dict(arguments.get("env") or {}),
        max_output_bytes=int(arguments.get("max_output_bytes", MAX_OUTPUT_BYTES)),
        restrict=restrict,
    )


def _text(tool: str, arguments: Mapping[str, Any], name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str):
        raise ToolError(f"{tool}: {name} must be text, got {value!r}"[:500])
    return value
