"""No git runs in a workspace: an agent's repository in it is obeyed by nobody."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from taken_attempts import take

from swarm.mounts import unmount_in
from swarm.repo.git.tree import GITLINK, read_tree
from swarm.repo.hub.hub import Hub
from swarm.repo.workspaces.workspace import Workspace, open_workspace, remove_workspace
from swarm.testing.repository import UserRepository

LOGGING_GIT = """#!/bin/sh
{{ pwd; env | grep ^GIT_; for word in "$@"; do echo "$word"; done; }} >> '{log}'
exec '{git}' "$@"
"""


@pytest.fixture
def submodule_base(user: UserRepository, hub: Hub) -> str:
    """A base with a gitlink: what makes git look into a folder for a repository of its own."""
    (user.path / "sub").mkdir()
    user.git("update-index", "--add", "--cacheinfo", f"160000,{user.head()},sub")
    base = user.commit({"src/a.py": "a = 3\n"}, "with a submodule")
    hub.import_base(user.path)
    return base


@pytest.fixture
def attacked(
    user: UserRepository, hub: Hub, submodule_base: str, witness: Path, way: str
) -> Iterator[Workspace]:
    """A workspace whose agent has set traps for any git: in its own repository and in a nested one."""
    workspace = open_workspace(hub, submodule_base, witness.with_name("evil"), may_mount=way == "overlay")
    nested = UserRepository(workspace.tree / "sub")
    nested.path.mkdir(exist_ok=True)
    nested.git("init", "-q")
    # At the very commit that the base names: then git looks for edits in there, with the settings in there.
    linked = read_tree(hub.git, submodule_base)[b"sub"].oid
    nested.git("fetch", "-q", str(user.path), linked)
    nested.git("checkout", "-q", linked)
    for repository in (nested, UserRepository(workspace.tree)):
        set_traps(repository, witness)
    (nested.path / "src/a.py").write_text("a = 9\n")
    (workspace.tree / ".gitattributes").write_text("* filter=x diff=x merge=x\n")
    (workspace.tree / "src/a.py").write_text("a = 4\n")
    witness.unlink(missing_ok=True)
    yield workspace
    unmount_in(workspace.tree)


@pytest.fixture
def witness(tmp_path: Path) -> Path:
    """A file that is there when something of the agent's was run."""
    return tmp_path / "witness"


def set_traps(repository: UserRepository, witness: Path) -> None:
    """Name a program wherever git lets a repository name one."""
    trap = f"touch {witness}"
    programs = ("filter.x.clean", "filter.x.smudge", "filter.x.process", "core.fsmonitor", "diff.x.command",
                "diff.x.textconv", "merge.x.driver", "core.pager", "core.editor", "core.sshCommand",
                "gpg.program", "uploadpack.packObjectsHook", "diff.external")  # fmt: skip
    for key in programs:
        repository.git("config", key, trap)
    git_dir = repository.path / ".git"
    (git_dir / "info").mkdir(exist_ok=True)
    (git_dir / "info" / "attributes").write_text("* filter=x diff=x merge=x\n")
    (git_dir / "hooks").mkdir(exist_ok=True)
    for name in (
        "reference-transaction",
        "pre-commit",
        "post-checkout",
        "post-index-change",
        "fsmonitor-watchman",
    ):
        hook = git_dir / "hooks" / name
        hook.write_text(f"#!/bin/sh\n{trap}\n")
        hook.chmod(0o755)


def test_the_traps_would_work(user: UserRepository, attacked: Workspace, witness: Path) -> None:
    """A `git add` with data and settings of its own, and no hook, runs what the nested repository names."""
    elsewhere = witness.with_name("elsewhere.git")
    shutil.copytree(user.path / ".git", elsewhere)
    careful = ["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"]

    UserRepository(witness.parent).git(
        *careful, f"--git-dir={elsewhere}", f"--work-tree={attacked.tree}", "add", "-A", check=False
    )

    assert witness.exists()


def test_a_nested_repository_runs_nothing(hub: Hub, attacked: Workspace, witness: Path) -> None:
    """The attempt holds the agent's edits; the submodule is what it was, and no trap was sprung."""
    taken = take(hub, attacked, "**")

    assert taken.paths == (".gitattributes", "src/a.py")
    assert not witness.exists()
    assert read_tree(hub.git, str(taken.commit))[b"sub"].mode == GITLINK


def test_no_git_is_started_in_a_workspace_nor_told_of_it(
    hub: Hub, attacked: Workspace, witness: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all that git is started for, from one attempt's workspace to the next, nothing names a workspace."""
    folder, log = witness.with_name("bin"), witness.with_name("git.log")
    folder.mkdir()
    (folder / "git").write_text(LOGGING_GIT.format(log=log, git=shutil.which("git")))
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    taken = take(hub, attacked, "**")
    remove_workspace(attacked.tree)
    open_workspace(hub, str(taken.commit), attacked.tree, may_mount=way == "overlay")

    said = log.read_text().splitlines()
    assert taken.commit is not None
    assert {"ls-tree", "fast-import", "checkout-index"} < {*said}
    assert [line for line in said if str(attacked.tree) in line] == []
    assert not witness.exists()
