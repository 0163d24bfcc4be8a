"""Requests to a scripted model."""

from swarm.models.client import ModelClient
from swarm.models.reply import Reply

MODEL = "claude-sonnet-5-5"
TOOL = {"name": "read_file", "description": "Read", "input_schema": {"type": "object", "properties": {}}}


def ask(client: ModelClient, *, timeout_s: float = 30, model: str = MODEL) -> Reply:
    """One plain question."""
    return client.create(
        model=model,
        system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        messages=[{"role": "user", "content": "hello"}],
        max_tokens=100,
        tools=[TOOL],
        timeout_s=timeout_s,
    )
