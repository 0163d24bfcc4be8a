"""Workspaces: exact copies of a commit that share nothing with the hub."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from swarm.repo.git.command import GitError
from swarm.repo.git.tree import read_tree
from swarm.repo.hub.hub import Hub
from swarm.repo.workspaces.scan import snapshot_tree
from swarm.repo.workspaces.template import TEMPLATES_KEPT, TEMPLATES_NAME
from swarm.repo.workspaces.workspace import Workspace, open_workspace, remove_workspace
from swarm.testing.repository import UserRepository


def templates(hub: Hub) -> list[str]:
    """The finished and unfinished templates."""
    return sorted(path.name for path in (hub.home / TEMPLATES_NAME).iterdir() if path.is_dir())


def test_files_are_the_blobs_bytes(user: UserRepository, hub: Hub, tmp_path: Path, way: str) -> None:
    """No attribute of the repository converts line ends or keywords."""
    content = b"one\r\ntwo $Id$\n"
    user.write({"crlf.txt": content, "lf.txt": "a\nb\n"})
    user.git("add", "-A")
    user.git("commit", "-qm", "text")
    base = user.commit({".gitattributes": "* text eol=crlf ident\n"})
    hub.import_base(user.path)

    tree = open_workspace(hub, base, tmp_path / "work" / "one", may_mount=way == "overlay").tree

    assert (tree / "lf.txt").read_bytes() == b"a\nb\n"
    for path in read_tree(hub.git, base):
        assert (tree / os.fsdecode(path)).read_bytes() == hub.read_blob(base, os.fsdecode(path))


def test_what_nobody_has_touched_need_not_be_read(workspace: Workspace) -> None:
    """All that was laid out is older than whatever comes later, by a tick of the file system's clock."""
    laid_out, began = snapshot_tree(workspace.tree), workspace.laid_out.stamps()

    (workspace.tree / "README.md").chmod(0o644)  # as it was

    assert laid_out.keys() == began.keys()
    assert all(began[path].describes(stamp) for path, stamp in laid_out.items())
    assert all(stamp.ctime_ns <= workspace.taken_ns for stamp in laid_out.values())
    assert (workspace.tree / "README.md").stat().st_ctime_ns > workspace.taken_ns


def test_the_agent_has_a_clean_repository_without_a_remote(
    user: UserRepository, workspace: Workspace
) -> None:
    """`git status` and `git diff` work for the agent; there is nowhere to push."""
    work = UserRepository(workspace.tree)

    assert work.head() == user.head()
    assert work.git("status", "--porcelain") == b""
    assert work.git("remote") == b""
    assert not (work.path / ".git/objects/info/alternates").exists()
    assert work.git("rev-list", "--count", "HEAD") == b"1\n"


def test_a_workspace_shares_no_file_with_hub_or_template(
    user: UserRepository, hub: Hub, tmp_path: Path, workspace: Workspace
) -> None:
    """Writing to everything in one workspace reaches neither the hub nor the next workspace."""
    for folder, _, files in os.walk(workspace.tree):
        for path in (Path(folder, name) for name in files):
            path.chmod(0o600)
            path.write_bytes(b"overwritten")

    second = UserRepository(open_workspace(hub, user.head(), tmp_path / "work" / "two").tree)

    assert second.git("status", "--porcelain") == b""
    hub.git.run("fsck", "--strict")


def test_many_workspaces_at_once_share_one_template(user: UserRepository, hub: Hub, tmp_path: Path) -> None:
    """Whoever comes first makes it, the others wait; nothing half-made stays."""
    with ThreadPoolExecutor(6) as pool:
        made = list(
            pool.map(lambda n: open_workspace(hub, user.head(), tmp_path / "work" / str(n)), range(6))
        )

    assert all((each.tree / "src/a.py").read_text() == "a = 1\n" for each in made)
    assert templates(hub) == [user.head()]
    names = {path.name for path in (tmp_path / "work").iterdir()}
    assert {name.removesuffix(".layers") for name in names} == {str(n) for n in range(6)}


def test_halves_that_share_folders_are_unpacked_beside_each_other(
    user: UserRepository, hub: Hub, tmp_path: Path
) -> None:
    """A tar gives up a file whose folder the other one makes at that moment: they are there before."""
    files = {f"a/b/{number:02}": "x\n" for number in range(40)}
    base = user.commit({**files, "a/b/c/last": "x\n", "z/last": "x\n"})
    hub.import_base(user.path)

    for number in range(60):
        tree = open_workspace(hub, base, tmp_path / "work" / str(number), may_mount=False).tree
        assert len(list((tree / "a" / "b").iterdir())) == 41

    [template] = (path for path in (hub.home / TEMPLATES_NAME).iterdir() if path.is_dir())
    assert (template / "shared").read_bytes().split(b"\0")[:-1] == [b"./a", b"./a/b"]


def test_old_templates_go_and_what_killed_makers_left_goes_too(
    user: UserRepository, hub: Hub, tmp_path: Path
) -> None:
    """The newest few stay; the disk does not fill up with the run."""
    folder = hub.home / TEMPLATES_NAME
    folder.mkdir()
    (folder / f"{user.head()}.killed").mkdir()
    (folder / f"{user.head()}.killed" / "file").write_text("x")
    bases = [user.commit({"n": str(n)}) for n in range(TEMPLATES_KEPT + 2)]
    for base in bases:
        hub.import_base(user.path, base)
        open_workspace(hub, base, tmp_path / "work" / "one")

    assert len(templates(hub)) == TEMPLATES_KEPT
    assert bases[-1] in templates(hub)
    assert not any("." in name for name in templates(hub))


def test_a_leftover_of_an_earlier_attempt_is_replaced(
    user: UserRepository, hub: Hub, workspace: Workspace, way: str
) -> None:
    """A killed worker's folder does not stand in the way, and nothing of it is kept."""
    (workspace.tree / "left-over").write_text("x")
    (workspace.tree / "README.md").unlink()

    open_workspace(hub, user.head(), workspace.tree, may_mount=way == "overlay")

    assert not (workspace.tree / "left-over").exists()
    assert (workspace.tree / "README.md").read_text() == "hello\n"


def test_an_unknown_base_leaves_nothing(hub: Hub, tmp_path: Path) -> None:
    """A commit that the hub does not have is an error, not an empty workspace."""
    with pytest.raises(GitError):
        open_workspace(hub, "1" * 40, tmp_path / "work" / "one")

    assert list((tmp_path / "work").iterdir()) == []
    assert templates(hub) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user to feel file modes")
def test_read_only_folders_can_be_removed(tmp_path: Path) -> None:
    """What an agent made unwritable, as package managers do, does not stay."""
    tmp_path.chmod(0o777)
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from swarm.repo.workspaces.workspace import remove_workspace\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "top = Path(sys.argv[1])\n"
        "(top / 'a/b').mkdir(parents=True)\n"
        "(top / 'a/b/file').write_text('x')\n"
        "(top / 'a/link').symlink_to('/etc')\n"
        "for path in (top / 'a/b', top / 'a', top): path.chmod(0)\n"
        "remove_workspace(top)\n"
    )
    for path in (tmp_path, *tmp_path.parents[:3]):
        path.chmod(path.stat().st_mode | 0o711)

    finished = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "one")],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert finished.stderr == ""
    assert not (tmp_path / "one").exists()


def test_removing_follows_no_link(tmp_path: Path) -> None:
    """A link to a folder is removed, not what it points to."""
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/file").write_text("x")
    (tmp_path / "one").mkdir()
    (tmp_path / "one/link").symlink_to(tmp_path / "precious")

    remove_workspace(tmp_path / "one")
    remove_workspace(tmp_path / "one")

    assert (tmp_path / "precious/file").read_text() == "x"
