"""What becomes of the changes that an agent leaves in its workspace."""

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from taken_attempts import REF, take

from swarm.plan.scope import WriteScope
from swarm.repo.git.tree import read_tree
from swarm.repo.hub.hub import Hub
from swarm.repo.hub.refs import attempt_ref
from swarm.repo.workspaces.workspace import Taken, Workspace, take_attempt
from swarm.testing.repository import UserRepository


def test_an_untouched_workspace_yields_no_commit(hub: Hub, workspace: Workspace) -> None:
    """No change, no commit, no ref."""
    taken = take(hub, workspace, "**")

    assert taken == Taken(None)
    assert hub.find_attempt("run1", "task") is None


def test_edits_additions_and_deletions_inside_the_scope_become_one_commit(
    hub: Hub, user: UserRepository, workspace: Workspace
) -> None:
    """The commit sits on the base, holds exactly what changed, and can be found again."""
    (workspace.tree / "src/a.py").write_text("a = 2\n")
    (workspace.tree / "src/new").mkdir()
    (workspace.tree / "src/new/c.py").write_text("c = 1\n")
    (workspace.tree / "src/b.py").unlink()

    taken = take(hub, workspace, "src")

    assert taken.paths == ("src/a.py", "src/b.py", "src/new/c.py")
    found = hub.find_attempt("run1", "task")
    assert found is not None
    assert (found.commit, found.attempt) == (taken.commit, 1)
    assert hub.git.one_line("rev-parse", f"{taken.commit}^") == user.head()
    assert hub.read_blob(found.commit, "src/a.py") == b"a = 2\n"
    assert sorted(read_tree(hub.git, found.commit)) == [
        b".gitignore", b"README.md", b"docs/guide.md", b"src/a.py", b"src/new/c.py",
    ]  # fmt: skip


def test_the_latest_attempt_is_found(hub: Hub, workspace: Workspace) -> None:
    """Attempts are ordered by number, not by name."""
    (workspace.tree / "README.md").write_text("changed\n")
    for number in (9, 10, 2):
        ref = attempt_ref("run1", "task", number)
        take_attempt(hub, workspace, scope=WriteScope(("**",)), message="attempt", ref=ref)

    found = hub.find_attempt("run1", "task")

    assert found is not None
    assert found.attempt == 10


def test_a_change_outside_the_scope_is_named_and_not_committed(hub: Hub, workspace: Workspace) -> None:
    """Edits, deletions and new files outside the scope all count."""
    (workspace.tree / "src/a.py").write_text("a = 2\n")
    (workspace.tree / "README.md").write_text("changed\n")
    (workspace.tree / "docs/guide.md").unlink()
    (workspace.tree / "stray.txt").write_text("new\n")

    taken = take(hub, workspace, "src")

    assert taken == Taken(None, out_of_scope=("README.md", "docs/guide.md", "stray.txt"))
    assert hub.find_attempt("run1", "task") is None


def test_a_file_that_was_only_touched_is_no_change(hub: Hub, workspace: Workspace) -> None:
    """A formatter that rewrites a file with the same bytes does not leave its scope."""
    (workspace.tree / "README.md").write_text("hello\n")
    os.utime(workspace.tree / "src/a.py")

    assert take(hub, workspace, "docs") == Taken(None)


def test_a_change_that_keeps_size_and_mtime_is_seen(hub: Hub, workspace: Workspace) -> None:
    """An agent cannot hide an edit by restoring the file's time."""
    path = workspace.tree / "src/a.py"
    before = path.stat()
    path.write_text("a = 9\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert take(hub, workspace, "src").paths == ("src/a.py",)


def test_build_artefacts_are_left_behind(hub: Hub, workspace: Workspace) -> None:
    """Ignored files are neither committed nor held against the attempt, inside the scope or out of it."""
    for name in (
        "build/out.o",
        "trace.log",
        "src/__pycache__/a.pyc",
        ".pytest_cache/v/x",
        "src/deep/build/o",
    ):
        path = workspace.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("artefact\n")
    (workspace.tree / ".cache").mkdir()
    (workspace.tree / ".cache/.gitignore").write_text("# made by a tool\n*\n")
    (workspace.tree / ".cache/data").write_text("x")
    (workspace.tree / "src/a.py").write_text("a = 2\n")

    taken = take(hub, workspace, "src/")

    assert taken.paths == ("src/a.py",)
    assert taken.out_of_scope == ()


def test_an_ignored_file_lands_when_the_scope_names_it(hub: Hub, workspace: Workspace) -> None:
    """A declared product is part of the attempt even though git would ignore it."""
    for name in ("build/app.js", "trace.log", "other.log"):
        (workspace.tree / name).parent.mkdir(exist_ok=True)
        (workspace.tree / name).write_text("product\n")

    assert take(hub, workspace, "build", "trace.log").paths == ("build/app.js", "trace.log")


def test_the_agents_own_gitignore_hides_nothing_that_the_base_shows(hub: Hub, workspace: Workspace) -> None:
    """Ignore rules come from the base commit."""
    (workspace.tree / ".gitignore").write_text("*\n")
    (workspace.tree / "stray.txt").write_text("x")

    taken = take(hub, workspace, "src")

    assert taken.out_of_scope == (".gitignore", "stray.txt")


@pytest.mark.parametrize("name", [".git", ".GIT", ".Git ", "git~1", ".g\u200cit", ".git::$INDEX_ALLOCATION"])
def test_git_data_is_refused_at_any_depth_in_any_spelling(hub: Hub, workspace: Workspace, name: str) -> None:
    """Whatever some file system would take for .git may not land."""
    (workspace.tree / "src" / name).mkdir()
    (workspace.tree / "src" / name / "config").write_text("[core]\n")

    taken = take(hub, workspace, "**")

    shown = name.replace("\u200c", r"\u200c")
    assert taken.refused == (f"src/{shown}: git data may not be nested",)


def test_pipes_sockets_and_huge_files_are_refused(hub: Hub, workspace: Workspace) -> None:
    """None of them is opened, so none of them can block."""
    os.mkfifo(workspace.tree / "src/pipe")
    (workspace.tree / "src/a.py").unlink()
    os.mkfifo(workspace.tree / "src/a.py")
    with (workspace.tree / "huge").open("wb") as file:
        file.truncate(10_001)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(workspace.tree / "sock"))

        taken = take(hub, workspace, "**")

    assert taken == Taken(
        None,
        refused=(
            "huge: is larger than 10000 bytes",
            "sock: is a device, a pipe or a socket",
            "src/a.py: is a device, a pipe or a socket",
            "src/pipe: is a device, a pipe or a socket",
        ),
    )


DOOMED = """
import sys
from pathlib import Path
from swarm.crashpoints import arm
from swarm.plan.scope import WriteScope
from swarm.repo.hub.hub import Hub
from swarm.repo.workspaces.workspace import open_workspace, take_attempt
hub, base, folder, ref = sys.argv[1:]
arm("attempt.after_commit:1:kill")
hub = Hub(Path(hub))
workspace = open_workspace(hub, base, Path(folder))
(workspace.tree / "README.md").write_text("done\\n")
take_attempt(hub, workspace, scope=WriteScope(["**"]), message="attempt", ref=ref)
"""


def test_an_attempt_outlives_the_worker_that_took_it(hub: Hub, user: UserRepository, tmp_path: Path) -> None:
    """Killed right after the commit, the work is found by the next worker."""
    killed = subprocess.run(
        [sys.executable, "-c", DOOMED, str(hub.path), user.head(), str(tmp_path / "work" / "doomed"), REF],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )

    assert killed.returncode == -signal.SIGKILL
    found = hub.find_attempt("run1", "task")
    assert found is not None
    assert hub.read_blob(found.commit, "README.md") == b"done\n"


def test_a_file_that_is_still_being_written_ends_the_attempt(hub: Hub, workspace: Workspace) -> None:
    """A process that outlived its agent cannot make half a file land."""
    path = workspace.tree / "src/a.py"
    path.write_bytes(b"x" * 200_000)
    stopped = threading.Event()

    def scribble() -> None:
        with path.open("r+b", buffering=0) as file:
            while not stopped.is_set():
                file.seek(0)
                file.write(b"y" * 200_000)

    writer = threading.Thread(target=scribble)
    writer.start()
    try:
        taken = take(hub, workspace, "src", max_file_bytes=1_000_000)
    finally:
        stopped.set()
        writer.join()

    assert taken.commit is None or len(set(hub.read_blob(taken.commit, "src/a.py") or b"xy")) == 1
