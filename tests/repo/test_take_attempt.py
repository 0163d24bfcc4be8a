"""What becomes of the changes that an agent leaves in its workspace."""

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from swarm.plan.scope import WriteScope
from swarm.repo.hub import Hub, find_attempt
from swarm.repo.refs import attempt_ref
from swarm.repo.tree import read_tree
from swarm.repo.workspace import Taken, Workspace, open_workspace, remove_workspace, take_attempt
from swarm.testing.repository import UserRepository

REF = attempt_ref("run1", "task", 1)


@pytest.fixture
def workspace(hub: Hub, user: UserRepository, tmp_path: Path) -> Workspace:
    """A fresh workspace at the user's HEAD."""
    return open_workspace(hub, user.head(), tmp_path / "work" / "one")


def take(hub: Hub, workspace: Workspace, *patterns: str, max_file_bytes: int = 10_000) -> Taken:
    """Take the attempt under a write scope."""
    return take_attempt(
        hub,
        workspace,
        scope=WriteScope(patterns),
        message="attempt",
        ref=REF,
        max_file_bytes=max_file_bytes,
    )


def test_an_untouched_workspace_yields_no_commit(hub: Hub, workspace: Workspace) -> None:
    """No change, no commit, no ref."""
    taken = take(hub, workspace, "**")

    assert taken == Taken(None)
    assert find_attempt(hub, "run1", "task") is None


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
    found = find_attempt(hub, "run1", "task")
    assert found is not None
    assert (found.commit, found.attempt) == (taken.commit, 1)
    assert hub.git.one_line("rev-parse", f"{taken.commit}^") == user.head()
    assert hub.read_blob(f"{taken.commit}:src/a.py") == b"a = 2\n"
    assert sorted(read_tree(hub.git, found.commit)) == [
        b".gitignore", b"README.md", b"docs/guide.md", b"src/a.py", b"src/new/c.py",
    ]  # fmt: skip


def test_the_latest_attempt_is_found(hub: Hub, workspace: Workspace) -> None:
    """Attempts are ordered by number, not by name."""
    (workspace.tree / "README.md").write_text("changed\n")
    for number in (9, 10, 2):
        ref = attempt_ref("run1", "task", number)
        take_attempt(hub, workspace, scope=WriteScope(("**",)), message="attempt", ref=ref)

    found = find_attempt(hub, "run1", "task")

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
    assert find_attempt(hub, "run1", "task") is None


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


def test_modes_links_and_kinds_are_recorded(hub: Hub, workspace: Workspace) -> None:
    """Execute bits, symbolic links, and files that became folders and back."""
    tree = workspace.tree
    (tree / "src/a.py").chmod(0o755)
    (tree / "link").symlink_to("src/a.py")
    (tree / "README.md").unlink()
    (tree / "README.md").mkdir()
    (tree / "README.md/inner").write_text("x\n")
    (tree / "docs/guide.md").unlink()
    (tree / "docs").rmdir()
    (tree / "docs").write_text("a file now\n")

    taken = take(hub, workspace, "**")

    assert taken.commit is not None
    entries = {path: entry.mode for path, entry in read_tree(hub.git, taken.commit).items()}
    assert entries == {
        b".gitignore": "100644",
        b"README.md/inner": "100644",
        b"docs": "100644",
        b"link": "120000",
        b"src/a.py": "100755",
        b"src/b.py": "100644",
    }
    assert hub.read_blob(f"{taken.commit}:link") == b"src/a.py"


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "../outside", "src/../../x", ".git/config", "via/../y", "loop"]
)
def test_a_link_out_of_the_tree_is_refused(hub: Hub, workspace: Workspace, target: str) -> None:
    """Neither absolute, nor by dots, nor through another link, nor into git's data, nor in circles."""
    (workspace.tree / "src/deep").mkdir()
    (workspace.tree / "src/deep/via").symlink_to("../..")
    (workspace.tree / "via").symlink_to("src/deep/via")
    (workspace.tree / "loop").symlink_to("src/../loop")
    (workspace.tree / "evil").symlink_to(target)

    taken = take(hub, workspace, "**")

    assert taken.commit is None
    assert any(line.startswith("evil: links to") for line in taken.refused)


def test_links_that_stay_inside_are_kept(hub: Hub, workspace: Workspace) -> None:
    """Up and down again within the tree is fine, through another link too."""
    (workspace.tree / "here").symlink_to("src")
    (workspace.tree / "src/up").symlink_to("../here/../docs/guide.md")

    assert take(hub, workspace, "**").paths == ("here", "src/up")


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


def test_names_that_nobody_can_read_are_refused_with_why(hub: Hub, workspace: Workspace) -> None:
    """Control characters and bytes that are not UTF-8 are shown escaped, and do not land."""
    for name in UNPRINTABLE_NAMES:
        Path(os.fsdecode(os.fsencode(workspace.tree) + b"/src/" + name)).write_bytes(name)

    taken = take(hub, workspace, "**")

    assert taken == Taken(
        None,
        refused=(
            r"src/\x01: name with control character U+0001",
            r"src/bidi\u202e: name with invisible character U+202E",
            r"src/latin-\xe9: name is not UTF-8",
            r"src/new\nline: name with control character U+000A",
            r"src/tab\t: name with control character U+0009",
            r"src/\xff\xfe: name is not UTF-8",
        ),
    )


def test_unreadable_names_of_the_base_do_not_stop_an_attempt(
    hub: Hub, user: UserRepository, tmp_path: Path
) -> None:
    """A repository that holds such names already can still be worked on."""
    for name in UNPRINTABLE_NAMES:
        Path(os.fsdecode(os.fsencode(user.path) + b"/src/" + name)).write_bytes(name)
    base = user.commit({}, "hostile names")
    hub.import_base(user.path)
    workspace = open_workspace(hub, base, tmp_path / "work" / "hostile")
    (workspace.tree / "src/a.py").write_text("a = 2\n")

    taken = take(hub, workspace, "src")

    assert taken.paths == ("src/a.py",)
    assert {b"src/" + name for name in UNPRINTABLE_NAMES} < read_tree(hub.git, str(taken.commit)).keys()


def test_a_nested_repository_runs_nothing(hub: Hub, user: UserRepository, tmp_path: Path) -> None:
    """A submodule's folder with a hostile configuration is never looked into by git."""
    canary = tmp_path / "canary"
    (user.path / "sub").mkdir()
    user.git("update-index", "--add", "--cacheinfo", f"160000,{user.head()},sub")
    base = user.commit({"src/a.py": "a = 3\n"}, "with a submodule")
    hub.import_base(user.path)
    workspace = open_workspace(hub, base, tmp_path / "work" / "evil")
    evil = UserRepository(workspace.tree / "sub")
    evil.path.mkdir(exist_ok=True)
    evil.git("init", "-q")
    for repository in (evil, UserRepository(workspace.tree)):
        for key in ("filter.x.clean", "filter.x.process", "core.fsmonitor", "diff.x.command"):
            repository.git("config", key, f"touch {canary}")
        (repository.path / ".git/info").mkdir(exist_ok=True)
        (repository.path / ".git/info/attributes").write_text("* filter=x diff=x\n")
        (repository.path / ".git/hooks").mkdir(exist_ok=True)
        hook = repository.path / ".git/hooks/reference-transaction"
        hook.write_text(f"#!/bin/sh\ntouch {canary}\n")
        hook.chmod(0o755)
    canary.unlink(missing_ok=True)
    (evil.path / "file").write_text("x")
    (workspace.tree / ".gitattributes").write_text("* filter=x\n")
    (workspace.tree / "src/a.py").write_text("a = 4\n")

    taken = take(hub, workspace, "**")

    assert taken.paths == (".gitattributes", "src/a.py")
    assert not canary.exists()
    assert read_tree(hub.git, str(taken.commit))[b"sub"].mode == "160000"


def test_a_submodule_cannot_be_replaced(hub: Hub, user: UserRepository, tmp_path: Path) -> None:
    """A file where the base has a submodule, or above it, is refused."""
    (user.path / "deep/sub").mkdir(parents=True)
    user.git("update-index", "--add", "--cacheinfo", f"160000,{user.head()},deep/sub")
    base = user.commit({}, "with a submodule")
    hub.import_base(user.path)
    workspace = open_workspace(hub, base, tmp_path / "work" / "sub")
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


DOOMED = """
import sys
from pathlib import Path
from swarm.crashpoints import arm
from swarm.plan.scope import WriteScope
from swarm.repo.hub import Hub
from swarm.repo.workspace import open_workspace, take_attempt
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
    found = find_attempt(hub, "run1", "task")
    assert found is not None
    assert hub.read_blob(f"{found.commit}:README.md") == b"done\n"


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

    assert taken.commit is None or len(set(hub.read_blob(f"{taken.commit}:src/a.py") or b"xy")) == 1
