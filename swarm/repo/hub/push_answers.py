"""What a git server means by its answer to a push: it lets nobody in, it declines, or a race was lost."""

import re
from collections.abc import Iterator

from swarm.repo.git.command import Answer

MOST_LINES = 3
"""Of what git says, in an error: a server may greet with pages."""

_REFUSALS = (
    "permission denied",
    "authentication failed",
    "could not read username",
    "could not read password",
    "host key verification failed",
    "access denied",
    "returned error: 401",
    "returned error: 403",
    "permission to",  # `… denied to`: GitHub
    "marked as read only",
    "write access to repository not granted",
    "not allowed to push",
    "insufficient permission",
)
_RACES = (
    "failed to lock",
    "cannot lock ref",
    "failed to update ref",
    "reference already exists",
    "incorrect old value",
    "reference does not exist",
    "refname conflict",
    "atomic transaction failed",
    "shallow update",
)
"""Reasons of a server that has compared refs, or lacks history: others say that it does not want to."""
_CUT_SHORT = "eof before pack header"
"""Our own git sent nothing: it has not what it was to push."""
_UNPACKER = "unpacker error"
_FAULTS = (
    "internal server error",
    "transaction failed to start",
    "unable to migrate objects",
    "missing necessary objects",
    _UNPACKER,
)
"""Reasons of a server that something is wrong with, such as a full disk."""
_NOT_ITS_FAULT = ("exceeds maximum", "fsck error", _CUT_SHORT)
"""Why a server in order does not unpack what it got."""
_FOLLOWS = ("atomic push failure", "transaction aborted")
"""Of refs that would have been taken, had another been: git's words, and JGit's."""
_REASON = re.compile(r"\[remote rejected\] \((.*)\)$")
_LOCKED = re.compile(r"unable to create '[^']*\.lock'", re.IGNORECASE)
"""A ref is locked there, perhaps by a git that was killed: nothing was compared."""


def is_refusal(said: str) -> bool:
    """A server said that it does not let us in."""
    return any(words in said.lower() for words in _REFUSALS)


def is_locked(answer: Answer) -> bool:
    """Another git, running or killed, has a ref's lock on the server."""
    return _LOCKED.search(answer.stderr.decode("utf-8", "replace")) is not None


def is_broken(answer: Answer) -> bool:
    """Something is wrong there, which says nothing of what was pushed."""
    said = answer.stderr.decode("utf-8", "replace").lower()
    reasons = [reason.lower() for reason in _reasons(answer)]
    if any(words in said for words in _NOT_ITS_FAULT):
        reasons = [reason for reason in reasons if not reason.startswith(_UNPACKER)]
    return any(reason.startswith(_FAULTS) for reason in reasons)


def why_declined(answer: Answer) -> str:
    """The server's reasons to take nothing, and its own words; empty: it would have, and lost a race."""
    reasons = _reasons(answer)
    said = answer.stderr.decode("utf-8", "replace")
    is_unwanted = any(not reason.lower().startswith(_RACES) for reason in reasons) and _CUT_SHORT not in said
    if not is_unwanted and not is_refusal(said):
        return ""
    return ": ".join(filter(None, ("; ".join(reasons), "; ".join(list(_words(said))[:MOST_LINES]))))


def _reasons(answer: Answer) -> list[str]:
    """Why refs were rejected, each reason once."""
    lines = answer.stdout.decode("utf-8", "replace").splitlines()
    found = [match[1] for line in lines if (match := _REASON.search(line.rstrip()))]
    return list(dict.fromkeys(reason for reason in found if reason.lower() not in _FOLLOWS))


def _words(said: str) -> Iterator[str]:
    """What the server, or a hook of it, has said to people."""
    for line in said.splitlines():
        found = line.removeprefix("remote:").removeprefix("error: remote").strip()
        if found and found != line.strip():
            yield found
