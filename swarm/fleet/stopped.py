"""An embedded server that a person has stopped: who only looks starts it, and the last of them stops it."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from swarm.fleet.server import Server, ensure_server, only_one_starts, stop_server
from swarm.fleet.server_file import is_stopped, mark_stopped
from swarm.settings import Settings


def put_down(settings: Settings) -> bool:
    """Stop the embedded server until something is to be done again; False if none was running."""
    if not (settings.home / "server").exists():
        return False
    with only_one_starts(settings.home):
        mark_stopped(settings.home)
        return stop_server(settings.home)


@contextmanager
def server_for_a_look(settings: Settings) -> Iterator[Server]:
    """As `ensure_server`, but a server that a person has stopped is stopped again in the end.

    Raises:
        StoreUnreachableError: as `ensure_server`.
    """
    if settings.redis_url or not is_stopped(settings.home):
        yield ensure_server(settings)
        return
    with (settings.home / "server" / "looks.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        try:
            yield ensure_server(settings, to_stay=False)
        finally:
            _stop_after_the_last(settings, lock.fileno())


def _stop_after_the_last(settings: Settings, lock: int) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return  # somebody else still looks
    with only_one_starts(settings.home):
        if is_stopped(settings.home):
            stop_server(settings.home)
