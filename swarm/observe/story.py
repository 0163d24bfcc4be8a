"""Events in words: one sentence for each kind that a person wants to hear about."""

import time
from collections.abc import Callable

from swarm.engine.records import Event
from swarm.observe.wording import FAILURES, one_line


def tell_event(event: Event) -> str:
    """What happened, in one sentence; empty for what only machines need."""
    teller = _TELLERS.get(event.kind)
    return one_line(teller(event)) if teller else ""


def event_ms(event: Event) -> int:
    """When it happened, by Redis' clock."""
    return int(event.id.partition("-")[0])


def clock_time(event: Event) -> str:
    """Local time of day, `HH:MM:SS`."""
    return time.strftime("%H:%M:%S", time.localtime(event_ms(event) / 1000))


def _because(event: Event) -> str:
    reason = event.fields.get("reason", "")
    kind = event.fields.get("failure", event.fields.get("failure_kind", ""))
    said = reason or FAILURES.get(kind, kind)
    return f": {said}" if said else ""


_TELLERS: dict[str, Callable[[Event], str]] = {}
