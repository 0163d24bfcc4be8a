"""A pipe from the parent, held as stdin: when it closes, the parent is gone."""

import os
import sys
import threading
from collections.abc import Callable


def watch_lifeline(on_parent_gone: Callable[[], None]) -> None:
    """Call `on_parent_gone` from a thread once stdin reaches its end."""
    fd = sys.stdin.fileno()

    def watch() -> None:
        # The descriptor, not sys.stdin: its buffer's lock, held by us, would abort the process at exit.
        while os.read(fd, 4096):
            pass
        on_parent_gone()

    threading.Thread(target=watch, name="lifeline", daemon=True).start()
