"""Whether a server answers, and that one which does not yet is not left behind by whoever waits for it."""

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from swarm.engine.connect import open_store
from swarm.errors import StoreReplyError, StoreUnreachableError

if TYPE_CHECKING:
    import subprocess

START_TIMEOUT_S = 20.0

_ENDS_US = (signal.SIG_DFL, signal.default_int_handler)


@contextmanager
def starting() -> Iterator[list[int]]:
    """Put off the signals that would end this process until the block is left; gives those that came.

    Between a server's start and the note that names it, whoever ended us would leave it to nobody.
    """
    received: list[int] = []
    before = {}
    if threading.current_thread() is threading.main_thread():  # no other one may
        ending = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
        # Where somebody has a handler of their own, that says what the signal means.
        before = {one: signal.getsignal(one) for one in ending if signal.getsignal(one) in _ENDS_US}
    for one in before:
        signal.signal(one, lambda number, _frame: received.append(number))
    try:
        yield received
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
        if received:
            os.kill(os.getpid(), received[0])


def wait_ready(
    process: "subprocess.Popen[bytes]", url: str, log: Path, *, stopped_by: Sequence[int] = ()
) -> None:
    """Return once the server answers.

    Args:
        process: the server.
        url: where it will answer.
        log: what it writes to.
        stopped_by: the signals that `starting` put off; one that comes ends the wait.

    Raises:
        StoreUnreachableError: it ended, or took too long, or nobody waits for it any more.
    """
    deadline = time.monotonic() + START_TIMEOUT_S
    while not answers(url):
        if stopped_by or process.poll() is not None or time.monotonic() > deadline:
            raise _not_ready(process, log)
        time.sleep(0.01)


def _not_ready(process: "subprocess.Popen[bytes]", log: Path) -> StoreUnreachableError:
    ended = process.poll()
    what = "did not answer in time" if ended is None else f"ended with exit code {ended}"
    tail = log.read_text(errors="replace").splitlines()[-3:] if log.exists() else []
    return StoreUnreachableError(
        f"the embedded server {what}: {' | '.join(tail) or 'it logged nothing'}", hint=f"look at {log}"
    )


def answers(url: str) -> bool:
    """A server answers there, and serves."""
    try:
        ping(url, timeout_s=2.0)
    except (StoreUnreachableError, StoreReplyError):  # LOADING is a reply
        return False
    return True


def ping(url: str, *, timeout_s: float) -> None:
    """Make sure that a server answers.

    Raises:
        StoreUnreachableError: none does.
    """
    store = open_store(url, timeout_s=timeout_s)
    try:
        store.call("PING")
    finally:
        store.close()
