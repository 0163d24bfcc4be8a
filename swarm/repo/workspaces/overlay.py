"""Checkouts that are laid over a template: whether this machine can, and where their layers are.

What is changed in a checkout at `<folder>` is kept in `<folder>.layers`, beside it.
"""

import logging
import os
import tempfile
from collections.abc import Callable, Collection, Sequence
from functools import cache
from pathlib import Path

from swarm.mounts import mount_overlay
from swarm.removal import remove_tree
from swarm.repo.workspaces.scan import snapshot_tree

_HIDING = {"trusted.overlay.redirect", "trusted.overlay.opaque"}


def layers_of(folder: Path) -> Path:
    """Where the changes to a checkout are kept, out of its reach."""
    return folder.parent / f"{folder.name}.layers"


def lay_over(folder: Path, lower: Sequence[Path], *, fill: Callable[[Path], None] = lambda _: None) -> None:
    """Make `folder`, which must not exist, show all of `lower`, the first on top.

    `fill` may put files into the folder of what is changed, before: it costs less than changing them there.

    Raises:
        OSError: see `mount_overlay`; nothing stays.
    """
    layers = layers_of(folder)
    try:
        for path in (layers, layers / "upper", layers / "work", folder):
            path.mkdir(mode=0o700)
        (layers / "upper").chmod(0o755)  # it gives the checkout's own folder its mode
        fill(layers / "upper")
        mount_overlay(folder, lower=lower, upper=layers / "upper", work=layers / "work")
    except BaseException:
        remove_overlaid(folder)
        raise


def remove_overlaid(folder: Path) -> None:
    """Delete a checkout and its layers, if it has any; nothing happens when it is not there.

    Raises:
        OSError: see `remove_tree`.
    """
    remove_tree(folder)
    remove_tree(layers_of(folder))


def untouched_folders(folder: Path, tracked: Collection[bytes]) -> set[bytes]:
    """Those of the template's folders in which a checkout still shows nothing but the template.

    The upper layer has no entry for them, and on the way to them no folder that was moved there or made anew:
    so the kernel itself looks nowhere else. What is in an untouched folder need not be among the answers.

    Args:
        folder: the checkout, which is an overlay.
        tracked: the folders of its base, as paths in it.
    """
    merged, touched, waiting = {b""}, set(), [b""]
    while waiting:
        at = waiting.pop()
        with os.scandir(layers_of(folder) / "upper" / os.fsdecode(at)) as entries:
            for entry in entries:
                path = (at + b"/" if at else b"") + os.fsencode(entry.name)
                touched.add(path)
                if path in tracked and entry.is_dir(follow_symlinks=False) and not _hides_lower(entry.path):
                    merged.add(path)
                    waiting.append(path)
    return {path for path in tracked if path not in touched and path.rpartition(b"/")[0] in merged}


def _hides_lower(path: str) -> bool:
    """The folder shows another one of the template than its own, or none."""
    return not _HIDING.isdisjoint(os.listxattr(path, follow_symlinks=False))


@cache
def why_not(place: Path) -> str:
    """Why nothing can be laid over what is in `place`, a folder; empty when it can. Tried once a process."""
    with tempfile.TemporaryDirectory(prefix="probe.", dir=place) as made:
        folder = Path(made, "tree")
        try:
            fault = _try(folder, Path(made, "lower"))
        except OSError as error:
            fault = error.strerror or str(error)
        finally:
            remove_overlaid(folder)
    if fault:
        # Not by structlog, which speaks on stdout in a command that has not told it where to.
        logging.getLogger(__name__).debug("checkouts in %s are copies: %s", place, fault)
    return fault


def _try(folder: Path, lower: Path) -> str:
    """Lay a folder over another and do what agents do; say what is wrong with what comes of it.

    Raises:
        OSError: something cannot be done at all.
    """
    (lower / "sub").mkdir(parents=True)
    for name in ("kept", "changed", "gone", "sub/moved"):
        (lower / name).write_text(name)
    stamps = snapshot_tree(lower)
    lay_over(folder, [lower])
    if snapshot_tree(folder) != stamps:
        return "files look different in an overlay"
    (folder / "changed").write_text("CHANGED")
    (folder / "gone").unlink()
    (folder / "sub").rename(folder / "away")
    found = snapshot_tree(folder)
    if found.keys() != {b"kept", b"changed", b"away/moved"} or found[b"kept"] != stamps[b"kept"]:
        return "an overlay does not show what was done in it"
    return "" if snapshot_tree(lower) == stamps else "what is done in an overlay does not stay in it"
