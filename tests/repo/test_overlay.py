"""Workspaces that are laid over a template: it outlives them, and nothing of them outlives their removal."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from taken_attempts import take

from swarm.fleet.confinement import open_confinement
from swarm.fleet.leftovers import sweep_leftovers
from swarm.fleet.process import ProcessLauncher
from swarm.mounts import is_shown, overlays, unmount_in
from swarm.removal import remove_tree
from swarm.repo.hub.hub import Hub
from swarm.repo.workspaces.overlay import layers_of
from swarm.repo.workspaces.scan import Stamp, snapshot_tree
from swarm.repo.workspaces.stamps import decode_stamps
from swarm.repo.workspaces.template import TEMPLATES_KEPT, TEMPLATES_NAME, why_copied
from swarm.repo.workspaces.workspace import Workspace, open_workspace, remove_workspace
from swarm.sandbox.landlock import describe_landlock
from swarm.settings import load_settings
from swarm.testing.repository import UserRepository


@pytest.fixture(autouse=True)
def _unmounted(tmp_path: Path, hub: Hub) -> Iterator[None]:
    """Only where there are overlays; none stays mounted."""
    if why := why_copied(hub):
        pytest.skip(f"no overlay here: {why}")
    yield
    unmount_in(tmp_path)


@pytest.fixture
def laid(hub: Hub, user: UserRepository, tmp_path: Path) -> Workspace:
    """A workspace that is an overlay."""
    return open_workspace(hub, user.head(), tmp_path / "work" / "one")


def template_of(hub: Hub, commit: str) -> Path:
    """Where a commit's template is."""
    return hub.home / TEMPLATES_NAME / commit


def content(template: Path) -> dict[str, bytes]:
    """All files of a template."""
    return {str(path): path.read_bytes() for path in template.rglob("*") if path.is_file()}


def mounted(folder: Path) -> list[Path]:
    """What is mounted in a folder."""
    return [overlay.folder for overlay in overlays() if overlay.folder.is_relative_to(folder)]


def test_a_workspace_costs_what_is_changed_in_it(laid: Workspace) -> None:
    """Before that it holds no file of its own."""
    (laid.tree / "src/a.py").write_text("a = 2\n")

    kept = [path for path in (layers_of(laid.tree) / "upper").rglob("*") if path.is_file()]

    assert mounted(laid.tree) == [laid.tree]
    assert [path.name for path in kept] == ["a.py"]


def test_the_stamps_of_a_template_are_those_of_its_overlays(
    hub: Hub, user: UserRepository, laid: Workspace
) -> None:
    """They are read from a file, and are what a look at each file would find."""
    stored = decode_stamps((template_of(hub, user.head()) / "stamps").read_bytes())

    assert stored == laid.laid_out.stamps() == snapshot_tree(laid.tree)
    assert all(isinstance(stamp, Stamp) for stamp in stored.values())


def test_removing_a_workspace_leaves_the_template_as_it_was(
    hub: Hub, user: UserRepository, laid: Workspace
) -> None:
    """Whatever was deleted, written or renamed in it, and with all that is deleted of it in the end."""
    before = content(template_of(hub, user.head()))
    (laid.tree / "README.md").unlink()
    (laid.tree / "src").rename(laid.tree / "moved")
    (laid.tree / "moved/b.py").write_text("b = 2\n")

    remove_workspace(laid.tree)

    assert content(template_of(hub, user.head())) == before
    assert list(laid.tree.parent.iterdir()) == []
    assert mounted(laid.tree.parent) == []


DOOMED = """
import os, signal, sys
from pathlib import Path
from swarm.fleet.process_id import ProcessId
from swarm.repo.hub.hub import Hub
from swarm.repo.workspaces.workspace import open_workspace
hub, base, workspaces = sys.argv[1:]
tree = open_workspace(Hub(Path(hub)), base, Path(workspaces) / str(ProcessId.mine()) / "7").tree
(tree / "README.md").unlink()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_sweep_takes_off_what_a_killed_worker_had_mounted(
    hub: Hub, user: UserRepository, tmp_path: Path
) -> None:
    """It deletes nothing through the mount: the template is whole, and serves the next workspace."""
    workspaces = tmp_path / "work"
    killed = subprocess.run(
        [sys.executable, "-c", DOOMED, str(hub.path), user.head(), str(workspaces)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    (left,) = workspaces.iterdir()
    before = content(template_of(hub, user.head()))
    were_mounted = mounted(left)

    assert sweep_leftovers(workspaces) == [left.name]

    assert killed.returncode == -signal.SIGKILL
    assert were_mounted == [left / "7"]
    assert list(workspaces.iterdir()) == []
    assert content(template_of(hub, user.head())) == before
    assert (open_workspace(hub, user.head(), workspaces / "next").tree / "README.md").exists()


def test_a_workspace_that_is_still_used_can_be_removed(laid: Workspace) -> None:
    """A process that outlived its agent keeps what it has open, and keeps nothing else from going."""
    with (
        subprocess.Popen(["sleep", "60"], cwd=laid.tree) as sleeper,
        (laid.tree / "README.md").open() as file,
    ):
        remove_workspace(laid.tree)

        assert file.read() == "hello\n"
        sleeper.kill()
    assert list(laid.tree.parent.iterdir()) == []


def test_a_template_stays_for_as_long_as_a_workspace_shows_it(
    hub: Hub, user: UserRepository, laid: Workspace, tmp_path: Path
) -> None:
    """However many newer ones there are, and though no process holds it; then it goes like any other."""
    oldest = template_of(hub, user.head())
    others = [user.commit({"n": str(n)}) for n in range(TEMPLATES_KEPT + 2)]
    remaining = []
    for base in others:
        hub.import_base(user.path, base)
        remove_workspace(open_workspace(hub, base, tmp_path / "work" / "two").tree)
        remaining.append(oldest.exists())
        os.utime(oldest, (0, 0))
    shown = (laid.tree / "src/a.py").read_text()

    remove_workspace(laid.tree)
    hub.import_base(user.path, user.commit({"n": "last"}))
    open_workspace(hub, user.head(), tmp_path / "work" / "two")

    assert all(remaining)
    assert shown == "a = 1\n"
    assert not oldest.exists()


@pytest.mark.parametrize("removed", [".", "deep", "deep/theirs"])
def test_what_others_have_mounted_is_not_deleted(tmp_path: Path, removed: str) -> None:
    """The removal ends with an error instead, on the mount, right above it and further up."""
    folder = tmp_path / "one"
    theirs = folder / "deep" / "theirs"
    theirs.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "theirs", str(theirs)], check=True)
    try:
        (theirs / "precious").write_text("x")

        with pytest.raises(OSError, match=r"busy|something is mounted here"):
            remove_tree(folder / removed)

        (found,) = folder.rglob("precious")
        assert found.read_text() == "x"
    finally:
        for path in folder.rglob("*"):
            if path.is_mount():
                subprocess.run(["umount", str(path)], check=True)


@pytest.mark.parametrize("name", ["a:b", "a,b", "back\\slash"])
def test_a_path_that_cannot_be_told_to_the_kernel_makes_copies(
    user: UserRepository, tmp_path: Path, name: str
) -> None:
    """Nothing is mounted anywhere else by mistake."""
    hub = Hub.open_or_create(tmp_path / name / "repo.git")
    base = hub.import_base(user.path)

    tree = open_workspace(hub, base, tmp_path / name / "work" / "one").tree

    assert why_copied(hub) == "these paths cannot be told to the kernel"
    assert mounted(tmp_path) == []
    assert (tree / "src/a.py").read_text() == "a = 1\n"


def test_blanks_and_letters_of_any_script_are_told_as_they_are(user: UserRepository, tmp_path: Path) -> None:
    """And found again when it is taken off."""
    home = tmp_path / "mit Lücke\tund #"
    hub = Hub.open_or_create(home / "repo.git")
    base = hub.import_base(user.path)

    tree = open_workspace(hub, base, home / "work" / "one").tree

    assert mounted(home) == [tree]
    assert is_shown(template_of(hub, base))
    assert not is_shown(Path(f"{template_of(hub, base)}0"))
    remove_tree(home)
    assert mounted(home) == []
    assert not home.exists()


def test_a_template_of_a_former_layout_is_made_again(hub: Hub, user: UserRepository, tmp_path: Path) -> None:
    """What an older swarm left under the same name is no template."""
    old = template_of(hub, user.head())
    (old / "src").mkdir(parents=True)
    (old / "src/a.py").write_text("old\n")

    tree = open_workspace(hub, user.head(), tmp_path / "work" / "one").tree

    assert (tree / "src/a.py").read_text() == "a = 1\n"


NOBODY = """
import os, sys
from pathlib import Path
from swarm.fleet.process import ProcessLauncher
from swarm.mounts import overlays
from swarm.plan.scope import WriteScope
from swarm.repo.workspaces.checkout import clean_checkout
from swarm.repo.hub.hub import Hub
from swarm.repo.workspaces.template import why_copied
from swarm.repo.workspaces.workspace import open_workspace, remove_workspace, take_attempt
user, place = map(Path, sys.argv[1:])
os.setgroups([]); os.setgid(65534); os.setuid(65534)
hub = Hub.open_or_create(place / "repo.git")
base = hub.import_base(user)
workspace = open_workspace(hub, base, place / "work" / "one")
(workspace.tree / "src/a.py").write_text("a = 2\\n")
taken = take_attempt(hub, workspace, scope=WriteScope(("src",)), message="m", ref="refs/swarm/attempt/1")
with clean_checkout(hub, taken.commit, base=base) as tree:
    judged = (tree / "src/a.py").read_text()
remove_workspace(workspace.tree)
print(why_copied(hub), taken.paths, repr(judged), os.listdir(place / "work"), os.listdir(place / "gates"))
"""


def test_without_root_everything_is_a_copy(user: UserRepository, tmp_path: Path) -> None:
    """Nobody's user can do the same, from the workspace to the gate's checkout, and mounts nothing."""
    place = tmp_path / "theirs"
    place.mkdir()
    place.chmod(0o777)
    for path in (tmp_path, *tmp_path.parents[:3]):
        path.chmod(path.stat().st_mode | 0o711)

    done = subprocess.run(
        [sys.executable, "-c", NOBODY, str(user.path), str(place)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""
    assert done.stdout == "Operation not permitted ('src/a.py',) 'a = 2\\n' [] []\n"
    assert mounted(place) == []


def test_a_killed_probe_is_swept_with_old_templates(hub: Hub, user: UserRepository, tmp_path: Path) -> None:
    """The try of a process that died is no template and keeps nothing."""
    left = hub.home / TEMPLATES_NAME / "probe.killed"
    (left / "lower").mkdir(parents=True)

    open_workspace(hub, user.head(), tmp_path / "work" / "one")

    assert not left.exists()


def test_ours_are_told_from_other_overlays(tmp_path: Path) -> None:
    """An overlay that others made is in no list, and is not taken off."""
    for name in ("lower", "upper", "work", "tree"):
        (tmp_path / name).mkdir()
    options = f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    subprocess.run(["mount", "-t", "overlay", "theirs", "-o", options, str(tmp_path / "tree")], check=True)
    try:
        unmount_in(tmp_path)

        assert mounted(tmp_path) == []
        assert (tmp_path / "tree").is_mount()
    finally:
        subprocess.run(["umount", str(tmp_path / "tree")], check=True)


@pytest.mark.skipif(not describe_landlock()[0], reason="this kernel has no Landlock")
def test_a_confined_agent_works_in_an_overlay_and_reaches_none_of_its_layers(
    hub: Hub, user: UserRepository
) -> None:
    """Edits, renames of whole folders and git are as in a copy; what it is made of is closed to them."""
    settings = load_settings(user.path)
    workspace = open_workspace(hub, user.head(), settings.home / "workspaces" / "w" / "7")
    layers, template = layers_of(workspace.tree), template_of(hub, user.head())
    confinement = open_confinement(settings, home=None, environment={"PATH": os.environ["PATH"]})
    sandbox = ProcessLauncher(confinement=confinement).open(workspace.tree, labels={})

    worked = sandbox.run(["sh", "-ec", WORK], timeout_s=60)
    reached = [
        sandbox.run(["sh", "-c", command], timeout_s=60).exit_code
        for command in (
            f"ls {layers}/upper",
            f"cat {template}/tree/README.md",
            f"echo bad > {layers}/upper/README.md",
            f"rm -r {layers}",
            f"umount {workspace.tree}",
            f"mount --bind {hub.home} {workspace.tree}/docs",
        )
    ]
    sandbox.close()

    assert worked.exit_code == 0, worked.output
    assert 0 not in reached
    assert take(hub, workspace, "**").paths == ("README.md", "lib/a.py", "lib/b.py", "src/a.py", "src/b.py")
    remove_workspace(workspace.tree)
    assert [path.name for path in workspace.tree.parent.iterdir()] == []


WORK = f"""
test -z "$(git status --porcelain)"
echo more >> README.md
{sys.executable} -c 'import os; os.rename("src", "lib")'
git mv docs/guide.md docs/moved.md && git mv docs/moved.md docs/guide.md
git add -A && git -c user.name=a -c user.email=b commit -qm mine && git log --oneline
"""
