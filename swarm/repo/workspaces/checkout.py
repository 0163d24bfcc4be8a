"""A clean checkout of one tree, for gates to run in: the blobs' bytes, no `.git`, no left-overs.

Where it can be laid over a template, as a workspace is, it costs what differs from that, not all there is.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from swarm.removal import remove_tree
from swarm.repo.git.checked_names import index_into
from swarm.repo.git.command import Git, GitError
from swarm.repo.git.tree import ABSENT, GITLINK, TreeChange, read_changes
from swarm.repo.hub.hub import Hub
from swarm.repo.workspaces.template import lay_out, why_copied
from swarm.scratch import make_scratch, sweep_scratch

GATES_NAME = "gates"


@contextlib.contextmanager
def clean_checkout(hub: Hub, tree: str, *, base: str, may_mount: bool = True) -> Iterator[Path]:
    """Lay out a tree in a folder of its own, which is locked while in use and removed afterwards.

    Args:
        hub: where the tree is.
        tree: id of a tree or commit.
        base: a commit that is much the same: its template is shown, and only what differs is written.
        may_mount: False where what runs in it may not see what is mounted here.
    """
    parent = hub.home / GATES_NAME
    parent.mkdir(exist_ok=True)
    folder, folder_fd = make_scratch(parent)
    try:
        checkout = folder / "tree"
        if may_mount and not why_copied(hub):
            lay_out(hub, base, checkout, with_git=False, may_mount=True)
            _turn_into(hub, checkout, base, tree, index=folder / "index")
        else:
            _write_out(hub, checkout, tree, index=folder / "index")
        folder.chmod(0o755)
        yield checkout
    finally:
        try:
            remove_tree(folder)
        finally:
            os.close(folder_fd)


def _write_out(hub: Hub, checkout: Path, tree: str, *, index: Path) -> None:
    """Write every file. On a disk that is no slower than a copy of a template, and nothing is kept for it."""
    checkout.mkdir()
    git, env = Git.at(hub.path, work_tree=checkout), {"GIT_INDEX_FILE": str(index)}
    git.run("read-tree", tree, env=env)
    git.run("checkout-index", "--all", "--force", "--quiet", env=env)


def _turn_into(hub: Hub, checkout: Path, base: str, tree: str, *, index: Path) -> None:
    """Make a clean checkout of `base` one of `tree`; nobody else has written to it."""
    changes = read_changes(hub.git, base, tree)
    for change in changes:
        if change.old_mode != ABSENT:
            _take_away(checkout, change)
    written = [each for each in changes if each.new_mode != ABSENT]
    if not written:
        return
    git = Git.at(hub.path, work_tree=checkout)
    entries = ((each.new_mode, each.new_oid, each.path) for each in written)
    if left_out := index_into(git, entries, index):
        raise GitError(("git", "update-index"), 0, b"invalid path " + left_out[0])
    git.run("checkout-index", "--all", "--force", "--quiet", env={"GIT_INDEX_FILE": str(index)})


def _take_away(checkout: Path, change: TreeChange) -> None:
    """Remove what the base has at a path, and the folders that this leaves empty: git knows none."""
    path = checkout / os.fsdecode(change.path)
    if change.old_mode == GITLINK:
        path.rmdir()
    else:
        path.unlink()
    with contextlib.suppress(OSError):  # not empty
        for folder in path.parents:
            if folder == checkout:
                break
            folder.rmdir()


def sweep_checkouts(hub: Hub) -> None:
    """Remove the checkouts of merge queues that were killed; those in use are locked."""
    parent = hub.home / GATES_NAME
    sweep_scratch(parent.iterdir() if parent.is_dir() else (), remove_tree)
