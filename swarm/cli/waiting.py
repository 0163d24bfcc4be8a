"""A line on stderr now and then while a command takes longer than a person expects."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from swarm.cli.output import say

FIRST_S, EVERY_S = 3.0, 10.0


class Waiting:
    """What a command is at; whoever works says so, and a thread tells the person."""

    def __init__(self, text: str) -> None:
        self._text = text

    def at(self, text: str) -> None:
        """It goes on with this."""
        self._text = text

    def __str__(self) -> str:
        return self._text


@contextmanager
def waiting(text: str, *, first_s: float = FIRST_S, every_s: float = EVERY_S) -> Iterator[Waiting]:
    """Say on stderr what goes on and for how long already, after `first_s` and then each `every_s`."""
    now, over, began_s = Waiting(text), threading.Event(), time.monotonic()

    def tell() -> None:
        pause_s = first_s
        while not over.wait(pause_s):
            say(f"{now} ({time.monotonic() - began_s:.0f} s so far)")
            pause_s = every_s

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield now
    finally:
        over.set()
        thread.join()
