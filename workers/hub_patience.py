"""A hub that is away, takes nothing, or is another than a run's: what a worker waits for, and says of it."""

import contextlib
import time
from collections.abc import Callable
from typing import TypeVar

from swarm.engine.engine import Engine
from swarm.errors import HubDeclinedError, HubUnreachableError
from swarm.repo.hub.hub import Hub
from swarm.repo.hub.identity import refuse_other_hub

RETRY_S = 1.0
MAX_RETRY_S = 10.0

_T = TypeVar("_T")


class HubStanding:
    """What a worker knows of its hub: why it cannot use it, and which runs are in it."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._here: set[str] = set()
        self.trouble = ""  # empty: it can, as far as it knows
        self._look_at_s = 0.0

    def tell(self, trouble: str) -> None:
        """Note why the hub cannot be used; nothing: it has been."""
        self.trouble = trouble

    def look(self) -> None:
        """Ask a hub that was away, where nothing is to be done by which that would show."""
        if self.trouble and time.monotonic() >= self._look_at_s:
            self._look_at_s = time.monotonic() + MAX_RETRY_S
            with contextlib.suppress(HubUnreachableError):
                if self._hub.remote:
                    self._hub.remote.list(["HEAD"])
                self.trouble = ""

    def refuse_elsewhere(self, run: str, engine: Engine) -> None:
        """Raise OtherHubError where a run is not in this hub: what was made would be nowhere for others."""
        if run not in self._here:
            refuse_other_hub(self._hub, engine.run(run))
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
    told, pause_s, is_about_this = "", RETRY_S, False
    while True:
        try:
            done = push()
        except HubUnreachableError as error:
            is_declined = isinstance(error, HubDeclinedError)
            if is_declined and is_about_this:
                raise
            # Asked in between, and this tried once more after that: it may just have begun to take things.
            is_about_this = is_declined and _takes_others(hub)
            if told != error.message:
                tell(error.message)
            told = error.message
        else:
            if told:
                tell("")
            return done
        until_s = time.monotonic() + (RETRY_S if is_about_this else pause_s)
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
