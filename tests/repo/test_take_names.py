"""What becomes of names that an agent gave its files, hostile ones too."""

import os
from pathlib import Path

from taken_attempts import take

from swarm.repo.git.tree import read_tree
from swarm.repo.hub.hub import Hub
from swarm.repo.workspaces.workspace import Workspace, open_workspace, remove_workspace
from swarm.testing.repository import UserRepository

PLAIN_NAMES = [
    b"a b", b'q"uote', b"back\\slash", b"-rf", b"--", b":(top)x", b"*", b"$(touch pwned)", "ünï".encode(),
    b"x" * 255, b" lead", b"trail ", b"...", b"%00", b"a'b", b"#x", b"!x", b"~", b"@{-1}",
]  # fmt: skip
UNPRINTABLE_NAMES = [b"new\nline", b"tab\t", b"latin-\xe9", b"\xff\xfe", b"\x01", "bidi\u202e".encode()]


def test_hostile_names_survive_the_round_trip(hub: Hub, workspace: Workspace) -> None:
    """Quotes, options, pathspec magic and shell syntax are only bytes."""
    for name in PLAIN_NAMES:
        Path(os.fsdecode(os.fsencode(workspace.tree) + b"/src/" + name)).write_bytes(name)

    taken = take(hub, workspace, "src")

    assert taken.commit is not None
    assert sorted(os.fsencode(path) for path in taken.paths) == sorted(b"src/" + name for name in PLAIN_NAMES)
    entries = read_tree(hub.git, taken.commit)
    assert all(hub.git.run("cat-file", "blob", entries[b"src/" + name].oid) == name for name in PLAIN_NAMES)


def test_unreadable_names_of_the_base_do_not_stop_an_attempt(
    hub: Hub, user: UserRepository, tmp_path: Path, way: str
) -> None:
    """A repository that holds such names already can still be worked on."""
    for name in UNPRINTABLE_NAMES:
        Path(os.fsdecode(os.fsencode(user.path) + b"/src/" + name)).write_bytes(name)
    base = user.commit({}, "hostile names")
    hub.import_base(user.path)
    workspace = open_workspace(hub, base, tmp_path / "work" / "hostile", may_mount=way == "overlay")
    (workspace.tree / "src/a.py").write_text("a = 2\n")

    taken = take(hub, workspace, "src")

    assert taken.paths == ("src/a.py",)
    assert {b"src/" + name for name in UNPRINTABLE_NAMES} < read_tree(hub.git, str(taken.commit)).keys()


def test_a_submodule_cannot_be_replaced(hub: Hub, user: UserRepository, tmp_path: Path, way: str) -> None:
    """A file where the base has a submodule, or above it, is refused."""
    (user.path / "deep/sub").mkdir(parents=True)
    user.git("update-index", "--add", "--cacheinfo", f"160000,{user.head()},deep/sub")
    base = user.commit({}, "with a submodule")
    hub.import_base(user.path)
    workspace = open_workspace(hub, base, tmp_path / "work" / "sub", may_mount=way == "overlay")
    remove_workspace(workspace.tree / "deep")
    (workspace.tree / "deep").write_text("x")

    taken = take(hub, workspace, "**")

    assert taken.refused == ("deep/sub: the submodule's folder was replaced",)


def test_folders_without_end_are_refused(hub: Hub, workspace: Workspace) -> None:
    """A chain of folders deeper than Python can recurse ends the attempt, not the worker."""
    folder_fd = os.open(workspace.tree / "src", os.O_RDONLY)
    for _ in range(1100):
        os.mkdir("d", dir_fd=folder_fd)
        deeper_fd = os.open("d", os.O_RDONLY, dir_fd=folder_fd)
        os.close(folder_fd)
        folder_fd = deeper_fd
    os.close(folder_fd)

    taken = take(hub, workspace, "**")
    remove_workspace(workspace.tree)

    assert len(taken.refused) == 1
    assert "nested deeper than" in taken.refused[0]
    assert not workspace.tree.exists()
