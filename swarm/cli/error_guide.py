"""What each error code means, and the next step: the pages behind `swarm explain`, from the classes."""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches

import swarm.repo.git.command  # noqa: F401  # its GitError is part of the tree that is walked here
from swarm.errors import SwarmError, UsageError


@dataclass(frozen=True)
class ErrorEntry:
    """One error code."""

    code: str
    name: str
    exit_code: int
    retryable: bool
    meaning: str
    next_step: str


def explain_error(code: str) -> tuple[ErrorEntry, ...]:
    """The entry of one code, or all of them for an empty one, by code.

    Raises:
        UsageError: no error has this code.
    """
    wanted = code.upper()
    entries = sorted(map(_entry, _kinds(SwarmError)), key=lambda entry: entry.code)
    found = tuple(entry for entry in entries if entry.code == wanted or not wanted)
    if not found:
        known = [entry.code for entry in entries]
        near = [one for one in known if one.startswith(wanted)] or get_close_matches(wanted, known, n=3)
        meant = f"did you mean {', '.join(near[:3])}? " if near else ""
        raise UsageError(f"no error has the code {code!r}", hint=f"{meant}`swarm explain` lists every code")
    return found


def _kinds(kind: type[SwarmError]) -> Iterator[type[SwarmError]]:
    """Every class with a code of its own."""
    if "code" in vars(kind):
        yield kind
    for one in kind.__subclasses__():
        yield from _kinds(one)


def _entry(kind: type[SwarmError]) -> ErrorEntry:
    meaning = " ".join((kind.__doc__ or "").partition("\n\n")[0].split())
    return ErrorEntry(kind.code, kind.__name__, kind.exit_code, kind.retryable, meaning, kind.next_step)
