"""What an overlay's walk passes over is what a look at every file would have found."""

import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from taken_attempts import REF, take

from swarm.mounts import unmount_in
from swarm.repo.git.tree import EXECUTABLE, read_blobs, read_tree
from swarm.repo.hub.hub import Hub
from swarm.repo.workspaces.overlay import layers_of, untouched_folders
from swarm.repo.workspaces.scan import snapshot_tree
from swarm.repo.workspaces.template import why_copied
from swarm.repo.workspaces.workspace import Workspace, open_workspace
from swarm.testing.repository import UserRepository

FOLDERS = ["a", "a/b", "a/b/c", "a/d", "e", "e/f"]


@pytest.fixture(autouse=True)
def _unmounted(tmp_path: Path) -> Iterator[None]:
    """No workspace stays mounted."""
    yield
    unmount_in(tmp_path)


@pytest.fixture
def deep(user: UserRepository, hub: Hub) -> str:
    """A base of folders in folders, whose files are alike but for a word."""
    base = user.commit(
        {f"{folder}/{name}.txt": f"{folder[-1]}{name}\n" for folder in FOLDERS for name in "xyz"}
    )
    hub.import_base(user.path)
    return base


def harm(tree: Path, rng: random.Random) -> None:
    """Do one of the things that agents and their tools do to files and folders; some are impossible."""
    inside = [path for path in tree.rglob("*") if ".git" not in path.parts]
    folders = [path for path in inside if path.is_dir()]
    one, other, into = rng.choice(inside), rng.choice(inside), rng.choice(folders)
    with suppress(OSError):
        rng.choice(DEEDS)(one, other, into)


def edit(one: Path, _other: Path, _into: Path) -> None:
    """Write something else, longer or not."""
    one.write_text("changed\n" if one.stat().st_size % 2 else "longer than it was\n")


def hide_edit(one: Path, _other: Path, _into: Path) -> None:
    """Write as much as there was, and put the time back."""
    before = one.stat()
    one.write_bytes(one.read_bytes().swapcase())
    os.utime(one, ns=(before.st_atime_ns, before.st_mtime_ns))


def swap(one: Path, other: Path, _into: Path) -> None:
    """Exchange two files, two folders, or one and the other."""
    aside = one.with_name("aside")
    for source, target in ((one, aside), (other, one), (aside, other)):
        source.rename(target)


def make_anew(one: Path, _other: Path, _into: Path) -> None:
    """Put another folder in a folder's place."""
    shutil.rmtree(one)
    one.mkdir()
    (one / "x.txt").write_text("made anew\n")


def copy(one: Path, _other: Path, into: Path) -> None:
    """Copy a folder to another place, but not into itself, which has no end."""
    if one not in {into, *into.parents}:
        shutil.copytree(one, into / "copied")


DEEDS: tuple[Callable[[Path, Path, Path], object], ...] = (
    edit,
    hide_edit,
    swap,
    make_anew,
    lambda one, _other, _into: one.chmod(0o755),
    lambda one, _other, _into: one.unlink(),
    lambda one, _other, _into: shutil.rmtree(one),
    lambda one, _other, into: one.rename(into / "moved"),
    lambda one, _other, into: os.link(one, into / "linked"),
    copy,
    lambda _one, _other, into: (into / "made").mkdir(),
)


@pytest.fixture
def harmed(hub: Hub, deep: str, tmp_path: Path) -> Iterator[tuple[int, Workspace]]:
    """Workspaces in which this and that was done, each with its seed."""

    def make() -> Iterator[tuple[int, Workspace]]:
        for seed in range(24):
            rng = random.Random(seed)
            workspace = open_workspace(hub, deep, tmp_path / "work" / "one")
            for _ in range(rng.randrange(1, 8)):
                harm(workspace.tree, rng)
            yield seed, workspace

    return make()


def test_an_attempt_holds_what_is_in_the_workspace(
    hub: Hub, deep: str, harmed: Iterator[tuple[int, Workspace]]
) -> None:
    """Whatever was moved over what: the commit's files are those in the tree, to the byte and the bit."""
    for seed, workspace in harmed:
        taken = take(hub, workspace, "**")

        entries = read_tree(hub.git, taken.commit or deep)
        blobs = read_blobs(hub.git, [entry.oid for entry in entries.values()])
        found = {
            path: (blob, entry.mode == EXECUTABLE)
            for (path, entry), blob in zip(entries.items(), blobs, strict=True)
        }
        files = [path for path in workspace.tree.rglob("*") if path.is_file() and ".git" not in path.parts]
        expected = {
            os.fsencode(path.relative_to(workspace.tree)): (
                path.read_bytes(),
                path.stat().st_mode & 0o100 > 0,
            )
            for path in files
        }
        assert (seed, taken.refused, found) == (seed, (), expected)


def test_an_untouched_folder_is_as_it_was(harmed: Iterator[tuple[int, Workspace]]) -> None:
    """Each file in it has the stamp that it began with, and none is missing or new."""
    for seed, workspace in harmed:
        untouched = untouched_folders(workspace.tree, set(map(str.encode, FOLDERS)))

        now, began = snapshot_tree(workspace.tree), workspace.laid_out.stamps()
        inside = {path for path in {*now, *began} if any(path.startswith(f + b"/") for f in untouched)}
        differing = [path for path in inside if now.get(path) != began.get(path)]
        assert (seed, differing) == (seed, [])


def test_most_is_passed_over(hub: Hub, deep: str, tmp_path: Path) -> None:
    """Of a tree with one edit only the folders on the way to it are looked into."""
    workspace = open_workspace(hub, deep, tmp_path / "work" / "one")
    if why := why_copied(hub):
        pytest.skip(f"no overlay here: {why}")
    (workspace.tree / "a/d/x.txt").write_text("changed\n")

    untouched = untouched_folders(workspace.tree, set(map(str.encode, FOLDERS)))

    assert untouched == {b"a/b", b"e"}


def test_of_a_copy_everything_is_looked_at(hub: Hub, workspace: Workspace, way: str) -> None:
    """Nothing beside it is believed, whoever has put it there."""
    if way == "copy":
        (layers_of(workspace.tree) / "upper").mkdir(parents=True)
    (workspace.tree / "src/a.py").write_text("a = 2\n")

    assert take(hub, workspace, "**").paths == ("src/a.py",)


def test_a_workspace_that_is_no_longer_mounted_is_not_taken(hub: Hub, workspace: Workspace, way: str) -> None:
    """An empty folder in its place is not an attempt that deletes everything; a copy was never mounted."""
    unmount_in(workspace.tree)

    with pytest.raises(OSError, match="not mounted any more") if way == "overlay" else nullcontext():
        assert take(hub, workspace, "**").commit is None


def test_a_folder_of_another_file_system_is_not_the_workspace(hub: Hub, workspace: Workspace) -> None:
    """Where no overlay can be made, too: it was one when the workspace was opened."""
    (workspace.tree / "README.md").unlink()

    with pytest.raises(OSError, match="not mounted any more"):
        take(hub, replace(workspace, device=workspace.device + 1), "**")

    assert hub.resolve(REF) is None
