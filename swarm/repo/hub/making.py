"""Making a hub: whole or not at all, whoever else makes it at the same time."""

import shutil
import tempfile
from pathlib import Path

from swarm.errors import RepositoryError
from swarm.repo.git.command import Git

RAW_ATTRIBUTES = "* -text -eol -filter -ident -working-tree-encoding\n"
"""In `info/attributes`, which overrides every .gitattributes: files are the blobs' bytes."""


def make_hub(path: Path) -> None:
    """Make an empty hub at an absolute path, unless there is one; its folder hides from the user's git.

    Raises:
        RepositoryError: something else is there.
    """
    if (path / "HEAD").exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    _hide_from_git(path.parent)
    made = Path(tempfile.mkdtemp(prefix=f"{path.name}.new-", dir=path.parent))
    try:
        Git().run("init", "--quiet", "--bare", "--template=", str(made))
        (made / "info").mkdir()
        (made / "info" / "attributes").write_text(RAW_ATTRIBUTES)
        git = Git.at(made)
        git.run("config", "core.fsync", "committed")  # landings outlive a power cut
        git.run("config", "core.logAllRefUpdates", "false")
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    _move_into_place(made, path)


def _hide_from_git(home: Path) -> None:
    """Keep swarm's folder out of the user's `git status`."""
    ignore = home / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n")


def _move_into_place(made: Path, path: Path) -> None:
    """Publish a finished hub; another process may have been faster."""
    try:
        made.rename(path)
    except OSError as error:
        shutil.rmtree(made)
        if not (path / "HEAD").exists():
            raise RepositoryError(
                f"{str(path)!r} is in the way: it is not a git repository",
                hint="move it away and try again",
            ) from error
