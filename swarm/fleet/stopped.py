"""An embedded server that a person has stopped: who only looks starts it, and the last of them stops it."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from swarm.errors import StoreUnreachableError
from swarm.fleet.server import Server, ensure_server, only_one_starts, stop_server
from swarm.fleet.server_file import is_stopped, mark_stopped, read_server_file, running_url
from swarm.settings import Settings


def put_down(settings: Settings) -> bool:
    """Stop the embedded server until something is to be done again; False if none was running."""
    if not (settings.home / "server").exists():
        return False
    with only_one_starts(settings.home):
        mark_stopped(settings.home)
        return stop_server(settings.home)


def is_put_down(settings: Settings) -> bool:
    """The server is one that a person has stopped: whoever works through it is to end, not to wait for it."""
    if not is_stopped(settings.home):
        return False
    embedded = read_server_file(settings.home)
    # Children are told its URL as if somebody had configured it.
    return not settings.redis_url or (embedded is not None and settings.redis_url == embedded.url)


def start_if_it_died(settings: Settings) -> None:
    """Start the embedded server again when its process is gone and nobody stopped it: leases are running out.

    Raises:
        StoreUnreachableError: as `ensure_server`.
    """
    # In this order: whoever stops it for good says so before it is gone.
    if not settings.redis_url and running_url(settings.home) is None and not is_stopped(settings.home):
        ensure_server(settings, to_stay=False)


@contextmanager
def server_for_a_look(settings: Settings) -> Iterator[Server]:
    """As `ensure_server`, but a server that a person has stopped is stopped again in the end.

    Raises:
        StoreUnreachableError: as `ensure_server`.
    """
    if settings.redis_url or not is_stopped(settings.home):
        yield ensure_server(settings, to_stay=False)  # a `down` of this moment holds
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
    # What was asked for has been answered: one that takes long to stop is left to the next look.
    with only_one_starts(settings.home), suppress(StoreUnreachableError):
        if is_stopped(settings.home):
            stop_server(settings.home)
