"""A hub that is away, takes nothing, or is another than a run's: what a worker waits for, and says of it."""

import contextlib
from collections.abc import Callable, Collection
from typing import TypeVar

from swarm.clock import Clock
from swarm.engine.engine import Engine
from swarm.errors import HubDeclinedError, HubUnreachableError, OtherHubError, UnknownRunError
from swarm.repo.hub.hub import Hub
from swarm.repo.hub.identity import refuse_other_hub

RETRY_S = 1.0
MAX_RETRY_S = 10.0
LOOK_S = 3.0
DECLINES = 6
"""Of one push, with the hub seen to take another in between each, before it counts as about this one."""

_T = TypeVar("_T")


class HubStanding:
    """What a worker knows of its hub: why it cannot use it, and which runs are in it, or in another."""

    def __init__(self, hub: Hub, clock: Clock) -> None:
        self._hub = hub
        self._clock = clock
        self._here: set[str] = set()
        self._elsewhere: dict[str, str] = {}  # run -> where that is
        self._away = ""
        self._look_at_s = float("-inf")

    @property
    def trouble(self) -> str:
        """Why it cannot do what there is to do; empty: it can, as far as it knows."""
        return self._away or next(iter(self._elsewhere.values()), "")

    @property
    def elsewhere(self) -> Collection[str]:
        """Runs that are in another hub."""
        return self._elsewhere.keys()

    def tell(self, trouble: str) -> None:
        """Note why the hub cannot be used; nothing: it has been."""
        self._away = trouble

    def look(self, engine: Engine) -> None:
        """See whether the trouble is over, where nothing is to be done by which that would show.

        Now and then, and not for long: whoever asks shows meanwhile to nobody that it is alive.
        """
        if not self.trouble or self._clock.monotonic_s() < self._look_at_s:
            return
        with contextlib.suppress(HubUnreachableError):
            if self._hub.remote and self._away:
                self._hub.remote.within(LOOK_S).check()
            self._away = ""
            for run in tuple(self._elsewhere):
                self._see_run(run, engine)
        self._look_at_s = self._clock.monotonic_s() + MAX_RETRY_S

    def _see_run(self, run: str, engine: Engine) -> None:
        try:
            is_over = engine.run(run).state.is_terminal
        except UnknownRunError:  # it is in the archive
            is_over = True
        if is_over:
            del self._elsewhere[run]
            return
        with contextlib.suppress(OtherHubError):
            self.refuse_elsewhere(run, engine)

    def refuse_elsewhere(self, run: str, engine: Engine) -> None:
        """Raise OtherHubError where a run is not in this hub: what was made would be nowhere for others."""
        if run in self._here:
            return
        try:
            refuse_other_hub(self._hub, engine.run(run))
        except OtherHubError as error:
            self._elsewhere[run] = error.message
            raise
        self._elsewhere.pop(run, None)
        self._here.add(run)


def wait_for_hub(
    push: Callable[[], _T],
    hub: Hub,
    *,
    tell: Callable[[str], None],
    check: Callable[[], None],
    clock: Clock,
) -> _T:
    """Push, again and again until the hub has it.

    Args:
        push: does it; safe to repeat.
        hub: where it goes.
        tell: is told why it cannot be done, when that changes; nothing once it is done after all.
        check: raises when nobody is to wait any longer.
        clock: what it waits by.

    Raises:
        HubDeclinedError: it takes what others push, and not this: waiting is no use.
    """
    told, pause_s, declines = "", RETRY_S, 0
    while True:
        try:
            done = push()
        except HubUnreachableError as error:
            is_declined = isinstance(error, HubDeclinedError)
            declines = declines + 1 if is_declined else 0
            if declines >= DECLINES:
                raise
            # It may be about to change its mind: a server that is shut down or set up answers this and that.
            if not (is_declined and _takes_others(hub)):
                declines = 0
            if told != error.message:
                tell(error.message)
            told = error.message
        else:
            if told:
                tell("")
            return done
        until_s = clock.monotonic_s() + pause_s
        pause_s = min(MAX_RETRY_S, pause_s * 2)
        while clock.monotonic_s() < until_s:
            check()
            clock.sleep_s(RETRY_S)


def _takes_others(hub: Hub) -> bool:
    try:
        if hub.remote is not None:
            hub.remote.check()
    except HubUnreachableError:
        return False
    return True
