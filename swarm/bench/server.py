"""A Redis for one measurement: found as the embedded one is, and gone afterwards."""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from swarm.engine.connect import open_store
from swarm.fleet.server import ensure_server, stop_server
from swarm.settings import Settings

LOOKED_AFTER_S = 1.0
"""A server is stopped at the latest so long after whoever measured by it was killed."""


@contextmanager
def private_server(folder: Path, *, aof: bool = False) -> Iterator[str]:
    """The URL of a server in `folder` that nobody else uses; without `aof` it keeps nothing on disk."""
    settings = Settings(root=folder, home=folder / "home")
    try:
        url = ensure_server(settings).url
        open_store(url).call("CONFIG", "SET", "appendonly", "yes" if aof else "no")
        with _ended_in_any_case(settings.home):
            yield url
    finally:
        stop_server(settings.home)


@contextmanager
def _ended_in_any_case(home: Path) -> Iterator[None]:
    """A server outlives who started it, as a run needs; a measurement that was killed leaves none."""
    fork = multiprocessing.get_context("fork")
    watcher = fork.Process(target=_stop_after, args=(os.getpid(), home), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        watcher.kill()
        watcher.join()


def _stop_after(measuring: int, home: Path) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # they tell the one that measures
        signal.signal(number, signal.SIG_IGN)
    while os.getppid() == measuring:
        time.sleep(LOOKED_AFTER_S)
    stop_server(home)
