"""The channel between the trusted side (worker, merge queue) and the untrusted side (agent, gate).

A launcher starts one tool host on one tree; the sandbox it returns is the only way to make anything
happen there. Messages are JSON, one a line, over the tool host's stdin and stdout:

request   {"id": 1, "tool": "run_command", "arguments": {"argv": ["make"], "timeout_s": 60}}
progress  {"id": 1, "output": "text"}            any number, before the reply
reply     {"id": 1, "result": ...} or {"id": 1, "error": "what is wrong, with the value"}
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol


class ToolError(Exception):
    """A tool refused or could not do it; the message is for the agent."""


class SandboxEndedError(Exception):
    """The tool host ended before it answered; ask `Sandbox.ending` why."""


class Finished(NamedTuple):
    """How a command ended."""

    exit_code: int  # negative: the signal that ended it
    output: str  # stdout and stderr as they came, the last 64 KiB
    duration_s: float
    timed_out: bool = False
    ran_out_of_memory: bool = False
    output_truncated: bool = False
    reason: str = ""  # why it ended, where the sandbox knows more than the numbers say


class Ending(NamedTuple):
    """How a tool host ended."""

    exit_code: int
    ran_out_of_memory: bool
    reason: str = ""
    was_killed: bool = False  # by somebody else: neither by us, nor for its use of memory


class Sandbox(Protocol):
    """One tool host on one tree. Closing it ends everything that it started."""

    tree: Path

    def call(self, tool: str, arguments: Mapping[str, object]) -> str:
        """Run a file tool (`read_file`, `write_file`, `edit_file`, `list_files`, `search_files`).

        Raises:
            ToolError: the tool refused; SandboxEndedError: the tool host is gone.
        """
        ...

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        env: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> Finished:
        """Run argv with cwd = the tree, no shell, in its own process group; append its output to `log`."""
        ...

    def kill(self) -> None:
        """End the tool host and all it started, now. Callable from another thread."""
        ...

    def ending(self) -> Ending | None:
        """How the tool host ended, or None while it runs."""
        ...

    def close(self) -> None:
        """Kill and remove whatever is left."""
        ...


class Launcher(Protocol):
    """Starts tool hosts under one kind of isolation."""

    @property
    def sees_mounts(self) -> bool:
        """Whether what this process mounts is there for what is started, too."""
        ...

    def open(self, tree: Path, *, labels: Mapping[str, str]) -> Sandbox:
        """Start a tool host on `tree`; `labels` (swarm.run, swarm.attempt …) mark what is started."""
        ...
