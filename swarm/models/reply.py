"""A model's answer, taken apart from the JSON that the API sent."""

from dataclasses import dataclass
from typing import Any

from swarm.errors import ModelUnreachableError
from swarm.models.prices import price_of
from swarm.models.usage import Usage

# Any: blocks and messages are JSON as the API defines it.
Json = dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """What a model answered: content blocks as JSON, why it stopped, and what that cost."""

    content: list[Json]
    stop_reason: str
    usage: Usage
    explanation: str = ""  # of a refusal, when the API gives one

    @property
    def text(self) -> str:
        """The text blocks, joined."""
        return "".join(block["text"] for block in self.content if block["type"] == "text")


def reply_of(body: object, model: str) -> Reply:
    """The reply in a message's JSON.

    Raises:
        ModelUnreachableError: it has another shape than the API's, which counts as a fault of the API.
    """
    message: Json = body if isinstance(body, dict) else {}
    content, reason = message.get("content"), message.get("stop_reason")
    if not (isinstance(content, list) and all(map(_is_block, content)) and isinstance(reason, str)):
        raise ModelUnreachableError(f"the answer of {model!r} is not a message: {str(body)[:200]!r}")
    usage, details = message.get("usage"), message.get("stop_details")
    tokens: Json = usage if isinstance(usage, dict) else {}
    fresh, written = _count(tokens, "input_tokens"), _count(tokens, "cache_creation_input_tokens")
    read, output = _count(tokens, "cache_read_input_tokens"), _count(tokens, "output_tokens")
    microusd = price_of(
        model, input_tokens=fresh, output_tokens=output, cache_read_tokens=read, cache_write_tokens=written
    )
    return Reply(
        content=content,
        stop_reason=reason,
        usage=Usage(fresh + written, output, read, microusd or 0),
        explanation=str(details.get("explanation") or "") if isinstance(details, dict) else "",
    )


def _count(tokens: Json, name: str) -> int:
    value = tokens.get(name)
    return max(value, 0) if isinstance(value, int) else 0


def _is_block(block: object) -> bool:
    if not isinstance(block, dict) or not isinstance(block.get("type"), str):
        return False
    if block["type"] == "text":
        return isinstance(block.get("text"), str)
    if block["type"] == "tool_use":
        return (
            isinstance(block.get("id"), str)
            and isinstance(block.get("name"), str)
            and isinstance(block.get("input"), dict)
        )
    return True
