"""Where the repository around a folder is, whichever of its checkouts that folder is in."""

from pathlib import Path


def find_root(start: Path) -> Path:
    """The nearest folder at or above `start` that holds `.git`, else `start`; links followed.

    One repository has one name and one set of locks, however it was come to.
    """
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / ".git").exists():
            return folder
    return start


def find_main_worktree(root: Path) -> Path:
    """The folder that a linked worktree was made from; `root` itself for any other checkout.

    Worktrees share one repository, so they share its server, its runs and its locks.
    """
    try:
        pointer = (root / ".git").read_text(encoding="utf-8").removeprefix("gitdir:").strip()
        common = (
            root / pointer / (root / pointer / "commondir").read_text(encoding="utf-8").strip()
        ).resolve()
    except (OSError, UnicodeDecodeError):  # a folder, or a submodule's pointer
        return root
    return common.parent if common.name == ".git" else root
