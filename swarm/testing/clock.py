"""Time that moves by hand: a library whose clock adds a skew, and the handle that sets it."""

from swarm.engine.store import Store
from swarm.keys import Keys

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
