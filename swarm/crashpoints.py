"""Named places where a test may kill, stop or break this process.

`arm("merge.after_tx:2:kill")` makes the second pass through `crashpoint("merge.after_tx")` end the
process with SIGKILL; `stop` sends SIGSTOP, `raise` raises `CrashPointError`. Unarmed, a point costs
one dictionary look-up. Every side effect that recovery depends on has a point beside it.
"""

import os
import signal
from dataclasses import dataclass

from swarm.errors import ConfigError, SwarmError

ACTIONS = ("kill", "stop", "raise")

POINTS: dict[str, str] = {}
"""Name -> what has just happened there; `register` fills it, tests walk it."""


class CrashPointError(SwarmError):
    """Raised on purpose at an armed point."""


@dataclass
class _Armed:
    name: str
    passes_left: int
    action: str


_armed: list[_Armed] = []


def register(name: str, just_happened: str) -> str:
    """Declare a point at import time, so that tests can walk all of them."""
    POINTS[name] = just_happened
    return name


def arm(spec: str) -> None:
    """Arm the points of a comma-separated `name:n:action` list; an empty spec arms none.

    Raises:
        ConfigError: the spec is malformed.
    """
    for part in filter(None, spec.split(",")):
        try:
            name, passes, action = part.rsplit(":", 2)
            armed = _Armed(name, int(passes), action)
        except ValueError:
            raise ConfigError(f"crash point {part!r} is not of the form name:n:action") from None
        if action not in ACTIONS or armed.passes_left < 1:
            raise ConfigError(f"crash point {part!r}: n must be at least 1 and the action one of {ACTIONS}")
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


def _act(armed: _Armed) -> None:
    if armed.action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if armed.action == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
        return
    raise CrashPointError(f"crash point {armed.name!r} was armed to raise")
