"""Engines whose time is moved by a `SkewedClock`."""

from collections.abc import Mapping

from swarm.engine.engine import Engine
from swarm.engine.scripts import read_script
from swarm.engine.store import Store
from swarm.testing.clock import skewed_lua_clock

PROJECT = "test"
"""The project of engines made here."""

_SHORT_WAY = "function short.finish(member, token, spent)\n"
WITHOUT_SHORT_WAY = {
    "_short": read_script("_short").replace(_SHORT_WAY, f"{_SHORT_WAY}  if true then return nil end\n")
}
"""For `lua`: every attempt ends the general way."""
assert WITHOUT_SHORT_WAY["_short"] != read_script("_short")


def make_engine(
    store: Store, *, project: str = PROJECT, lease_ms: int = 30_000, lua: Mapping[str, str] | None = None
) -> Engine:
    """An engine on a project whose deadlines a `SkewedClock` decides; `lua` replaces scripts by name."""
    return Engine(store, project, lease_ms=lease_ms, lua={"_clock": skewed_lua_clock(project), **(lua or {})})
