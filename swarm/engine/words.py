"""Replies as words: bytes to text, the first step of all decoding."""

from swarm.engine.store import Reply


def text_of(reply: Reply) -> str:
    """A reply as text; nil is empty."""
    return reply.decode("utf-8", "surrogateescape") if isinstance(reply, bytes) else str(reply or "")


def words_of(reply: Reply) -> list[str]:
    """A list of replies as text."""
    return [text_of(item) for item in reply] if isinstance(reply, list) else []


def hash_of(reply: Reply) -> dict[str, str]:
    """What HGETALL answered, as a dictionary."""
    words = words_of(reply)
    return dict(zip(words[::2], words[1::2], strict=True))
