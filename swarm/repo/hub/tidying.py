"""Keeping the hub's objects in few packs: each is looked into for every object."""

import contextlib
import fcntl

import structlog

from swarm.repo.git.command import GitError
from swarm.repo.hub.hub import Hub

MOST_PACKS = 40
"""Each attempt is one, and each long train."""


def tidy(hub: Hub) -> None:
    """Put small packs together once there are many; on a full disk, say, all are as they were.

    Nothing is ever dropped: what no ref needs any more is copied like the rest. One does it at a time;
    whoever comes second leaves it to the first.
    """
    if sum(1 for _ in (hub.path / "objects" / "pack").glob("*.pack")) <= MOST_PACKS:
        return
    try:
        with (hub.path / "tidy.lock").open("w") as lock, contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            hub.git.run("repack", "--geometric=2", "-d", "--quiet")
    except (GitError, OSError) as error:
        structlog.get_logger().warning("packs were not put together", error=str(error))
