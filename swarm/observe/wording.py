"""How values are worded for people: states with a shape, durations, and text that others wrote.

Imported by `swarm status`, so it imports nothing heavy.
"""

import re
import time
import unicodedata
from collections.abc import Callable, Sequence
from typing import Literal

from swarm.states import FailureKind, RunState, TaskState

SHAPES: dict[str, str] = {
    TaskState.PENDING: "○",
    TaskState.QUEUED: "◎",
    TaskState.ACKED: "◔",
    TaskState.RUNNING: "◐",
    TaskState.MERGING: "◆",
    TaskState.DONE: "✔",
    TaskState.FAILED: "✘",
    TaskState.UPSTREAM_FAILED: "⊘",
    TaskState.CANCELLED: "⊖",
    TaskState.SKIPPED: "⤼",
}
"""A state is always its word; the shape beside it helps where colour cannot."""

COLOURS: dict[str, str] = {
    TaskState.PENDING: "bright_black",
    TaskState.QUEUED: "cyan",
    TaskState.ACKED: "blue",
    TaskState.RUNNING: "blue",
    TaskState.MERGING: "magenta",
    TaskState.DONE: "green",
    TaskState.FAILED: "red",
    TaskState.UPSTREAM_FAILED: "yellow",
    TaskState.CANCELLED: "yellow",
    TaskState.SKIPPED: "bright_black",
    RunState.LOADING: "cyan",
    RunState.ACTIVE: "blue",
}

WAITS_FOR_APPROVAL = "waits for approval"
"""Nothing was found wrong with it: `failed` is only where the engine keeps it."""

FAILURES: dict[str, str] = {
    FailureKind.TASK_ERROR: "its agent or command said no",
    FailureKind.GATE_FAILED: "a gate was red on the merged tree",
    FailureKind.CONFLICT: "it conflicts with what landed before it",
    FailureKind.OUT_OF_SCOPE: "it changed what it may not",
    FailureKind.TIMEOUT: "it ran out of time",
    FailureKind.OOM: "it ran out of memory",
    FailureKind.CRASH: "its worker vanished",
    FailureKind.INFRASTRUCTURE: "the machine could not do it (disk, Docker, git)",
    FailureKind.PROVIDER: "the model API failed",
    FailureKind.LIMIT: "a quota or spend limit was reached",
    FailureKind.POLICY: "it was refused by policy",
    FailureKind.APPROVAL: WAITS_FOR_APPROVAL,
    FailureKind.CANCELLED: "a person took it away",
}

_REPEATED: dict[str, str] = {FailureKind.CONFLICT: "conflicts with what has landed: "}
"""How the reason begins of a kind that is told before it, where that says the same."""

Judge = Literal["gate", "acceptance", "review"]

_JUDGED: tuple[tuple[str, Judge, str], ...] = (
    (r"acceptance \[", "acceptance", "its acceptance failed in its workspace"),
    (r"acceptance \d+: ", "acceptance", "its acceptance failed on the merged tree"),
    (r"review: ", "review", "its reviewer did not approve it"),
)
"""How the reason of a failure begins that counts as a gate's, and is none's; who it was; in words."""
_OF_THE_MERGE = "on the merged tree"

_LAST_CANDIDATE = "candidates passed; the last: "
_MOST_LINES, _WIDEST_LINE = 20, 200

LEFT_OUT = "left out as ignored: "
"""How the line of an attempt's log begins that names what was written inside the scope, and ignored."""

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor, erase
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC, DCS, SOS, PM, APC with their payload
    r"|\x1b[@-Z\\-_ -/]?[0-~]?"  # two-character escapes
)
# C0 without tab and newline, DEL, C1, what reorders or hides text, and what is no character.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028\u2029\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff\ufffe\uffff]"
)


def printable(text: str) -> str:
    """Text that others wrote, without what would steer a terminal or reorder the line."""
    if text.isascii() and text.isprintable():
        return text
    return _INVISIBLE.sub("", _ESCAPES.sub("", text))


def one_line(text: str, width: int = 0) -> str:
    """Printable text on one line, cut to `width` cells with an ellipsis when width is given."""
    line = " ".join(printable(text).split())
    if not width or cells(line) <= width:
        return line
    taken = 0
    for place, letter in enumerate(line):
        taken += cells(letter)
        if taken > width - 1:
            return line[:place].rstrip() + "…"
    return line


def cells(text: str) -> int:
    """How many columns of a terminal the text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def duration(seconds: float) -> str:
    """`0.4s`, `12s`, `2m13s`, `1h02m`, `3d04h`."""
    if seconds < 0:
        return "0s"
    if seconds < 9.95:  # noqa: PLR2004  # below ten seconds a tenth matters
        return f"{seconds:.1f}s"
    whole = round(seconds)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days}d{hour:02}h"
    if hours:
        return f"{hours}h{minute:02}m"
    return f"{minutes}m{second:02}s" if minutes else f"{second}s"


def time_of_day(at_ms: int) -> str:
    """Local time of day, `HH:MM:SS`."""
    return time.strftime("%H:%M:%S", time.localtime(at_ms / 1000))


def state_said(state: str, kind: str) -> str:
    """A task's state, in the word that a person is to read: what waits for approval has not failed."""
    return WAITS_FOR_APPROVAL if is_waiting(state, kind) else state


def is_waiting(state: str, kind: str) -> bool:
    """The attempt is kept, and waits for a person's word."""
    return state == TaskState.FAILED and kind == FailureKind.APPROVAL


def failure(kind: str, reason: str) -> str:
    """What went wrong with an attempt, in words, without its reason."""
    return _judgement(kind, reason)[1] or FAILURES.get(kind, kind)


def failure_with_reason(kind: str, reason: str, shown: Callable[[str], str] = str) -> str:
    """What went wrong with an attempt, in words, and why, each said once; `shown` spells the reason."""
    why = reason.removeprefix(_REPEATED.get(kind, ""))
    return ": ".join(filter(None, [failure(kind, reason), shown(why)]))


def judged_by(kind: str, reason: str) -> Judge | None:
    """Who found the attempt wrong; None where nobody has judged it."""
    return _judgement(kind, reason)[0]


def is_of_the_merge(kind: str, reason: str) -> bool:
    """A gate, or its acceptance, was red on the merged tree: the output is in the gate's log."""
    return kind == FailureKind.GATE_FAILED and failure(kind, reason).endswith(_OF_THE_MERGE)


def _judgement(kind: str, reason: str) -> tuple[Judge | None, str]:
    if kind != FailureKind.GATE_FAILED:
        return None, ""
    said = reason.rpartition(_LAST_CANDIDATE)[2]
    found = ((who, words) for begins, who, words in _JUDGED if re.match(begins, said))
    return next(found, ("gate", FAILURES[FailureKind.GATE_FAILED]))


def last_lines(text: str) -> tuple[str, ...]:
    """The last lines of what a command printed: printable, few, not long, none of them empty.

    Of a line that was drawn over again and again, such as a progress bar, only what stood there last.
    """
    drawn = (line.rstrip().rpartition("\r")[2][: 4 * _WIDEST_LINE] for line in text.split("\n"))
    lines = [line for line in drawn if line.strip()]
    last = (printable(line) for line in lines[-_MOST_LINES:])
    shown = tuple(line if len(line) <= _WIDEST_LINE else line[: _WIDEST_LINE - 1] + "…" for line in last)
    more = len(lines) - len(shown)
    return (f"… {plural(more, 'line')} before", *shown) if more else shown


def money(microusd: int) -> str:
    """Millionths of a US dollar as `$0.0123`; `$0` for nothing."""
    return f"${microusd / 1e6:.4f}" if microusd else "$0"


def price(microusd: int, *, is_priced: bool) -> str:
    """The money, or that nobody knows it."""
    return money(microusd) if is_priced else "price unknown"


def lock_name(node: str) -> str:
    """The path of a lock as the engine names it, without the slash that ends every node."""
    return printable(node).rstrip("/") or "the whole repository"


def first_few(names: Sequence[str], most: int = 5) -> str:
    """The first of many names on one line, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return one_line(", ".join(names[:most])) + more


def plural(count: int, noun: str, many: str = "") -> str:
    """`1 task`, `2 tasks`; `many` where an s is not enough."""
    return f"{count} {noun}" if count == 1 else f"{count} {many or noun + 's'}"
