"""Waiting for a hub that is away, or takes nothing: what an agent has done is in its workspace meanwhile."""

import time
from collections.abc import Callable
from typing import TypeVar

from swarm.errors import HubDeclinedError, HubUnreachableError
from swarm.repo.hub.hub import Hub

RETRY_S = 1.0
MAX_RETRY_S = 10.0

_T = TypeVar("_T")


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
