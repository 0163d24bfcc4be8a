"""A workspace: an agent's own checkout, from the copy it starts in to the commit that is taken from it.

No git ever runs in a workspace once an agent may have written to it.
"""

import errno
import os
import time
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path

from swarm.crashpoints import crashpoint
from swarm.plan.scope import WriteScope
from swarm.repo.git.checked_names import refused_names
from swarm.repo.git.ignore import ignore_rules
from swarm.repo.git.paths import quote_path, shown
from swarm.repo.git.tree import SYMLINK, TreeEntry, decode_entries, read_links
from swarm.repo.hub.hub import Hub
from swarm.repo.workspaces.attempt import UNSTABLE, Changes, Comparison, Edit
from swarm.repo.workspaces.overlay import remove_overlaid, untouched_folders
from swarm.repo.workspaces.scan import UnstableFileError, open_folder, read_file
from swarm.repo.workspaces.template import LaidOut, lay_out

MAX_FILE_BYTES = 100 * 1024 * 1024
TICK_S = 0.001
_AS_A_PACK = ("-c", "fastimport.unpackLimit=1")
"""Two files to sync instead of one for each blob and folder; `tidy` puts packs together."""


@dataclass(frozen=True)
class Workspace:
    """A checkout of one attempt. What it began as is kept by the worker, out of the agent's reach."""

    tree: Path
    base: str
    laid_out: LaidOut = field(repr=False)
    taken_ns: int  # nothing in it that is newer, by the file system's clock, is as it was laid out
    device: int  # of its top folder


@dataclass(frozen=True)
class Taken:
    """What was taken. Without a commit the other fields say why; all empty means that nothing changed."""

    commit: str | None
    paths: tuple[str, ...] = ()
    out_of_scope: tuple[str, ...] = ()  # as they are spelled: `shown` makes them fit for people
    refused: tuple[str, ...] = ()  # `path: reason`
    is_escape: bool = False  # one of these leads out of the repository: a person has to look
    left_out: tuple[str, ...] = ()  # inside the scope, and ignored or in a submodule


def open_workspace(hub: Hub, base: str, folder: Path, *, may_mount: bool = True) -> Workspace:
    """Make `folder` a fresh checkout of `base`, replacing what an earlier attempt left there.

    Args:
        hub: where `base` is.
        base: the commit to start from.
        folder: does not exist, or is a left-over; does not afterwards, when this raises.
        may_mount: False where an agent may not see what is mounted here: then it is a copy.

    Raises:
        GitError: the commit is not in the hub, or the copy failed (a full disk).
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_overlaid(folder)
    laid_out = lay_out(hub, base, folder, may_mount=may_mount)
    return Workspace(folder, base, laid_out, _last_tick_of(folder), folder.stat().st_dev)


def _last_tick_of(folder: Path) -> int:
    """The time of all that has been written so far at the latest, and of nothing that will be.

    By the file system's own clock, which may differ from ours. It goes on in steps of some milliseconds, but
    since Linux 6.13 at once where somebody has looked.
    """
    os.utime(folder)
    last_ns = folder.stat().st_ctime_ns
    os.utime(folder)
    while folder.stat().st_ctime_ns == last_ns:
        time.sleep(TICK_S)
        os.utime(folder)
    return last_ns


def take_attempt(
    hub: Hub,
    workspace: Workspace,
    *,
    scope: WriteScope,
    message: str,
    ref: str,
    max_file_bytes: int = MAX_FILE_BYTES,
) -> Taken:
    """Commit what a stopped agent changed in its workspace as `ref` in the hub, if all of it may land.

    Untracked files that the base's .gitignore covers are not part of an attempt, unless the scope
    names them without a wildcard. The commit's parent is the workspace's base.

    Raises:
        GitError: the hub could not be written.
        OSError: the workspace is gone, as when somebody has taken it for one of a dead worker.
    """
    laid_out = workspace.laid_out
    base = decode_entries(laid_out.listing)
    root_fd = open_folder(workspace.tree)
    try:
        if os.fstat(root_fd).st_dev != workspace.device:
            raise OSError(errno.ESTALE, "the workspace is not mounted any more", str(workspace.tree))
        with ignore_rules(hub.path, base) as rules:
            changes = Comparison(
                root_fd,
                base=base,
                snapshot=laid_out.stamps(),
                taken_ns=workspace.taken_ns,
                scope=scope,
                rules=rules,
                read_base_links=partial(read_links, hub.git, base),
                max_file_bytes=max_file_bytes,
                find_untouched=partial(untouched_folders, workspace.tree) if laid_out.is_overlay else None,
            ).changes()
        new = [(edit.mode, edit.path) for edit in changes.edits if _may_be_refused(edit, base)]
        if new:
            changes.refused.update(dict.fromkeys(refused_names(hub.git, new), UNSAFE_NAME))
        if changes.out_of_scope or changes.refused:
            return _refusal(changes)
        if not changes.edits:
            return Taken(None, left_out=_left_out(changes))
        commit = _commit(hub, workspace.base, changes.edits, root_fd, message=message, ref=ref)
    except UnstableFileError as error:
        return Taken(None, refused=(f"{error}: {UNSTABLE}",))
    finally:
        os.close(root_fd)
    crashpoint("attempt.after_commit")
    paths = tuple(sorted(shown(edit.path) for edit in changes.edits))
    return Taken(commit, paths, left_out=_left_out(changes))


UNSAFE_NAME = "git checks nothing out by this name: some file system takes it for git's own"


def _may_be_refused(edit: Edit, base: dict[bytes, TreeEntry]) -> bool:
    """Of what is there by this name and mode git has checked out."""
    return bool(edit.mode) and (edit.path not in base or edit.mode == SYMLINK)


def _left_out(changes: Changes) -> tuple[str, ...]:
    submodules = (f"{shown(path)}/ (a submodule: no attempt moves it)" for path in changes.submodules)
    return (*map(shown, changes.left_out), *submodules)


def _refusal(changes: Changes) -> Taken:
    return Taken(
        None,
        out_of_scope=tuple(sorted(path.decode() for path in changes.out_of_scope)),
        refused=tuple(f"{shown(path)}: {reason}" for path, reason in sorted(changes.refused.items())),
        is_escape=changes.has_escape,
    )


def _commit(hub: Hub, base: str, edits: list[Edit], root_fd: int, *, message: str, ref: str) -> str:
    """Write one commit on top of `base` by one `git fast-import`, and return its id."""
    text = message.encode("utf-8", "replace")
    head = (
        f"commit {ref}\nmark :1\ncommitter swarm <swarm@localhost> {int(time.time())} +0000\n"
        f"data {len(text)}\n"
    )
    with hub.writing_refs() as writer:
        writer.clear_stale_locks([ref])
        answer = hub.git.feed(
            *_AS_A_PACK, "fast-import", "--done", "--quiet", "--force",
            stdin=chain(
                [head.encode() + text + f"\nfrom {base}\n".encode()],
                # Deletions first: a file that became a folder must be gone before what is inside it comes.
                (_encoded(edit, root_fd) for edit in sorted(edits, key=lambda each: bool(each.mode))),
                [b"\nget-mark :1\ndone\n"],
            ),
            keep_fds=[writer.lock_fd],
        )  # fmt: skip
        writer.share(ref)
    return answer.decode().strip()


def _encoded(edit: Edit, root_fd: int) -> bytes:
    """One change as `git fast-import` reads it."""
    path = quote_path(edit.path)
    if not edit.mode:
        return b"D " + path + b"\n"
    if edit.oid:
        return f"M {edit.mode} {edit.oid} ".encode() + path + b"\n"
    content = read_file(root_fd, edit.path)
    return f"M {edit.mode} inline ".encode() + path + b"\ndata %d\n" % len(content) + content + b"\n"


def remove_workspace(folder: Path) -> None:
    """Delete a workspace, whatever the agent did to it; nothing happens when it is not there.

    Raises:
        OSError: see `remove_tree`.
    """
    remove_overlaid(folder)
