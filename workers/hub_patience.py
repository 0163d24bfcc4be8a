"""A hub that is away, takes nothing, or is another than a run's: what a worker waits for, and says of it."""

import contextlib
import time
from collections.abc import Callable
from typing import TypeVar

from swarm.engine.engine import Engine
from swarm.errors import HubDeclinedError, HubUnreachableError, OtherHubError, UnknownRunError
from swarm.repo.hub.hub import Hub
from swarm.repo.hub.identity import refuse_other_hub

RETRY_S = 1.0
MAX_RETRY_S = 10.0
LOOK_S = 5.0
DECLINES = 6
"""Of one push, with the hub seen to take another in between each, before it counts as about this one."""

_T = TypeVar("_T")


class HubStanding:
    """What a worker knows of its hub: why it cannot use it, and which runs are in it."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._here: set[str] = set()
        self._run_elsewhere = ""
        self.trouble = ""  # empty: it can, as far as it knows
        self._look_at_s = 0.0

    def tell(self, trouble: str) -> None:
        """Note why the hub cannot be used; nothing: it has been."""
        self.trouble = trouble

    def look(self, engine: Engine) -> None:
        """See whether the trouble is over, where nothing is to be done by which that would show.

        Now and then, and not for long: whoever asks shows meanwhile to nobody that it is alive.
        """
        if not self.trouble or time.monotonic() < self._look_at_s:
            return
        with contextlib.suppress(HubUnreachableError, OtherHubError):
            if self._hub.remote:
                self._hub.remote.within(LOOK_S).check()
            if self._run_elsewhere:
                with contextlib.suppress(UnknownRunError):  # it is over, and archived
                    self.refuse_elsewhere(self._run_elsewhere, engine)
            self.trouble = ""
        self._look_at_s = time.monotonic() + MAX_RETRY_S

    def refuse_elsewhere(self, run: str, engine: Engine) -> None:
        """Raise OtherHubError where a run is not in this hub: what was made would be nowhere for others."""
        if run not in self._here:
            self._run_elsewhere = run
            refuse_other_hub(self._hub, engine.run(run))
            self._run_elsewhere = ""
            self._here.add(run)


def wait_for_hub(
    push: Callable[[], _T], hub: Hub, *, tell: Callable[[str], None], check: Callable[[], None]
) -> _T:
    """Push, again and again until the hub has it.

    Args:
        push: does it; safe to repeat.
        hub: where it goes.
        tell: is told why it cannot be done, when that changes; nothing once it is done after all.
        check: raises when nobody is to wait any longer.

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
        until_s = time.monotonic() + pause_s
        pause_s = min(MAX_RETRY_S, pause_s * 2)
        while time.monotonic() < until_s:
            check()
            time.sleep(RETRY_S)


def _takes_others(hub: Hub) -> bool:
    try:
        if hub.remote is not None:
            hub.remote.check()
    except HubUnreachableError:
        return False
    return True
