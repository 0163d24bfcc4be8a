"""The six tools an agent works with, and how a call of one becomes a call of the sandbox."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any  # arguments are whatever a model wrote; each is checked before use

from swarm.sandbox.protocol import Finished, Sandbox, ToolError

COMMAND_LIMIT_S = 600.0
MAX_RESULT_CHARS = 32_000

_PATH = {"type": "string", "description": "Path relative to the top of the repository."}

TOOLS: tuple[dict[str, Any], ...] = (
    {
        "name": "read_file",
        "description": "Return the text of a file (UTF-8, at most 256 KiB).",
        "input_schema": {"type": "object", "properties": {"path": _PATH}, "required": ["path"]},
    },
    {
        "name": "write_file",
        "description": "Create or replace a file; missing folders are made. Use edit_file for small changes.",
        "input_schema": {
            "type": "object",
            "properties": {"path": _PATH, "content": {"type": "string", "description": "The whole text."}},
            "required": ["path", "content"],
        },
    },
    {
        "name": "edit_file",
        "description": "Replace `old`, which must occur exactly once in the file, by `new`.",
        "input_schema": {
            "type": "object",
            "properties": {
                "path": _PATH,
                "old": {"type": "string", "description": "The exact text to replace, with its white space."},
                "new": {"type": "string", "description": "What stands there afterwards."},
            },
            "required": ["path", "old", "new"],
        },
    },
    {
        "name": "list_files",
        "description": "List the files below a folder, nearest first, at most 2,000.",
        "input_schema": {"type": "object", "properties": {"path": {**_PATH, "default": "."}}},
    },
    {
        "name": "search_files",
        "description": "Find lines that match a regular expression (Python syntax), as path:line: text.",
        "input_schema": {
            "type": "object",
            "properties": {
                "pattern": {"type": "string", "description": "The regular expression."},
                "path": {**_PATH, "default": "."},
            },
            "required": ["pattern"],
        },
    },
    {
        "name": "run_command",
        "description": (
            "Run a program in the top folder of the repository and return its exit code and output. "
            "There is no shell: argv is the program and its arguments. "
            "Whatever it leaves running is ended when it ends."
        ),
        "input_schema": {
            "type": "object",
            "properties": {"argv": {"type": "array", "items": {"type": "string"}, "minItems": 1}},
            "required": ["argv"],
        },
    },
)
"""As the Messages API takes them; constant, so that the prompt cache holds."""


@dataclass(frozen=True)
class ToolAnswer:
    """What a tool call gave: text for the model, and whether it is an error."""

    text: str
    is_error: bool = False


def call_tool(
    sandbox: Sandbox, name: str, arguments: object, *, limit_s: float, log: Path | None = None
) -> ToolAnswer:
    """Do one tool call; what the tool refuses comes back as an error for the model.

    Args:
        sandbox: where to do it.
        name: one of `TOOLS`.
        arguments: what the model gave.
        limit_s: what is left of the attempt; a command gets at most this and at most ten minutes.
        log: where a command's output is appended.

    Raises:
        SandboxEndedError: the sandbox is gone.
    """
    if not isinstance(arguments, Mapping):
        return ToolAnswer(f"{name}: the input must be an object, got {arguments!r}"[:500], is_error=True)
    try:
        if name == "run_command":
            return _run(sandbox, arguments, limit_s=min(limit_s, COMMAND_LIMIT_S), log=log)
        return ToolAnswer(_shortened(sandbox.call(name, arguments)))
    except ToolError as error:
        return ToolAnswer(str(error), is_error=True)


def _run(sandbox: Sandbox, arguments: Mapping[str, Any], *, limit_s: float, log: Path | None) -> ToolAnswer:
    argv = arguments.get("argv")
    if not isinstance(argv, list) or not argv or not all(isinstance(word, str) for word in argv):
        raise ToolError(f"run_command: argv must be a list of words, got {argv!r}"[:500])
    limit_s = max(1.0, limit_s)
    finished = sandbox.run(argv, timeout_s=limit_s, log=log)
    return ToolAnswer(
        f"{_verdict(finished, limit_s=limit_s)}\n{_shortened(finished.output)}", finished.exit_code != 0
    )


def _verdict(finished: Finished, *, limit_s: float) -> str:
    if finished.timed_out:
        return f"[ended at its limit of {limit_s:.0f} s]"
    if finished.ran_out_of_memory:
        return f"[ended: {finished.reason or 'out of memory'}]"
    return f"[exit code {finished.exit_code}]"


def _shortened(text: str) -> str:
    """The beginning and the end of what is too long for a model's context."""
    if len(text) <= MAX_RESULT_CHARS:
        return text
    half = MAX_RESULT_CHARS // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half} characters left out …]\n{text[-half:]}"
