"""The worker's own clocks. Redis' `TIME` decides every deadline; these only pace and self-fence."""

import time
from typing import Protocol


class Clock(Protocol):
    """What a process needs of time; tests pass one that moves by hand."""

    def monotonic_s(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        ...

    def sleep_s(self, seconds: float) -> None:
        """Return after this many seconds."""
        ...


class SystemClock:
    """The operating system's clock."""

    def monotonic_s(self) -> float:
        """Seconds since boot."""
        return time.monotonic()

    def sleep_s(self, seconds: float) -> None:
        """Block this thread."""
        time.sleep(seconds)
