"""Engines whose time is moved by a `SkewedClock`."""

from collections.abc import Mapping

from swarm.engine.engine import Engine
from swarm.engine.store import Store
from swarm.testing.clock import skewed_lua_clock

PROJECT = "test"
"""The project of engines made here."""


def make_engine(
    store: Store, *, project: str = PROJECT, lease_ms: int = 30_000, lua: Mapping[str, str] | None = None
) -> Engine:
    """An engine on a project whose deadlines a `SkewedClock` decides; `lua` replaces scripts by name."""
    return Engine(store, project, lease_ms=lease_ms, lua={"_clock": skewed_lua_clock(project), **(lua or {})})
