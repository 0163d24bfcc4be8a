"""What an attempt wrote inside its scope and was not taken is named, beside what was."""

from pathlib import Path

import pytest
from taken_attempts import take

from swarm.repo.hub.hub import Hub
from swarm.repo.workspaces.workspace import Workspace, open_workspace
from swarm.testing.repository import UserRepository

SUBMODULE = "src/sub/ (a submodule: no attempt moves it)"


def test_what_was_ignored_is_named_though_something_else_was_taken(hub: Hub, workspace: Workspace) -> None:
    """Half of a change is missing on the branch. Caches, and what is outside the scope, nobody misses."""
    for name in ("src/build/made.js", "src/trace.log", "src/__pycache__/a.pyc", "src/x.pyc", "docs/deep.log"):
        path = workspace.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x\n")
    (workspace.tree / "src/a.py").write_text("a = 2\n")

    taken = take(hub, workspace, "src/")

    assert taken.paths == ("src/a.py",)
    assert sorted(taken.left_out) == ["src/build/", "src/trace.log"]


@pytest.fixture
def with_submodule(hub: Hub, user: UserRepository, tmp_path: Path, way: str) -> Workspace:
    """A workspace whose base has a submodule."""
    user.write({".gitmodules": '[submodule "sub"]\n\tpath = src/sub\n\turl = ../sub\n'})
    user.git("add", ".gitmodules")
    user.git("update-index", "--add", "--cacheinfo", f"160000,{user.head()},src/sub")
    user.git("commit", "-q", "-m", "with a submodule")
    hub.import_base(user.path)
    return open_workspace(hub, user.head(), tmp_path / "work" / "two", may_mount=way == "overlay")


@pytest.mark.parametrize("does", ["fills", "removes"])
def test_half_of_a_change_that_is_in_a_submodule_is_named(
    hub: Hub, with_submodule: Workspace, does: str
) -> None:
    """What is beside it lands; the pointer stays where it was."""
    folder = with_submodule.tree / "src" / "sub"
    (folder / "made.py").write_text("x\n") if does == "fills" else folder.rmdir()
    (with_submodule.tree / "src/a.py").write_text("a = 2\n")

    taken, outside = take(hub, with_submodule, "src/"), take(hub, with_submodule, "src/a.py")

    assert (taken.paths, taken.left_out) == (("src/a.py",), (SUBMODULE,))
    assert (outside.paths, outside.left_out) == (("src/a.py",), ())


def test_a_submodule_that_nobody_has_touched_is_not_named(hub: Hub, with_submodule: Workspace) -> None:
    """It is an empty folder, as it was laid out."""
    (with_submodule.tree / "src/a.py").write_text("a = 2\n")

    assert take(hub, with_submodule, "src/").left_out == ()
