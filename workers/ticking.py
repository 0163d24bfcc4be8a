"""The reaper's ticks of a worker, idle or busy: what dead workers held comes back without a supervisor."""

import threading
from typing import Self

import structlog

from swarm.engine.engine import Engine
from swarm.errors import SwarmError

TICK_S = 2.0
"""Less than half of the gap after which the reaper takes the server to have been away."""
RECENT_MS = 1000
"""Where another process has ticked within this time, there is nothing to do."""


class Ticking:
    """Tick for as long as the `with` block runs.

    In a thread with an engine of its own: an attempt may last for an hour, and neither it nor the renewal of
    its lease waits for a tick, or is harmed by one that fails.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._tick_until_stopped, name="ticking", daemon=True)
        self._log = structlog.get_logger()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        # A server that hangs keeps no worker from ending.
        self._thread.join(timeout=TICK_S)

    def _tick_until_stopped(self) -> None:
        engine = self._engine.clone()
        try:
            while not self._stopped.is_set():
                self._tick(engine)
                self._stopped.wait(TICK_S)
        finally:
            engine.close()

    def _tick(self, engine: Engine) -> None:
        try:
            engine.reclaim_expired(unless_within_ms=RECENT_MS)
        except SwarmError as error:
            self._log.warning("tick failed", error=error.message)
