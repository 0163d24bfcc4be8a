"""The checkouts that gates run in: the tree and nothing else, whatever it has of its base."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from itertools import pairwise, permutations
from pathlib import Path

import pytest
from bare_hub import Bare

from swarm.mounts import overlays, unmount_in
from swarm.repo.git.command import Git
from swarm.repo.hub.hub import Hub
from swarm.repo.workspaces.checkout import GATES_NAME, clean_checkout, sweep_checkouts
from swarm.repo.workspaces.overlay import layers_of
from swarm.repo.workspaces.scan import snapshot_tree
from swarm.repo.workspaces.template import TEMPLATES_NAME
from swarm.testing.repository import UserRepository


@pytest.fixture(autouse=True)
def _unmounted(tmp_path: Path) -> Iterator[None]:
    """No checkout stays mounted."""
    yield
    unmount_in(tmp_path)


def laid_out(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Everything in a folder, empty folders too: path -> mode, and content or target."""
    found = {}
    for path in folder.rglob("*"):
        mode = path.lstat().st_mode
        content = bytes(path.readlink()) if path.is_symlink() else b"" if path.is_dir() else path.read_bytes()
        found[str(path.relative_to(folder))] = (mode, content)
    return found


def checked_out(hub: Hub, tree: str, folder: Path) -> dict[str, tuple[int, bytes]]:
    """The same of a checkout by git alone, from nothing."""
    folder.mkdir()
    index = {"GIT_INDEX_FILE": f"{folder}.index"}
    git = Git.at(hub.path, work_tree=folder)
    git.run("read-tree", tree, env=index)
    git.run("checkout-index", "--all", env=index)
    return laid_out(folder)


@pytest.fixture
def changed(user: UserRepository, hub: Hub) -> tuple[str, str]:
    """A base, and a commit that differs from it in every way that there is."""
    user.write(
        {
            "kept.txt": "kept\n",
            "edited.txt": "one\n",
            "run.sh": "#!/bin/sh\n",
            "becomes": "a file\n",
            "was/deep/folder.txt": "x\n",
            "only/deep/gone.txt": "x\n",
            "crlf.txt": b"a\r\n",
        }
    )
    (user.path / "link").symlink_to("kept.txt")
    (user.path / "real").symlink_to("src")
    user.git("add", "-A")
    for name in ("sub", "lost", "grown", "mods/deep/gone"):
        user.git("update-index", "--add", "--cacheinfo", f"160000,{user.head()},{name}")
    user.git("commit", "-qm", "base")
    base = user.head()
    for name in ("becomes", "only/deep/gone.txt", "was/deep/folder.txt", "link", "real"):
        (user.path / name).unlink()
    (user.path / "was/deep").rmdir()
    (user.path / "was").rmdir()
    (user.path / "run.sh").chmod(0o755)
    (user.path / "real").mkdir()
    (user.path / "link").symlink_to("edited.txt")
    user.write({"edited.txt": "two\n", "becomes/a/folder": "x\n", "was": "a file\n", "real/new.txt": "x\n"})
    user.write({".gitattributes": "* text eol=crlf\n", "über/neu\nline": "x\n", "crlf.txt": b"b\r\n"})
    user.git("rm", "-q", "--cached", "lost", "grown", "mods/deep/gone")
    user.write({"grown/file": "x\n"})
    user.git("add", "-A", ":!sub")
    user.git("update-index", "--cacheinfo", f"160000,{base},sub")
    user.git("commit", "-qm", "changed")
    hub.import_base(user.path)
    return base, user.head()


def test_a_checkout_is_what_git_would_lay_out(
    hub: Hub, changed: tuple[str, str], tmp_path: Path, way: str
) -> None:
    """To the byte, the mode and the empty folder, in both directions and without any difference."""
    for number, (base, tree) in enumerate((changed, changed[::-1], changed[:1] * 2)):
        expected = checked_out(hub, tree, tmp_path / f"expected-{number}")

        with clean_checkout(hub, tree, base=base, may_mount=way == "overlay") as checkout:
            found = laid_out(checkout)

        assert found == expected


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_what_has_landed_since_changes_no_checkout(
    hub: Hub, user: UserRepository, changed: tuple[str, str], tmp_path: Path, order: tuple[int, int, int]
) -> None:
    """Whatever commit is said to be nearer, and whatever was kept of another one before."""
    between = user.commit({"edited.txt": "three\n", "new/deep.txt": "x\n", "was": "another\n"})
    hub.import_base(user.path)
    commits = [[*changed, between][number] for number in order]
    expected = {tree: checked_out(hub, tree, tmp_path / tree) for tree in commits}

    for since in (*commits, "", *reversed(commits)):
        for tree in commits:
            with clean_checkout(hub, tree, base=commits[0], since=since) as checkout:
                assert laid_out(checkout) == expected[tree], (since, tree)


def landing(user: UserRepository, hub: Hub, number: int) -> str:
    """One more commit of five new files, one that goes on changing, and one that goes."""
    files = {f"landed/{number}-{name}.txt": f"{name}\n" for name in range(5)}
    user.git("rm", "-q", "--ignore-unmatch", f"landed/{number - 2}-0.txt")
    commit = user.commit({**files, "edited.txt": f"{number}\n"})
    hub.import_base(user.path)
    return commit


def test_what_has_landed_is_shown_and_not_written_again(
    hub: Hub, user: UserRepository, tmp_path: Path
) -> None:
    """A checkout's own layer holds what differs from the tip, however much that differs from the base."""
    base = landing(user, hub, 0)
    tip = base
    for number in range(1, 6):
        tree = landing(user, hub, number)
        with clean_checkout(hub, tree, base=base, since=tip) as checkout:
            own = [path for path in (layers_of(checkout) / "upper").rglob("*") if path.is_file()]
            assert laid_out(checkout) == checked_out(hub, tree, tmp_path / tree)
        assert len(own) == 6
        tip = tree


def test_what_is_shown_stays_as_it_is(hub: Hub, user: UserRepository, tmp_path: Path) -> None:
    """Gates that run ahead keep theirs while the branch goes on; who finds all in use takes what is there."""
    base, *trees = [landing(user, hub, number) for number in range(6)]
    expected = {tree: checked_out(hub, tree, tmp_path / tree) for tree in trees}
    with ExitStack() as held:
        checkouts = {}
        for since, tree in pairwise(trees):
            checkouts[tree] = held.enter_context(clean_checkout(hub, tree, base=base, since=since))
            assert {each: laid_out(folder) for each, folder in checkouts.items()} == {
                each: expected[each] for each in checkouts
            }


@pytest.mark.parametrize("left", [None, b"", b"another start of the machine\0"])
def test_a_layer_that_was_broken_off_is_made_anew(
    hub: Hub, user: UserRepository, tmp_path: Path, left: bytes | None
) -> None:
    """A kill, or a power cut, while somebody writes one leaves nobody who knows what is in it."""
    base, tip, tree = [landing(user, hub, number) for number in range(3)]
    with clean_checkout(hub, tree, base=base, since=tip):
        pass
    [listing] = (hub.home / TEMPLATES_NAME / base).glob("advance-*/listing")
    listing.unlink()
    if left is not None:
        listing.write_bytes(left)
    (listing.parent / "tree" / "rubbish.txt").write_text("x\n")

    with clean_checkout(hub, tree, base=base, since=tip) as checkout:
        found = laid_out(checkout)

    assert found == checked_out(hub, tree, tmp_path / tree)
    assert listing.exists()


def test_a_layer_that_cannot_be_written_is_done_without(
    hub: Hub, user: UserRepository, tmp_path: Path
) -> None:
    """It saves work, and is no reason not to land."""
    base, tip, tree = [landing(user, hub, number) for number in range(3)]
    with clean_checkout(hub, base, base=base):
        pass
    for number in range(2):
        (hub.home / TEMPLATES_NAME / base / f"advance-{number}").write_text("in the way\n")

    with clean_checkout(hub, tree, base=base, since=tip) as checkout:
        assert laid_out(checkout) == checked_out(hub, tree, tmp_path / tree)


def test_there_is_no_git_in_a_checkout_nor_above_it(hub: Hub, changed: tuple[str, str], way: str) -> None:
    """A gate that looks for a repository finds none in its tree, and none of the hub's objects."""
    base, tree = changed

    with clean_checkout(hub, tree, base=base, may_mount=way == "overlay") as checkout:
        names = {path.name for path in checkout.rglob("*")}
        asked = subprocess.run(
            ["git", "rev-parse", "--git-dir"],
            cwd=checkout,
            env={"PATH": os.environ["PATH"], "GIT_CEILING_DIRECTORIES": str(checkout.parent)},
            capture_output=True,
            check=False,
        )

    assert not names & {".git", "git", "objects", "refs"}
    assert asked.returncode == 128


def test_every_checkout_is_clean(hub: Hub, changed: tuple[str, str], way: str) -> None:
    """What a gate writes, deletes and renames is in no other checkout, before, beside or after it."""
    base, tree = changed
    lay_out = partial(clean_checkout, hub, tree, base=base, may_mount=way == "overlay")
    with lay_out() as beside:
        expected = laid_out(beside)
        with lay_out() as checkout:
            (checkout / "kept.txt").write_text("spoilt\n")
            (checkout / "edited.txt").unlink()
            (checkout / "src").rename(checkout / "moved")
        assert laid_out(beside) == expected
    with lay_out() as after:
        assert laid_out(after) == expected

    assert list((hub.home / GATES_NAME).iterdir()) == []
    assert not any(overlay.folder.is_relative_to(hub.home) for overlay in overlays())


DOOMED = """
import os, signal, sys
from pathlib import Path
from swarm.repo.workspaces.checkout import clean_checkout
from swarm.repo.hub.hub import Hub
hub, base = sys.argv[1:]
with clean_checkout(Hub(Path(hub)), base, base=base) as checkout:
    (checkout / "README.md").unlink()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_checkout_of_a_killed_merge_queue_is_swept(hub: Hub, user: UserRepository) -> None:
    """It is taken off and removed; the template that it showed stays whole."""
    killed = subprocess.run(
        [sys.executable, "-c", DOOMED, str(hub.path), user.head()],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    template = hub.home / TEMPLATES_NAME / user.head()
    before = snapshot_tree(template / "tree")
    left = list((hub.home / GATES_NAME).iterdir())

    sweep_checkouts(hub)

    assert killed.returncode == -signal.SIGKILL
    assert len(left) == 1
    assert list((hub.home / GATES_NAME).iterdir()) == []
    assert before
    assert snapshot_tree(template / "tree") == before


def test_a_checkout_of_a_bare_tree_needs_no_commit(tmp_path: Path) -> None:
    """The tree of a merge is judged before there is a commit of it."""
    bare = Bare(Hub.open_or_create(tmp_path / "home" / "repo.git"))
    base = bare.commit({"a": b"1\n", "b/c": b"1\n"})
    merged = bare.hub.git.one_line("rev-parse", bare.commit({"a": b"2\n"}, base) + "^{tree}")

    with clean_checkout(bare.hub, merged, base=base) as checkout:
        found = {path.name: path.read_bytes() for path in checkout.rglob("*")}

    assert found == {"a": b"2\n"}
