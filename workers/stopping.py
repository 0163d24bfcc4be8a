"""Being told to stop: once drains, twice (or a parent that is gone) stops now.

Signals are only counted in their handler; a thread of its own acts on them, because what it does
takes locks that the interrupted code may hold.
"""

import os
import queue
import signal
import threading
from collections.abc import Callable
from types import FrameType

import structlog

EXIT_GRACE_S = 5.0
FORCED_EXIT_CODE = 143


class Stopping:
    """Whether, and how urgently, this worker was told to stop.

    Args:
        drain_s: how long the task at work may take after the first request.
        on_stop: called once, from another thread, when the worker must stop now; ends the agent.
        on_stuck: called when the worker has not ended `grace_s` after that; the process exits then.
        grace_s: see `on_stuck`.
    """

    def __init__(
        self,
        *,
        drain_s: float,
        on_stop: Callable[[], None],
        on_stuck: Callable[[], None],
        grace_s: float = EXIT_GRACE_S,
    ) -> None:
        self.is_draining = threading.Event()
        self.is_stopping = threading.Event()
        self._has_ended = threading.Event()
        self._drain_s = drain_s
        self._on_stop = on_stop
        self._on_stuck = on_stuck
        self._grace_s = grace_s
        # SimpleQueue.put may be called from a signal handler; an Event's lock could be held already.
        self._requests: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._log = structlog.get_logger()
        threading.Thread(target=self._act, name="stopping", daemon=True).start()

    def listen_to_signals(self) -> None:
        """Make SIGTERM and SIGINT requests to stop."""

        def count(number: int, _frame: FrameType | None) -> None:
            self._requests.put(signal.Signals(number).name)

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, count)

    def ask(self) -> None:
        """Ask once, as a signal does."""
        self._requests.put("asked")

    def stop_now(self) -> None:
        """Do not wait for the task at work; the parent is gone."""
        self._requests.put("")

    def ended(self) -> None:
        """The worker's loop is over; nothing needs to be forced."""
        self._has_ended.set()

    def _act(self) -> None:
        reason = self._requests.get()
        self.is_draining.set()
        if reason:
            self._log.info("draining", reason=reason, drain_s=self._drain_s)
            try:
                self._requests.get(timeout=self._drain_s)
            except queue.Empty:
                self._log.warning("drain time is over")
        if self._has_ended.is_set():
            return
        self.is_stopping.set()
        self._log.info("stopping now")
        self._on_stop()
        if not self._has_ended.wait(self._grace_s):
            self._log.warning("the task at work does not end; exiting without it")
            self._on_stuck()
            os._exit(FORCED_EXIT_CODE)
