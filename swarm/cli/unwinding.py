"""Ending tidily when a signal asks for it: what is mounted is taken off, and what was started is ended."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from swarm.cli.output import say

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def unwound_by_signals() -> Iterator[None]:
    """Let SIGINT and SIGTERM unwind the block, so that what it has open is closed; a second one waits.

    The exit code is that of a process which the signal has ended: 130, or 143.
    """
    stopped: list[int] = []

    def unwind(number: int, _frame: FrameType | None) -> None:
        if not stopped:
            stopped.append(number)
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    # Who ignores a signal has been told to by its parent, as in the background of a script.
    heard = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, unwind) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if signal.SIGTERM in stopped:
            say("stopped by SIGTERM")
