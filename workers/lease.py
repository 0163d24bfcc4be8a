"""Keeping a claim: renewing its lease, and fencing ourselves off before it can end.

Two threads, so that a renewal that hangs cannot delay the fence. Time is this process's monotonic
clock, measured from the *send* of the last renewal that was answered: Redis counted from later.
"""

import random
import threading
from collections.abc import Callable
from typing import Self

import structlog

from swarm.clock import Clock, SystemClock
from swarm.engine.claims import Claim
from swarm.engine.engine import Engine
from swarm.errors import RunCancelledError, StaleTokenError, StorePutDownError, SwarmError
from swarm.models.usage import Usage

FENCE_MARGIN_S = 8.0
FENCE_SHARE = 0.27
"""The margin is at most this share of the lease, for leases shorter than 30 s."""
RENEW_SHARE = 1 / 3
JITTER = 0.2
RETRY_AFTER_S = 1.0
NOT_RENEWED = "the lease could not be renewed in time"


class LeaseLostError(Exception):
    """The claim is no longer ours to act on; the message says why."""


class Lease:
    """A claim that is renewed for as long as the `with` block runs.

    `on_lost` is called once, from one of the lease's threads, when the claim is lost, cancelled, or
    could not be renewed in time; it must end the agent. Afterwards `check` raises.

    Args:
        engine: cloned for the renewing thread.
        claim: what to keep.
        sent_at_s: `clock.monotonic_s()` just before the claim was asked for.
        on_lost: ends whatever works on the task.
        beat: called after each renewal, with the engine of the renewing thread.
    """

    def __init__(
        self,
        engine: Engine,
        claim: Claim,
        *,
        sent_at_s: float,
        on_lost: Callable[[], None],
        clock: Clock | None = None,
        beat: Callable[[Engine], None] | None = None,
        random_between: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._engine = engine
        self._claim = claim
        self._on_lost = on_lost
        self._clock = clock or SystemClock()
        self._beat_with = beat
        self._random_between = random_between
        self._lease_s = claim.lease_ms / 1000
        self._good_at_s = sent_at_s
        self._usage = Usage()
        self._lost_because = ""
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._log = structlog.get_logger().bind(
            run=claim.run,
            task=claim.task.id,
            attempt=claim.attempt,
            worker=claim.worker_id,
            token=claim.token,
        )

    def __enter__(self) -> Self:
        for name, body in (("renew", self._renew_until_stopped), ("fence", self._fence_until_stopped)):
            thread = threading.Thread(target=body, name=f"lease-{name}", daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def lost_because(self) -> str:
        """Why the claim is lost; empty while it is held."""
        return self._lost_because

    @property
    def is_overdue(self) -> bool:
        """It ended here for want of an answer: the claim may still be ours, as far as Redis knows."""
        return self._lost_because == NOT_RENEWED or self.fence_in_s() <= 0

    @property
    def usage(self) -> Usage:
        """What the attempt has spent so far."""
        return self._usage

    def report_usage(self, usage: Usage) -> None:
        """Replace the attempt's cumulative usage; the next renewal carries it."""
        self._usage = usage

    def fence_in_s(self) -> float:
        """Seconds until this worker stops on its own."""
        margin_s = min(FENCE_MARGIN_S, self._lease_s * FENCE_SHARE)
        return self._good_at_s + self._lease_s - margin_s - self._clock.monotonic_s()

    def check(self) -> None:
        """Return while the claim is held.

        Raises:
            LeaseLostError: it is not, or may not be.
        """
        if not self._lost_because and self.fence_in_s() <= 0:
            self._lose(NOT_RENEWED)
        if self._lost_because:
            raise LeaseLostError(self._lost_because)

    def renew_now(self, engine: Engine) -> float:
        """Renew once; return the seconds until the next renewal is due."""
        sent_at_s = self._clock.monotonic_s()
        try:
            renewal = engine.renew(self._claim, self._usage)
        except RunCancelledError:
            self._lose("the task was cancelled")
            return 0.0
        except StaleTokenError:
            self._lose("somebody else may hold the task")
            return 0.0
        except StorePutDownError:
            self._lose("the server was stopped")
            return 0.0
        except SwarmError as error:
            self._log.warning("renewal failed", error=error.message)
            return RETRY_AFTER_S
        self._good_at_s = sent_at_s
        if renewal.is_cancelled:
            self._lose("the task was cancelled")
            return 0.0
        self._beat(engine)
        return self._lease_s * RENEW_SHARE * self._random_between(1 - JITTER, 1 + JITTER)

    def _beat(self, engine: Engine) -> None:
        if self._beat_with is None:
            return
        try:
            self._beat_with(engine)
        except SwarmError as error:
            # A heartbeat is for people to see: one that fails takes nothing from the renewal before it.
            self._log.warning("heartbeat failed", error=error.message)

    def stop(self) -> None:
        """End the threads; a second time is a no-op."""
        self._stopped.set()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(timeout=self._lease_s)
        self._threads = []

    def _renew_until_stopped(self) -> None:
        engine = self._engine.clone()
        # The claim itself was the first renewal.
        due_s = self._lease_s * RENEW_SHARE * self._random_between(1 - JITTER, 1 + JITTER)
        try:
            while not self._stopped.wait(due_s) and not self._lost_because:
                due_s = self.renew_now(engine)
        finally:
            engine.close()

    def _fence_until_stopped(self) -> None:
        while not self._stopped.wait(max(0.0, self.fence_in_s())) and not self._lost_because:
            if self.fence_in_s() <= 0:
                self._lose(NOT_RENEWED)

    def _lose(self, because: str) -> None:
        with self._lock:
            if self._lost_because or self._stopped.is_set():
                return
            self._lost_because = because
        self._log.warning("lease lost", reason=because)
        self._on_lost()
