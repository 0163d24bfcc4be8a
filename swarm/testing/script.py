"""What a scripted model says: replies, rules that choose one, and the files that hold them."""

import base64
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

# Any: requests and content blocks are JSON as the Messages API defines it.
Json = dict[str, Any]


@dataclass(frozen=True)
class ModelRequest:
    """One request as it arrived."""

    path: str
    headers: Mapping[str, str]
    body: Json

    @property
    def key(self) -> str:
        """The credential, from whichever header carries it."""
        return self.headers.get("x-api-key") or self.headers.get("authorization", "").removeprefix("Bearer ")

    @cached_property
    def prompt(self) -> str:
        """All text of the system prompt and the first message."""
        return "\n".join([*_texts(self.body.get("system")), *_texts(self.body.get("messages", [])[:1])])

    @property
    def turn(self) -> int:
        """How often the model has spoken before in this conversation."""
        return sum(message.get("role") == "assistant" for message in self.body.get("messages", []))


@dataclass(frozen=True)
class ScriptedReply:
    """One answer: a message, or with another status an error, after `delay_s` of thinking."""

    content: Sequence[Json] = ()
    stop_reason: str = "end_turn"
    delay_s: float = 0.0
    stop_details: Json | None = None
    status: int = 200
    error_type: str = ""
    error_message: str = ""
    error_details: Json | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    raw_body: bytes | None = None  # sent as it is, in place of a message
    cut_after_bytes: int | None = None  # the connection ends inside the body


@dataclass(frozen=True)
class Rule:
    """A reply for the requests whose prompt holds all of `contains`, in turn `turn` (None: any)."""

    reply: ScriptedReply
    contains: tuple[str, ...] = ()
    turn: int | None = None

    def matches(self, request: ModelRequest) -> bool:
        """This rule answers the request."""
        return self.turn in {None, request.turn} and all(text in request.prompt for text in self.contains)


def saying(text: str, *, stop_reason: str = "end_turn", delay_s: float = 0.0) -> ScriptedReply:
    """A message of one text block."""
    return ScriptedReply([{"type": "text", "text": text}], stop_reason, delay_s)


def using(name: str, arguments: Json, *, say: str = "", delay_s: float = 0.0) -> ScriptedReply:
    """A message that calls one tool, after an optional sentence."""
    text: list[Json] = [{"type": "text", "text": say}] if say else []
    call: Json = {"type": "tool_use", "id": f"toolu_{name}", "name": name, "input": arguments}
    return ScriptedReply([*text, call], "tool_use", delay_s)


def failing(status: int, error_type: str, message: str, *, code: str = "", **headers: str) -> ScriptedReply:
    """An error answer; `code` is its `error_code`, and header names are written with `_` for `-`."""
    return ScriptedReply(
        status=status,
        error_type=error_type,
        error_message=message,
        error_details={"error_code": code} if code else None,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


def refusing(explanation: str = "") -> ScriptedReply:
    """A message with stop reason `refusal`."""
    details = {"type": "refusal", "category": None, "explanation": explanation or None}
    return ScriptedReply(stop_reason="refusal", stop_details=details)


def in_order(replies: Sequence[ScriptedReply]) -> Callable[[ModelRequest], ScriptedReply]:
    """A script that gives each reply once, then says that it has ended."""
    left = iter(replies)
    lock = threading.Lock()

    def _next(_: ModelRequest) -> ScriptedReply:
        with lock:
            return next(left, failing(400, "invalid_request_error", "the script has ended"))

    return _next


def first_match(rules: Sequence[Rule]) -> Callable[[ModelRequest], ScriptedReply]:
    """A script without memory: the first rule that matches answers."""

    def _match(request: ModelRequest) -> ScriptedReply:
        for rule in rules:
            if rule.matches(request):
                return rule.reply
        return failing(400, "invalid_request_error", f"no rule of the script answers turn {request.turn}")

    return _match


def read_script(path: Path) -> list[Rule]:
    """Read rules from JSON: `[{"contains": [...], "turn": 0, "reply": {...}}]`.

    A reply has the fields of `ScriptedReply`; `raw_body` is base64, and `text` is short for one
    text block.
    """
    return [_rule(row) for row in json.loads(path.read_text(encoding="utf-8"))]


def _rule(row: Json) -> Rule:
    fields = dict(row["reply"])
    if "text" in fields:
        fields["content"] = [{"type": "text", "text": fields.pop("text")}]
    if "raw_body" in fields:
        fields["raw_body"] = base64.b64decode(fields["raw_body"])
    return Rule(ScriptedReply(**fields), tuple(row.get("contains", ())), row.get("turn"))


def _texts(value: object) -> list[str]:
    """Every text in a system prompt or in messages, in order."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [text for inner in value for text in _texts(inner)]
    if isinstance(value, dict):
        return [text for name in ("text", "content") for text in _texts(value.get(name))]
    return []
