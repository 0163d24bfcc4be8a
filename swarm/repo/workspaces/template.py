"""Templates: one finished checkout per base commit, shown or copied instead of checked out again.

A template is a shallow clone that shares nothing with the hub and knows no remote: `tree`, its files;
`git`, a folder that holds its `.git`; `stamps`, those of its files; `listing`, what its commit holds. These
are never written to again. (Layers upon it that follow a branch have a module of their own, `advance`.)
Once a copy is wanted, both folders are packed as well. Each template is guarded by a flock: exclusive
while it is made or removed, shared while a checkout is made of it.
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
from typing import NamedTuple

from swarm.mounts import is_shown
from swarm.removal import remove_tree
from swarm.repo.git.command import FETCH_ONLY, Git, GitError
from swarm.repo.git.tree import list_tree
from swarm.repo.hub.hub import Hub
from swarm.repo.hub.making import RAW_ATTRIBUTES
from swarm.repo.workspaces.overlay import lay_over, why_not
from swarm.repo.workspaces.scan import Stamp, snapshot_tree
from swarm.repo.workspaces.stamps import decode_stamps, encode_stamps

TEMPLATES_NAME = "templates"
TEMPLATES_KEPT = 4
PROBE = "probe"
TREE = "tree"
_GIT, _STAMPS, _LISTING = "git", "stamps", "listing"
_PARTS = ("tree.0.tar", "tree.1.tar")
"""Of the tree, half of it each: they are unpacked beside each other."""
_PACKED_GIT = "git.tar"
_SHARED = "shared"
"""The folders that both halves have something in, those above first."""
_TAR = ("tar", "--force-local")
_NAMED = ("--no-recursion", "--null", "--files-from=-")
_AS_NEW = ("--no-same-owner", "--no-same-permissions")
"""What a new file has anyway, and what takes as long to set as the content to write."""

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


class LaidOut(NamedTuple):
    """What is known of a fresh checkout without a look at it."""

    is_overlay: bool
    listing: bytes  # of its commit, for `decode_entries`
    template_stamps: bytes  # for `decode_stamps`

    def stamps(self) -> dict[bytes, Stamp]:
        """The stamps of its files; of a copy's without ctime and inode."""
        return decode_stamps(self.template_stamps, is_copy=not self.is_overlay)


def lay_out(hub: Hub, commit: str, folder: Path, *, may_mount: bool) -> LaidOut:
    """Make `folder` a fresh checkout of `commit` with a `.git`: an overlay of its template, else a copy.

    Args:
        hub: where the commit is, and beside it the templates.
        commit: its id.
        folder: must not exist; does not afterwards, when this raises.
        may_mount: False where somebody uses the checkout who may not see what is mounted.

    Raises:
        GitError: the commit is not in the hub, or the copy failed (a full disk).
    """
    is_overlay = may_mount and not why_copied(hub)
    with shared_template(hub, commit, packed=not is_overlay) as template:
        if is_overlay:
            lay_over(folder, [template / _GIT, template / TREE])
        else:
            _unpack(template, [*_PARTS, _PACKED_GIT], folder)
        return LaidOut(is_overlay, (template / _LISTING).read_bytes(), (template / _STAMPS).read_bytes())


def why_copied(hub: Hub) -> str:
    """Why checkouts in this hub's folder are copies; empty when they are overlays."""
    folder = hub.home / TEMPLATES_NAME
    folder.mkdir(exist_ok=True)
    with _locked(folder, PROBE, fcntl.LOCK_SH):
        return why_not(folder)


def _unpack(template: Path, archives: list[str], folder: Path) -> None:
    """Unpack these into a new folder, beside each other; it appears complete or not at all."""
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    files = [template / each for each in archives]
    try:
        # tar gives a file up whose folder another one makes at this moment.
        for shared in (template / _SHARED).read_bytes().split(b"\0")[:-1]:
            Path(made, os.fsdecode(shared)).mkdir()
        _run_all([[*_TAR, f"--file={each}", "--extract", f"--directory={made}", *_AS_NEW] for each in files])
        made.chmod(0o755)
        made.rename(folder)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def _pack(template: Path) -> None:
    """Store what copies are unpacked from: `cp`, which opens each file besides, takes twice as long."""
    names = _names_in(template / TREE)
    step = len(names) // len(_PARTS) + 1
    parts = [names[number * step :][:step] for number in range(len(_PARTS))]
    for part, archive in zip(parts, _PARTS, strict=True):
        _archive(template / TREE, part, template / archive)
    shared = set.intersection(*map(_folders_above, parts))
    (template / _SHARED).write_bytes(b"".join(each + b"\0" for each in sorted(shared)))
    _archive(template / _GIT, _names_in(template / _GIT), template / _PACKED_GIT)


def _folders_above(names: list[bytes]) -> set[bytes]:
    """Every folder that has one of these in it, however deep, as a path of its own."""
    found: set[bytes] = set()
    for name in names:
        folder = name.rpartition(b"/")[0]
        while folder not in {b"", b"."} and folder not in found:
            found.add(folder)
            folder = folder.rpartition(b"/")[0]
    return found


def _names_in(tree: Path) -> list[bytes]:
    """Every file and link below a folder, and every empty folder, as `./<path>`; neighbours stay together."""
    found: list[str] = []
    for folder, folders, files in os.walk(tree):
        folders.sort()
        at = "." + folder.removeprefix(str(tree))
        links = [name for name in folders if Path(folder, name).is_symlink()]
        found += [f"{at}/{name}" for name in (*files, *links)]
        found += [] if files or folders else [at]
    return [os.fsencode(name) for name in found]


def _archive(folder: Path, names: list[bytes], archive: Path) -> None:
    part = archive.with_suffix(".part")
    argv = [*_TAR, f"--file={part}", "--create", f"--directory={folder}", *_NAMED]
    answer = subprocess.run(
        argv, input=b"".join(name + b"\0" for name in names), capture_output=True, check=False
    )
    if answer.returncode:
        raise GitError(argv, answer.returncode, answer.stderr)
    part.rename(archive)


def _run_all(argvs: list[list[str]]) -> None:
    """Run commands beside each other, to their ends."""
    processes = [subprocess.Popen(argv, stderr=subprocess.PIPE) for argv in argvs]
    said = [process.communicate()[1] for process in processes]
    for argv, process, stderr in zip(argvs, processes, said, strict=True):
        if process.returncode:
            raise GitError(argv, process.returncode, stderr)


def drop_old_templates(hub: Hub, *, keep: int = TEMPLATES_KEPT) -> None:
    """Remove all but the most recently used templates, and what killed makers left; skip those in use."""
    folder = hub.home / TEMPLATES_NAME
    found = [path for path in folder.iterdir() if path.is_dir()]
    newest = sorted((path for path in found if "." not in path.name), key=_used_at, reverse=True)
    for path in {*found} - {*newest[:keep]}:
        with contextlib.suppress(BlockingIOError), _locked(folder, path.name, fcntl.LOCK_EX | fcntl.LOCK_NB):
            # Under the lock nobody can lay a checkout over it between this look and its end.
            if path not in newest or not is_shown(path):
                remove_tree(path)


@contextlib.contextmanager
def shared_template(hub: Hub, commit: str, *, packed: bool = False) -> Iterator[Path]:
    """The template of a commit, made if missing, and kept from removal while in use."""
    folder = hub.home / TEMPLATES_NAME
    folder.mkdir(exist_ok=True)
    template = folder / commit
    while True:
        with _locked(folder, commit, fcntl.LOCK_SH):
            if _is_finished(template, packed=packed):
                os.utime(template)  # its own folder is shown by no overlay
                yield template
                return
        with _locked(folder, commit, fcntl.LOCK_EX):
            if not _is_finished(template):
                remove_tree(template)  # of a former layout
                _make_template(hub, commit, template)
            if packed:
                _pack(template)
        drop_old_templates(hub)


def _make_template(hub: Hub, commit: str, template: Path) -> None:
    made = Path(tempfile.mkdtemp(prefix=f"{commit}.", dir=template.parent))
    try:
        tree, git_dir = made / TREE, made / _GIT / ".git"
        tree.mkdir()
        git_dir.parent.mkdir()
        object_format = hub.git.one_line("rev-parse", "--show-object-format")
        Git().run(
            "init",
            "--quiet",
            "--bare",
            "--template=",
            f"--object-format={object_format}",
            "-b",
            "work",
            str(git_dir),
        )
        git = Git.at(git_dir, work_tree=tree)
        git.run(*FETCH_ONLY, "--depth=1", "--", str(hub.path), commit)
        (git_dir / "info").mkdir(exist_ok=True)
        (git_dir / "info" / "attributes").write_text(RAW_ATTRIBUTES)
        git.run("update-ref", "--no-deref", "HEAD", commit)
        git.run("read-tree", "HEAD")
        git.run("checkout-index", "--all", "--force")
        _age_files(tree)
        _write_config(git_dir / "config", object_format)
        git.run("update-index", "-q", "--really-refresh")
        (made / _STAMPS).write_bytes(encode_stamps(snapshot_tree(tree)))
        (made / _LISTING).write_bytes(list_tree(hub.git, commit))
        made.chmod(0o755)
        made.rename(template)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def _is_finished(template: Path, *, packed: bool = False) -> bool:
    return all((template / part).exists() for part in (_LISTING, *[_PACKED_GIT, _SHARED] * packed))


def _write_config(path: Path, object_format: str) -> None:
    extension = "" if object_format == "sha1" else f"[extensions]\n\tobjectFormat = {object_format}\n"
    path.write_text(_CONFIG.format(format=1 if extension else 0) + extension)


def _age_files(tree: Path) -> None:
    then = int(time.time()) - _AGE_S  # tar keeps whole seconds
    for folder, _, files in os.walk(tree):
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
