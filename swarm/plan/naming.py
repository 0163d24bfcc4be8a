"""What may be the id, the type or a tag of a task."""

import re

from swarm.errors import UsageError

NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
NAME_IN_WORDS = "up to 100 of A-Z a-z 0-9 . _ -, the first a letter or a digit"
_NAME = re.compile(NAME_PATTERN)


def is_name(text: str) -> bool:
    """Whether a task can have it as its id, type or tag."""
    return _NAME.fullmatch(text) is not None


def check_name(name: str, what: str = "type", *, hint: str, option: str = "") -> None:
    """Refuse what no task can have as its type, or tag.

    Raises:
        UsageError: says which option it was given to.
    """
    if not is_name(name):
        raise UsageError(f"{option}no task can have the {what} {name!r}", hint=hint)
