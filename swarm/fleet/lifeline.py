"""A pipe from the parent, held as stdin: when it closes, the parent is gone."""

import sys
import threading
from collections.abc import Callable


def watch_lifeline(on_parent_gone: Callable[[], None]) -> None:
    """Call `on_parent_gone` from a thread once stdin reaches its end."""

    def watch() -> None:
        while sys.stdin.buffer.read(4096):
            pass
        on_parent_gone()

    threading.Thread(target=watch, name="lifeline", daemon=True).start()
