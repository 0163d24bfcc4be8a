"""What has landed since a base, as a layer upon its template: no gate's checkout writes that again.

A merged tree differs from its base by all that has landed so far, and from the branch's tip by one train. So
a template keeps `advance-<n>/tree`, the files in which a tip differs from the base, and `listing`, which they
are. Whoever shows one holds its flock shared; whoever gets the flock alone brings it up to a newer tip. There
are two, because the next train's gates mostly begin before those of this one have ended.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import structlog

from swarm.removal import remove_tree
from swarm.repo.git.checked_names import index_into
from swarm.repo.git.command import Git, GitError
from swarm.repo.git.tree import ABSENT, GITLINK, TreeChange, TreeEntry, decode_entries, read_changes
from swarm.repo.hub.hub import Hub

_SLOTS = 2
_TREE, _LISTING, _INDEX = "tree", "listing", "index"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
Entries = dict[bytes, TreeEntry]


class Advance(NamedTuple):
    """A layer to be shown upon a template, for as long as its block lasts."""

    tree: Path
    entries: Entries  # the files in it


NO_ADVANCE = Advance(Path(), {})


@contextlib.contextmanager
def open_advance(hub: Hub, template: Path, base: str, since: str) -> Iterator[Advance]:
    """The layer upon this template that is nearest to `since`, a commit; brought up to it if nobody uses it.

    None where nothing has landed since the base, or `since` is empty, or the layer cannot be written (a full
    disk): then all of it is the checkout's own.

    Raises:
        GitError: `since` is not in the hub.
    """
    wanted = plain_entries(read_changes(hub.git, base, since)) if since else {}
    if not wanted:
        yield NO_ADVANCE
        return
    folders = [template / f"advance-{number}" for number in range(_SLOTS)]
    folders.sort(key=lambda folder: len(_entries(folder).items() & wanted.items()), reverse=True)
    with contextlib.ExitStack() as held:
        lock_fds = [held.enter_context(_opened(Path(f"{folder}.lock"))) for folder in folders]
        number = next((number for number, lock_fd in enumerate(lock_fds) if _is_alone(lock_fd)), None)
        if number is not None:
            try:
                _bring_up(hub, folders[number], wanted)
            except (GitError, OSError) as error:
                structlog.get_logger().debug("layer not kept", folder=str(folders[number]), error=str(error))
        chosen = number or 0  # the nearest, as it is, where both are in use
        fcntl.flock(lock_fds[chosen], fcntl.LOCK_SH)
        yield Advance(folders[chosen] / _TREE, _entries(folders[chosen]))


def _is_alone(lock_fd: int) -> bool:
    """Nobody shows what this guards; nor will they before the lock is given up."""
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _opened(lock: Path) -> Iterator[int]:
    lock_fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield lock_fd
    finally:
        os.close(lock_fd)


def plain_entries(changes: Iterable[TreeChange]) -> Entries:
    """The files that are new or changed where nothing else makes room: as a layer they hide what was."""
    listed = list(changes)
    gone = {each.path for each in listed if each.new_mode == ABSENT}
    above = {parent for path in gone for parent in _parents(path)}
    return {
        each.path: TreeEntry(each.new_mode, each.new_oid)
        for each in listed
        if not {each.old_mode, each.new_mode} & {GITLINK}
        and each.new_mode != ABSENT
        and each.path not in above
        and gone.isdisjoint(_parents(each.path))
    }


def is_in_the_way(shown: Entries, wanted: Entries) -> bool:
    """Whether of what is shown more is not wanted than is, or a folder of one is a file of the other."""
    unwanted = shown.keys() - wanted.keys()
    if 2 * len(unwanted) > len(shown):
        return True
    above = {parent for path in wanted for parent in _parents(path)} if unwanted else set()
    return any(path in above or not wanted.keys().isdisjoint(_parents(path)) for path in unwanted)


def write_entries(hub: Hub, folder: Path, entries: Mapping[bytes, TreeEntry], index: Path) -> None:
    """Write files into a folder that is there; `index` is a file to be made for it.

    Raises:
        GitError: a name that git checks nothing out by, or it could not write.
    """
    if not entries:
        return
    git = Git.at(hub.path, work_tree=folder)
    index.unlink(missing_ok=True)
    listed = ((entry.mode, entry.oid, path) for path, entry in entries.items())
    if left_out := index_into(git, listed, index):
        raise GitError(("git", "update-index"), 0, b"invalid path " + left_out[0])
    git.run("checkout-index", "--all", "--force", "--quiet", env={"GIT_INDEX_FILE": str(index)})


def _bring_up(hub: Hub, folder: Path, wanted: Entries) -> None:
    """Make the layer hold these, under its lock. Without its listing nobody knows what is in it."""
    tree, listing, index = folder / _TREE, folder / _LISTING, folder / _INDEX
    held = _entries(folder)
    if held == wanted:
        return
    if not held:  # nobody knows what is there: it was broken off, or the power was cut
        remove_tree(folder)
        tree.mkdir(parents=True)
    listing.unlink(missing_ok=True)
    for path in [path for path, entry in held.items() if wanted.get(path) != entry]:
        take_away(tree, path)
    missing = {path: entry for path, entry in wanted.items() if held.get(path) != entry}
    write_entries(hub, tree, missing, index)
    part = folder / f"{_LISTING}.part"
    records = (f"{mode} blob {oid}\t".encode() + path + b"\0" for path, (mode, oid) in wanted.items())
    part.write_bytes(b"".join([_boot(), *records]))
    part.rename(listing)


def _boot() -> bytes:
    """What a listing begins with: after a power cut files may be empty that were written before it."""
    with contextlib.suppress(OSError):
        return _BOOT_ID.read_bytes().strip() + b"\0"
    return b"\0"


def take_away(tree: Path, path: bytes, *, is_folder: bool = False) -> None:
    """Remove a file, or an empty folder, and the folders that this leaves empty: git knows none."""
    place = tree / os.fsdecode(path)
    if is_folder:
        place.rmdir()
    else:
        place.unlink()
    with contextlib.suppress(OSError):  # not empty
        for folder in place.parents:
            if folder == tree:
                break
            folder.rmdir()


def _entries(folder: Path) -> Entries:
    """What is in a layer; nothing where that is not known, or was so before the machine was started."""
    with contextlib.suppress(OSError):
        boot, _, records = (folder / _LISTING).read_bytes().partition(b"\0")
        return decode_entries(records) if boot + b"\0" == _boot() else {}
    return {}


def _parents(path: bytes) -> Iterator[bytes]:
    while b"/" in path:
        path = path.rpartition(b"/")[0]
        yield path
