"""Time that moves by hand: libraries whose clock is skewed or stands still, and the handles that set it."""

import time
from typing import Protocol

from swarm.engine.store import Store
from swarm.keys import Keys


class MovableClock(Protocol):
    """The time that decides deadlines, in a test's hands."""

    def advance(self, *, ms: int) -> None:
        """Let this many milliseconds pass at once."""
        ...


SKEWED_LUA_CLOCK = """\
local function read_clock_ms()
  local time = redis.call('TIME')
  local skew = redis.call('GET', prefix_of_clock .. 'skew')
  return time[1] * 1000 + (time[2] - time[2] % 1000) / 1000 + tonumber(skew or 0)
end
"""
"""Replaces `_clock.lua` in tests: the server's time plus a skew kept beside the project's keys."""


def skewed_lua_clock(project: str) -> str:
    """The Lua clock of one project's tests."""
    return f"local prefix_of_clock = '{Keys(project).prefix}'\n{SKEWED_LUA_CLOCK}"


class SkewedClock:
    """Moves the time that decides deadlines; the engine must run with `skewed_lua_clock`."""

    def __init__(self, store: Store, project: str) -> None:
        self._store = store
        self._key = Keys(project).prefix + "skew"

    def advance(self, *, ms: int) -> None:
        """Let this many milliseconds pass at once."""
        self._store.call("INCRBY", self._key, ms)


def stopped_lua_clock(project: str) -> str:
    """A Lua clock that stands still until a `StoppedClock` moves it."""
    return (
        "local function read_clock_ms()\n"
        f"  return tonumber(redis.call('GET', '{Keys(project).prefix}now'))\n"
        "end\n"
    )


class StoppedClock:
    """The time of an engine that runs with `stopped_lua_clock`: every millisecond of it is known."""

    def __init__(self, store: Store, project: str, *, now_ms: int = 1_000_000_000_000) -> None:
        self._store = store
        self._key = Keys(project).prefix + "now"
        self.now_ms = now_ms
        self.advance(ms=0)

    def advance(self, *, ms: int) -> None:
        """Move by this many milliseconds, which may be fewer than none."""
        self.now_ms += ms
        self._store.call("SET", self._key, self.now_ms)


class HastyClock:
    """The operating system's clock for whoever does not want to wait: sleeping takes no time."""

    def monotonic_s(self) -> float:
        """Seconds since boot."""
        return time.monotonic()

    def sleep_s(self, seconds: float) -> None:
        """Return at once."""
