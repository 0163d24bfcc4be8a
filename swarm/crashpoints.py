"""Named places where a test may kill, stop or break this process.

`arm("merge.after_tx:2:kill")` makes the second pass through `crashpoint("merge.after_tx")` end the
process with SIGKILL; `stop` sends SIGSTOP, `raise` raises `CrashPointError`. Unarmed, a point costs
a look at an empty list. Every side effect that recovery depends on has a point beside it.
"""

import difflib
import os
import signal
from dataclasses import dataclass

import structlog

from swarm.errors import ConfigError, SwarmError

ACTIONS = ("kill", "stop", "raise")
REACHED = "crash point reached"
"""The log line that a point writes before it acts, so that a test can see that it did."""

POINTS = {
    "worker.after_claim": "a task is claimed; its locks and lease are held",
    "worker.after_start": "the workspace is there and the task is running",
    "worker.after_agent": "the agent has ended; its work is only in the workspace",
    "attempt.after_commit": "the attempt's commit and ref are in the hub",
    "worker.after_attempt": "the attempt is durable in the hub",
    "worker.before_hand_in": "the attempt passed; the engine does not know it yet",
    "worker.after_hand_in": "the engine has the attempt; the worker has not tidied up",
    "merge.after_begin": "F1: the merge slot and its token are ours",
    "merge.after_fence": "F2: the fence ref holds our token",
    "merge.after_commit": "F3: the merged commit exists; no ref points to it",
    "merge.after_gate": "F4: the gates passed on the merged tree",
    "merge.before_tx": "F5: the slot was renewed; nothing has landed yet",
    "merge.after_tx": "F6: it has landed in git; Redis does not know",
    "merge.after_complete": "F7: Redis knows; the attempt's refs are still there",
    "merge.after_sweep": "F8: the attempts' refs are gone; nothing is left to do",
    "archive.after_events": "events are in their files; the place in the stream is not noted",
    "archive.after_run": "a run is archived; it is still in Redis",
}
"""Name -> what has just happened there. Tests walk all of them, and hold the sources to this table."""


class CrashPointError(SwarmError):
    """Raised on purpose at an armed point."""


@dataclass
class _Armed:
    name: str
    passes_left: int
    action: str


_armed: list[_Armed] = []


def arm(spec: str) -> None:
    """Arm the points of a comma-separated `name:n:action` list; an empty spec arms none.

    Raises:
        ConfigError: the spec is malformed, or names a point that does not exist.
    """
    for part in filter(None, spec.split(",")):
        try:
            name, passes, action = part.rsplit(":", 2)
            armed = _Armed(name, int(passes), action)
        except ValueError:
            raise ConfigError(f"crash point {part!r} is not of the form name:n:action") from None
        if action not in ACTIONS or armed.passes_left < 1:
            raise ConfigError(f"crash point {part!r}: n must be at least 1 and the action one of {ACTIONS}")
        if name not in POINTS:
            raise ConfigError(f"crash point {part!r}: there is no point {name!r}", hint=_nearest(name))
        _armed.append(armed)


def disarm() -> None:
    """Forget every armed point."""
    _armed.clear()


def crashpoint(name: str) -> None:
    """Do what was armed for this point, if anything was."""
    for armed in _armed:
        if armed.name != name:
            continue
        armed.passes_left -= 1
        if armed.passes_left == 0:
            _act(armed)


def _nearest(name: str) -> str:
    near = difflib.get_close_matches(name, POINTS, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(POINTS)}"


def _act(armed: _Armed) -> None:
    structlog.get_logger().warning(REACHED, point=armed.name, action=armed.action)
    if armed.action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if armed.action == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
        return
    raise CrashPointError(f"crash point {armed.name!r} was armed to raise")
