"""What the commands of an agent or a gate may see and change under isolation `process`.

Closed are swarm's own folder (hub, server, logs, other workspaces) and the user's home, where keys
are kept. Within the home two things stay open to read: the repository, where tools look for settings
above the folder they are started in, and whatever lies on PATH, wherever its links lead.
"""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from swarm.sandbox.landlock import Confinement
from swarm.settings import Settings

_KEEPS_SECRETS = frozenset({".local", ".cargo"})
"""Folders with a `bin` and, beside it, what is nobody else's business."""


def open_confinement(settings: Settings, *, home: Path | None, environment: Mapping[str, str]) -> Confinement:
    """The rules for this machine and repository; a launcher adds each tree that may be written.

    Args:
        settings: where the repository and swarm's folder are, and what else is open.
        home: the user's own folder; None when there is none to speak of.
        environment: what agents get; PATH and VIRTUAL_ENV lead to their tools.
    """
    hidden = [settings.home, *([home] if home else [])]
    readable = [*_tools(home, environment), *_paths(settings.readable)]
    if home and home in settings.root.resolve().parents:
        readable.append(settings.root)
    return Confinement(
        writable=tuple(map(str, _paths(settings.writable))),
        hidden=tuple(map(str, hidden)),
        readable=tuple(map(str, readable)),
    )


def _paths(listed: str) -> list[Path]:
    return [Path(path) for path in listed.split(os.pathsep) if path]


def _tools(home: Path | None, environment: Mapping[str, str]) -> list[Path]:
    """What the programs on PATH, and the interpreter that we run in, need to be read."""
    found = {Path(sys.prefix), Path(sys.base_prefix)}
    for folder in _paths(environment.get("PATH", "")):
        found.update(_needed_by(target, home) for target in _program_folders(folder))
    if virtual := environment.get("VIRTUAL_ENV"):
        found.add(Path(virtual))
    return sorted(each for each in found if not _holds(each, home))


def _program_folders(folder: Path) -> Iterator[Path]:
    """The folder itself, and those in which the programs lie that it links to."""
    yield folder.resolve()
    with suppress(OSError), os.scandir(folder) as entries:
        yield from {Path(os.path.realpath(entry.path)).parent for entry in entries if entry.is_symlink()}


def _needed_by(folder: Path, home: Path | None) -> Path:
    """The whole that a folder of programs is part of, such as a virtual environment."""
    is_part = folder.name in {"bin", "sbin", "shims"}
    whole = folder.parent
    return folder if not is_part or whole.name in _KEEPS_SECRETS or _holds(whole, home) else whole


def _holds(folder: Path, home: Path | None) -> bool:
    """The folder is the user's home, or above it: to open it would open everything."""
    return home is not None and (folder == home or folder in home.parents)


def with_writable(confinement: Confinement, folders: Iterable[Path]) -> Confinement:
    """The same rules, with some folders more that may be written."""
    return Confinement(
        writable=(*confinement.writable, *map(str, folders)),
        hidden=confinement.hidden,
        readable=confinement.readable,
    )
