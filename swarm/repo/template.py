"""Workspaces' templates: one finished checkout per base commit, copied instead of checked out again.

A template is a shallow clone that shares nothing with the hub and knows no remote. Its folder is
guarded by a flock: exclusive while it is made or removed, shared while it is copied.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from swarm.repo.git import FETCH_ONLY, Git, GitError
from swarm.repo.hub import RAW_ATTRIBUTES, Hub

TEMPLATES_NAME = "templates"
TEMPLATES_KEPT = 4

_CONFIG = """\
[core]
\trepositoryformatversion = {format}
\tfilemode = true
\tbare = false
\tlogallrefupdates = true
\ttrustctime = false
\tcheckStat = minimal
[gc]
\tauto = 0
[user]
\tname = agent
\temail = agent@localhost
"""
"""`checkStat = minimal`: an agent's `git status` need not read every file again after the copy."""

_AGE_S = 10  # files are made to look this old, so that git does not take them for racily clean


def copy_template(hub: Hub, commit: str, folder: Path) -> None:
    """Make `folder` a fresh checkout of `commit`, complete or not at all.

    Raises:
        GitError: the commit is not in the hub, or the copy failed (a full disk).
    """
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        with _shared_template(hub, commit) as template:
            argv = ["cp", "-a", "--reflink=auto", "-T", "--", str(template), str(made)]
            subprocess.run(argv, capture_output=True, check=True)
        made.rename(folder)
    except subprocess.CalledProcessError as error:
        shutil.rmtree(made, ignore_errors=True)
        raise GitError(argv, error.returncode, error.stderr) from error
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def drop_old_templates(hub: Hub, *, keep: int = TEMPLATES_KEPT) -> None:
    """Remove all but the most recently used templates, and what killed makers left; skip those in use."""
    folder = hub.home / TEMPLATES_NAME
    found = [path for path in folder.iterdir() if path.is_dir()]
    newest = sorted((path for path in found if "." not in path.name), key=_used_at, reverse=True)
    for path in {*found} - {*newest[:keep]}:
        with contextlib.suppress(BlockingIOError), _locked(folder, path.name, fcntl.LOCK_EX | fcntl.LOCK_NB):
            shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _shared_template(hub: Hub, commit: str) -> Iterator[Path]:
    """The template of a commit, made if missing, and kept from removal while in use."""
    folder = hub.home / TEMPLATES_NAME
    folder.mkdir(exist_ok=True)
    template = folder / commit
    while True:
        with _locked(folder, commit, fcntl.LOCK_SH):
            if template.exists():
                os.utime(template)
                yield template
                return
        with _locked(folder, commit, fcntl.LOCK_EX):
            if not template.exists():
                _make_template(hub, commit, template)
        drop_old_templates(hub)


def _make_template(hub: Hub, commit: str, template: Path) -> None:
    made = Path(tempfile.mkdtemp(prefix=f"{commit}.", dir=template.parent))
    try:
        object_format = hub.git.one_line("rev-parse", "--show-object-format")
        Git().run(
            "init", "--quiet", "--template=", f"--object-format={object_format}", "-b", "work", str(made)
        )
        git = Git.at(made / ".git", work_tree=made)
        git.run(*FETCH_ONLY, "--depth=1", "--", str(hub.path), commit)
        (made / ".git" / "info").mkdir(exist_ok=True)
        (made / ".git" / "info" / "attributes").write_text(RAW_ATTRIBUTES)
        git.run("update-ref", "--no-deref", "HEAD", commit)
        git.run("read-tree", "HEAD")
        git.run("checkout-index", "--all", "--force")
        _age_files(made)
        _write_config(made / ".git" / "config", object_format)
        git.run("update-index", "-q", "--really-refresh")
        made.chmod(0o755)
        made.rename(template)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def _write_config(path: Path, object_format: str) -> None:
    extension = "" if object_format == "sha1" else f"[extensions]\n\tobjectFormat = {object_format}\n"
    path.write_text(_CONFIG.format(format=1 if extension else 0) + extension)


def _age_files(tree: Path) -> None:
    then = time.time() - _AGE_S
    for folder, names, files in os.walk(tree):
        if ".git" in names and Path(folder) == tree:
            names.remove(".git")
        for name in files:
            os.utime(Path(folder, name), (then, then), follow_symlinks=False)


def _used_at(path: Path) -> float:
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_mtime
    return 0.0


@contextlib.contextmanager
def _locked(folder: Path, name: str, operation: int) -> Iterator[None]:
    """Hold the flock of the templates whose name begins like this one; 256 lock files, never removed."""
    lock_fd = os.open(folder / f"lock-{name[:2]}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock_fd, operation)
        yield
    finally:
        os.close(lock_fd)
