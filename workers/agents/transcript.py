"""What an agent and its model said to each other, kept twice: JSON lines for replay, text for people."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any  # content blocks are JSON

_SHOWN_CHARS = 2000


class Transcript:
    """Appends each message to the transcript and a readable line of it to the log."""

    def __init__(self, transcript: Path, log: Path) -> None:
        self._transcript = transcript
        self._log = log
        for path in (transcript, log):
            path.parent.mkdir(parents=True, exist_ok=True)

    def add(self, message: Mapping[str, Any], **facts: object) -> None:
        """Record a message of the conversation; `facts` (stop_reason, tokens) go beside it."""
        self.keep(message, **facts)
        with self._log.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(f"{line}\n" for line in _readable(message))

    def keep(self, message: Mapping[str, Any], **facts: object) -> None:
        """Record a message for replay alone: it is too long to read, or is said elsewhere."""
        with self._transcript.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(json.dumps({**facts, **message}, ensure_ascii=False) + "\n")


def _readable(message: Mapping[str, Any]) -> list[str]:
    lines = []
    for block in message["content"]:
        kind = block.get("type")
        if kind == "text":
            lines.append(f"[{message['role']}] {block['text']}")
        elif kind == "tool_use":
            arguments = json.dumps(block["input"], ensure_ascii=False)
            lines.append(f"[tool] {block['name']} {arguments[:_SHOWN_CHARS]}")
        elif kind == "tool_result":
            outcome = "refused" if block.get("is_error") else "answered"
            lines.append(f"[{outcome}] {str(block['content'])[:_SHOWN_CHARS]}")
    return lines
