"""Whom a worker gets its tasks from: one at a time, and one taken ahead with the end of the last."""

from collections.abc import Iterable
from dataclasses import replace

import structlog

from swarm.clock import Clock
from swarm.engine.claims import Claim, Ending, WorkerProfile
from swarm.engine.engine import Engine
from swarm.errors import StaleTokenError, StoreUnreachableError, SwarmError
from swarm.models.usage import Usage

TOLD_TO_STOP = "the worker was told to stop"


class Claiming:
    """What one worker asks for. A question has the same id until there is an answer.

    So a claim whose reply was lost is given out again, and not a second one beside it.
    """

    def __init__(self, engine: Engine, profile: WorkerProfile, clock: Clock) -> None:
        self._engine = engine
        self._profile = profile
        self._clock = clock
        self._answers = 0
        self._is_asked = False  # and nobody knows what was answered
        self._ahead: tuple[Claim, float] | None = None
        self._log = structlog.get_logger().bind(worker=profile.worker_id)

    @property
    def is_ahead(self) -> bool:
        """A task has been taken and not begun."""
        return self._ahead is not None

    def pass_over(self, runs: Iterable[str]) -> None:
        """Claim nothing of these runs."""
        self._profile = replace(self._profile, besides=tuple(sorted(runs)))

    def next(self) -> tuple[Claim | None, float]:
        """The task that was taken ahead, else one claimed now, if there is one; and when it was asked for."""
        if self._ahead is not None:
            taken, self._ahead = self._ahead, None
            return taken
        sent_at_s = self._clock.monotonic_s()
        return self._ask(self._engine), sent_at_s

    def end_and_take(self, claim: Claim, outcome: Ending, *, usage: Usage, op: str) -> None:
        """End an attempt and take the next task in the same call."""
        sent_at_s = self._clock.monotonic_s()
        self._is_asked = True
        try:
            taken = self._engine.end_and_claim(claim, outcome, self._profile, self._id, usage=usage, op=op)
        except StaleTokenError:
            self._is_asked = False  # it was answered, and nothing was claimed
            raise
        if taken is not None:  # else the same is asked again: it may have been made, and its reply lost
            self._answered()
            self._ahead = (taken, sent_at_s)

    def give_up(self, engine: Engine) -> bool:
        """Give back what was taken and not begun; a claim of which no answer came is asked for once more.

        False: the engine cannot be asked now.
        """
        try:
            claim = self._ahead[0] if self._ahead else self._ask(engine) if self._is_asked else None
            self._ahead = None
        except SwarmError as error:
            self._log.warning("could not ask for what may have been claimed", error=error.message)
            return not isinstance(error, StoreUnreachableError)
        if claim is not None:
            self.give_back(engine, claim, Usage())
        return True

    def give_back(self, engine: Engine, claim: Claim, usage: Usage) -> None:
        """Release a task because the worker stops."""
        try:
            engine.release(claim, reason=TOLD_TO_STOP, usage=usage)
        except SwarmError as error:
            self._log.warning("could not give the task back", error=error.message)

    def _ask(self, engine: Engine) -> Claim | None:
        self._is_asked = True
        claim = engine.claim(self._profile, self._id)
        self._answered()
        return claim

    @property
    def _id(self) -> str:
        return f"{self._profile.worker_id}-{self._answers}"

    def _answered(self) -> None:
        self._answers += 1
        self._is_asked = False
