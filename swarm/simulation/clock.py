"""A clock for the Lua library that stands still until it is set."""

from swarm.engine.store import Store
from swarm.keys import Keys

BEGINNING_MS = 1_000_000_000
"""Virtual times begin here: to the scripts, 0 means not yet."""

_LUA = """\
local function read_clock_ms()
  return tonumber(redis.call('GET', '%s') or %d)
end
"""


class VirtualClock:
    """The time that decides in a simulation, kept beside the project's keys."""

    def __init__(self, store: Store, project: str) -> None:
        self._store = store
        self._key = Keys(project).prefix + "virtual_ms"
        self.now_ms = BEGINNING_MS

    @property
    def lua(self) -> str:
        """The text that stands in for the library's own clock."""
        return _LUA % (self._key, BEGINNING_MS)

    def set(self, now_ms: int) -> None:
        """Let it be this late."""
        if now_ms != self.now_ms:
            self.now_ms = now_ms
            self._store.call("SET", self._key, now_ms)
