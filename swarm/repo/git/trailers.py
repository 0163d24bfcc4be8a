"""The last lines of a commit message: the record of what landed, or was squashed, which outlives Redis."""

import re
from dataclasses import dataclass

from swarm.plan.model import TaskSpec

SUBJECT_LENGTH = 72
_BODY_LENGTH = 4000

_BLANK = re.compile(r"\n{3,}")
_TASK = re.compile(r"Swarm-Task: (?P<run>[^/]+)/(?P<task>.+)/(?P<attempt>\d+)")
_TIP = re.compile(r"Swarm-Tip: (?P<commit>[0-9a-f]{40,64})")
_TRAILER = re.compile(r"[A-Za-z-]+: .*")
_FENCE = re.compile(r"Swarm-Fence: (?P<token>\d+)")


@dataclass(frozen=True)
class Landed:
    """One landing, as the integration branch records it."""

    commit: str
    run: str
    task: str
    attempt: int
    merge_token: int


def landing_message(run: str, task: TaskSpec, attempt: int, merge_token: int, approver: str = "") -> str:
    """The message of a landing: what the task was, then the trailers; a third one names who approved it.

    Only the last paragraph is ever read back, so nothing in a description can pass for a trailer.
    """
    subject, body = _parted(task.description)
    subject = subject or task.id
    trailers = f"Swarm-Task: {run}/{task.id}/{attempt}\nSwarm-Fence: {merge_token}"
    if approver:
        trailers += f"\nSwarm-Approved-By: {_printable(approver).strip()}"
    return "\n\n".join(filter(None, [subject, body, trailers])) + "\n"


def squash_message(message: str, tip: str) -> str:
    """The message of one commit that is all that had landed at `tip`, which its last line names."""
    message = message.rstrip()
    *_, last = message.split("\n\n")
    has_trailers = last != message and all(map(_TRAILER.fullmatch, last.splitlines()))
    return f"{message}\n{'' if has_trailers else chr(10)}Swarm-Tip: {tip}\n"


def parse_squashed(message: str) -> str:
    """Up to which commit a squashed one has what landed; empty when its message says no such thing."""
    last = message.rstrip().rpartition("\n\n")[2].splitlines()
    found = next(filter(None, map(_TIP.fullmatch, last)), None)
    return found["commit"] if found else ""


def _parted(description: str) -> tuple[str, str]:
    """The subject, which is the first line, and what follows it; of a line too long both have a part."""
    lines = [_printable(line.expandtabs()) for line in description.splitlines()]
    subject, *rest = "\n".join(lines).strip().split("\n")
    if len(subject) > SUBJECT_LENGTH:
        whole, subject = subject, subject[: SUBJECT_LENGTH - 1]
        if " " in subject.strip() and whole[len(subject)] != " ":
            subject = subject.rpartition(" ")[0]
        rest = [f"…{whole[len(subject) :]}", *rest]
        subject = f"{subject.rstrip()}…"
    body = _BLANK.sub("\n\n", "\n".join(rest)).strip("\n")
    return subject, body[:_BODY_LENGTH].rstrip()


def parse_landed(record: str) -> Landed | None:
    """Read a commit id, a newline and its message, or None when the message is not a landing's."""
    commit, _, message = record.partition("\n")
    last = message.rstrip().rpartition("\n\n")[2].splitlines()
    task = next(filter(None, map(_TASK.fullmatch, last)), None)
    fence = next(filter(None, map(_FENCE.fullmatch, last)), None)
    if task is None:
        return None
    token = int(fence["token"]) if fence else 0
    return Landed(commit, task["run"], task["task"], int(task["attempt"]), token)


def _printable(line: str) -> str:
    """One line without control and direction characters, which could redraw a terminal."""
    return "".join(character if character.isprintable() else " " for character in line).rstrip()
