"""A clean checkout of one tree, for gates to run in: the blobs' bytes, no `.git`, no left-overs.

Where it can be laid over a template, as a workspace is, it costs what differs from that, not all there is.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from swarm.removal import remove_tree
from swarm.repo.git.command import Git
from swarm.repo.git.tree import ABSENT, GITLINK, TreeChange, TreeEntry, read_changes, read_entries
from swarm.repo.hub.hub import Hub
from swarm.repo.workspaces.advance import (
    NO_ADVANCE,
    Entries,
    is_in_the_way,
    open_advance,
    plain_entries,
    take_away,
    write_entries,
)
from swarm.repo.workspaces.overlay import lay_over
from swarm.repo.workspaces.template import TREE, shared_template, why_copied
from swarm.scratch import make_scratch, sweep_scratch

GATES_NAME = "gates"


@contextlib.contextmanager
def clean_checkout(
    hub: Hub, tree: str, *, base: str, since: str = "", may_mount: bool = True
) -> Iterator[Path]:
    """Lay out a tree in a folder of its own, which is locked while in use and removed afterwards.

    Args:
        hub: where the tree is.
        tree: id of a tree or commit.
        base: a commit that is much the same: its template is shown, and only what differs is written.
        since: a commit that is nearer still, as more lands upon the base; what it has is kept and shown, too.
        may_mount: False where what runs in it may not see what is mounted here.
    """
    parent = hub.home / GATES_NAME
    parent.mkdir(exist_ok=True)
    folder, folder_fd = make_scratch(parent)
    try:
        checkout = folder / "tree"
        with contextlib.ExitStack() as shown:
            if may_mount and not why_copied(hub):
                shown.enter_context(_laid_over(hub, checkout, base, since, tree))
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


@contextlib.contextmanager
def _laid_over(hub: Hub, checkout: Path, base: str, since: str, tree: str) -> Iterator[None]:
    """Make `checkout` one of `tree`, for as long as the block lasts: what it shows stays as it is."""
    changes = read_changes(hub.git, base, tree)
    plain = plain_entries(changes)
    index = checkout.parent / "index"
    with contextlib.ExitStack() as held:
        with shared_template(hub, base) as template:
            advance = held.enter_context(open_advance(hub, template, base, since))
            if is_in_the_way(advance.entries, plain):
                held.close()
                advance = NO_ADVANCE
            new = {path: entry for path, entry in plain.items() if advance.entries.get(path) != entry}
            lower = [*[advance.tree] * bool(advance.entries), template / TREE]
            lay_over(checkout, lower, fill=lambda upper: write_entries(hub, upper, new, index))
        rest = [each for each in changes if each.path not in plain]
        rest += _undone(hub, advance.entries, {each.path for each in changes}, tree)
        _change_rest(hub, checkout, rest, index)
        yield


def _undone(hub: Hub, shown: Entries, changed: set[bytes], tree: str) -> list[TreeChange]:
    """What is shown of files that the tree has as its base has them: somebody took back what had landed."""
    paths = [path for path in shown if path not in changed]
    there, absent = read_entries(hub.git, tree, paths), TreeEntry(ABSENT, "")
    pairs = [(path, shown[path], there.get(path, absent)) for path in paths]
    return [TreeChange(path, old.mode, new.mode, old.oid, new.oid) for path, old, new in pairs]


def _change_rest(hub: Hub, checkout: Path, changes: list[TreeChange], index: Path) -> None:
    """What goes, and what takes the place of something else: in the checkout itself, as anybody would."""
    for change in changes:
        if change.old_mode != ABSENT:
            take_away(checkout, change.path, is_folder=change.old_mode == GITLINK)
    written = [each for each in changes if each.new_mode != ABSENT]
    write_entries(
        hub, checkout, {each.path: TreeEntry(each.new_mode, each.new_oid) for each in written}, index
    )


def sweep_checkouts(hub: Hub) -> None:
    """Remove the checkouts of merge queues that were killed; those in use are locked."""
    parent = hub.home / GATES_NAME
    sweep_scratch(parent.iterdir() if parent.is_dir() else (), remove_tree)
