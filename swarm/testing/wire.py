"""The Messages API on the wire: a message as JSON, the same as server-sent events, and token counts."""

import json
from typing import Any

from swarm.testing.script import Json, ScriptedReply

_CHARACTERS_A_TOKEN = 4
_PIECE = 40


def tokens_in(value: object) -> int:
    """About how many tokens this JSON is: four characters each."""
    return max(len(json.dumps(value, ensure_ascii=False)) // _CHARACTERS_A_TOKEN, 1)


def message_body(reply: ScriptedReply, request: Json, number: int, *, is_cached: bool) -> Json:
    """The message as the API would send it, with usage that adds up; tool calls get ids of their own."""
    stable = tokens_in([request.get("system"), request.get("tools")])
    has_cache = "cache_control" in json.dumps([request.get("system"), request.get("tools")])
    content = [
        {**block, "id": f"{block['id']}_{number:06d}_{index}"} if block["type"] == "tool_use" else dict(block)
        for index, block in enumerate(reply.content)
    ]
    return {
        "id": f"msg_{number:06d}",
        "type": "message",
        "role": "assistant",
        "model": request.get("model", "scripted"),
        "content": content,
        "stop_reason": reply.stop_reason,
        "stop_sequence": None,
        "stop_details": reply.stop_details,
        "usage": {
            "input_tokens": tokens_in(request.get("messages")) + (0 if has_cache else stable),
            "cache_creation_input_tokens": stable if has_cache and not is_cached else 0,
            "cache_read_input_tokens": stable if has_cache and is_cached else 0,
            "output_tokens": tokens_in(content),
            "service_tier": "standard",
        },
    }


def stream_body(message: Json) -> bytes:
    """The message as the events of a stream."""
    start = {**message, "content": [], "stop_reason": None, "usage": {**message["usage"], "output_tokens": 1}}
    events: list[Json] = [{"type": "message_start", "message": start}]
    for index, block in enumerate(message["content"]):
        events += _block_events(index, block)
    events.append(
        {
            "type": "message_delta",
            "delta": {"stop_reason": message["stop_reason"], "stop_sequence": None},
            "usage": {"output_tokens": message["usage"]["output_tokens"]},
        }
    )
    events.append({"type": "message_stop"})
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)


def _block_events(index: int, block: Json) -> list[Json]:
    if block["type"] == "text":
        empty, kind, name, whole = {**block, "text": ""}, "text_delta", "text", block["text"]
    else:
        empty, kind, name = {**block, "input": {}}, "input_json_delta", "partial_json"
        whole = json.dumps(block["input"])
    pieces = [whole[at : at + _PIECE] for at in range(0, len(whole), _PIECE)]
    deltas: list[dict[str, Any]] = [
        {"type": "content_block_delta", "index": index, "delta": {"type": kind, name: piece}}
        for piece in pieces
    ]
    return [
        {"type": "content_block_start", "index": index, "content_block": empty},
        *deltas,
        {"type": "content_block_stop", "index": index},
    ]
