"""A clean checkout of one tree, for gates to run in: the blobs' bytes, no `.git`, no left-overs."""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from swarm.removal import remove_tree
from swarm.repo.git import Git
from swarm.repo.hub import Hub

GATES_NAME = "gates"


@contextlib.contextmanager
def clean_checkout(hub: Hub, tree: str) -> Iterator[Path]:
    """Lay out a tree in a folder of its own, which is locked while in use and removed afterwards.

    Args:
        hub: where the tree is.
        tree: id of a tree or commit.
    """
    parent = hub.home / GATES_NAME
    parent.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=parent))
    with _flocked(folder):
        try:
            checkout = folder / "tree"
            checkout.mkdir()
            folder.chmod(0o755)
            index = {"GIT_INDEX_FILE": str(folder / "index")}
            git = Git.at(hub.path, work_tree=checkout)
            git.run("read-tree", tree, env=index)
            git.run("checkout-index", "--all", "--force", "--quiet", env=index)
            yield checkout
        finally:
            remove_tree(folder)


def sweep_checkouts(hub: Hub) -> None:
    """Remove the checkouts of merge queues that were killed; those in use are locked."""
    parent = hub.home / GATES_NAME
    for folder in parent.iterdir() if parent.is_dir() else ():
        with contextlib.suppress(BlockingIOError, FileNotFoundError), _flocked(folder):
            remove_tree(folder)


@contextlib.contextmanager
def _flocked(folder: Path) -> Iterator[None]:
    folder_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(folder_fd)
