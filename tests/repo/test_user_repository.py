"""The user's repository, in every state it can be found in, is read and not touched."""

from collections.abc import Callable
from pathlib import Path

import pytest
from user_states import STATES, fingerprint, shallow

from swarm.errors import RepositoryError
from swarm.plan.model import TaskSpec
from swarm.repo.git.command import Git
from swarm.repo.git.trailers import landing_message
from swarm.repo.git.workbench import Workbench
from swarm.repo.hub.hub import Hub
from swarm.repo.hub.user_repository import Publication, repository_identity
from swarm.testing.repository import UserRepository, make_repository

BRANCH = "swarm/run1"


def land(hub: Hub, parent: str, content: str = "landed\n") -> str:
    """Put one commit on the integration branch."""
    hub.start_branch(BRANCH, parent)
    blob = hub.git.run("hash-object", "-w", "--stdin", stdin=content.encode()).decode().strip()
    tree = hub.git.run("mktree", stdin=f"100644 blob {blob}\tlanded.txt\n".encode()).decode().strip()
    task = TaskSpec(id="t", description="Land a file")
    tip = hub.tip(BRANCH)
    assert tip is not None
    with Workbench(hub.path) as bench:
        commit = bench.commit(tree, tip, landing_message("run1", task, 1, 1).encode())
    hub.create_refs({f"refs/heads/{BRANCH}": commit})
    return commit


@pytest.mark.parametrize("reach", STATES, ids=lambda reach: str(reach.__name__))
def test_importing_and_publishing_leaves_the_checkout_alone(
    user: UserRepository, reach: Callable[[UserRepository], UserRepository]
) -> None:
    """HEAD, index, status, stash, config, hooks, reflogs and untracked files stay byte for byte."""
    repository = reach(user)
    before = fingerprint(repository)
    hub = Hub.open_or_create(repository.path / ".swarm" / "repo.git")

    base = hub.import_base(repository.path)
    commit = land(hub, base)
    created = hub.publish(repository.path, BRANCH)
    commit_2 = land(hub, base, "again\n")
    advanced = hub.publish(repository.path, BRANCH)
    again = hub.publish(repository.path, BRANCH)

    assert base == repository.head()
    assert [each.publication for each in (created, advanced, again)] == [
        Publication.CREATED,
        Publication.ADVANCED,
        Publication.UP_TO_DATE,
    ]
    assert fingerprint(repository) == before
    published = repository.git("rev-list", "--first-parent", "-n", "3", BRANCH).decode().split()
    assert published == [commit_2, commit, base]


def test_a_branch_that_is_checked_out_is_left_alone(user: UserRepository, hub: Hub) -> None:
    """The answer says why, and what to do."""
    commit = land(hub, user.head())
    hub.publish(user.path, BRANCH)
    user.git("checkout", "-q", BRANCH)
    land(hub, commit, "again\n")

    published = hub.publish(user.path, BRANCH)

    assert published.publication == Publication.CHECKED_OUT
    assert "switch to another branch" in published.reason
    assert user.head() == commit


def test_a_branch_with_commits_of_its_own_is_never_forced(user: UserRepository, hub: Hub) -> None:
    """The user's commits on it survive."""
    land(hub, user.head())
    hub.publish(user.path, BRANCH)
    user.git("checkout", "-q", BRANCH)
    mine = user.commit({"mine.txt": "mine\n"})
    user.git("checkout", "-q", "main")
    land(hub, user.head(), "again\n")

    published = hub.publish(user.path, BRANCH)

    assert published.publication == Publication.DIVERGED
    assert user.git("rev-parse", BRANCH).decode().strip() == mine


def test_a_branch_named_swarm_is_in_the_way(user: UserRepository, hub: Hub) -> None:
    """`swarm/<run>` cannot exist beside it; the answer says so."""
    user.git("branch", "swarm")
    land(hub, user.head())

    published = hub.publish(user.path, BRANCH)

    assert published.publication == Publication.BLOCKED
    assert "'swarm' is in the way" in published.reason


def test_hooks_and_filters_of_the_user_do_not_run(user: UserRepository, hub: Hub, tmp_path: Path) -> None:
    """Publishing a branch starts nothing that the repository's configuration names."""
    canary = tmp_path / "canary"
    for name in ("reference-transaction", "post-checkout", "post-merge", "pre-auto-gc"):
        hook = user.path / ".git/hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {canary}\n")
        hook.chmod(0o755)
    user.git("config", "core.fsmonitor", f"touch {canary}")
    user.git("config", "uploadpack.packObjectsHook", f"touch {canary}; exec")
    canary.unlink(missing_ok=True)
    user.write({"src/c.py": "c = 1\n"})

    land(hub, hub.import_base(user.path))
    published = hub.publish(user.path, BRANCH)

    assert published.succeeded
    assert not canary.exists()


def test_a_submodule_is_not_fetched(user: UserRepository, hub: Hub, tmp_path: Path) -> None:
    """A .gitmodules with a hostile URL is only a file."""
    canary = tmp_path / "canary"
    modules = f'[submodule "s"]\n\tpath = s\n\turl = ext::sh -c "touch {canary}"\n'
    (user.path / "s").mkdir()
    user.git("update-index", "--add", "--cacheinfo", f"160000,{user.head()},s")
    user.git("config", "submodule.recurse", "true")
    user.git("config", "protocol.ext.allow", "always")

    base = user.commit({".gitmodules": modules}, "submodule")

    assert hub.import_base(user.path) == base
    assert not canary.exists()


@pytest.mark.parametrize(
    ("make", "what", "hint"),
    [
        (lambda path: path.mkdir(), "not a git repository", "git init"),
        (Path.exists, "not a git repository", "git init"),
        (lambda path: Git().run("init", "-q", str(path)), "no commit yet", "commit your files"),
        (lambda path: Git().run("init", "-q", "--bare", str(path)), "bare repository", "clone it"),
    ],
)
def test_a_folder_that_cannot_be_used_is_named_with_the_next_step(
    tmp_path: Path, make: Callable[[Path], object], what: str, hint: str
) -> None:
    """Nothing, an empty repository, a bare one: each has its own answer, and nothing is imported."""
    folder = tmp_path / "odd folder"
    make(folder)
    hub = Hub.open_or_create(tmp_path / "home" / "repo.git")

    with pytest.raises(RepositoryError, match=what) as raised:
        hub.import_base(folder)

    assert "odd folder" in raised.value.message
    assert hint in raised.value.hint
    assert hub.refs_under("refs/") == {}


def test_a_partial_clone_is_refused_until_it_is_whole(user: UserRepository, tmp_path: Path) -> None:
    """What it lacks is nowhere here; the hint's commands bring it, and keep it."""
    user.commit({"src/a.py": "a = 2\n"})
    user.git("config", "uploadpack.allowFilter", "true")
    clone = tmp_path / "partial"
    user.git("clone", "-q", "--filter=blob:none", f"file://{user.path}", str(clone))
    partial = UserRepository(clone)
    hub = Hub.open_or_create(clone / ".swarm" / "repo.git")
    before = fingerprint(partial)

    with pytest.raises(RepositoryError, match="is a partial clone, and lacks files") as raised:
        hub.import_base(clone)
    after = fingerprint(partial)
    for command in raised.value.hint.split("`")[1::2]:
        partial.git(*command.split()[1:])

    assert after == before
    assert hub.import_base(clone) == user.head()
    user.commit({"src/a.py": "a = 3\n"})
    user.commit({"src/a.py": "a = 4\n"})
    partial.git("pull", "-q")
    assert hub.import_base(clone) == user.head()


@pytest.mark.parametrize("revision", ["no-such-branch", "--all", "-rf", "HEAD^{tree}", "a b", ""])
def test_an_unknown_revision_is_refused(user: UserRepository, hub: Hub, revision: str) -> None:
    """What a person types is never read as an option."""
    with pytest.raises(RepositoryError, match="has no commit"):
        hub.import_base(user.path, revision)


def test_clones_have_one_identity_and_shallow_ones_their_own(user: UserRepository, tmp_path: Path) -> None:
    """The identity is the root commit, which a shallow clone does not know."""
    root = user.head()
    tip = user.commit({"src/a.py": "a = 2\n"})
    user.git("clone", "-q", str(user.path), str(tmp_path / "clone"))
    other = make_repository(tmp_path / "other", {"x": "y"})
    few = shallow(user)

    assert tip != root
    assert repository_identity(user.path) == repository_identity(tmp_path / "clone") == root
    assert repository_identity(other.path) == other.head()
    assert repository_identity(few.path) == f"shallow:{few.path}/.git"


def test_the_folder_of_swarm_does_not_show_in_git_status(user: UserRepository, hub: Hub) -> None:
    """Nothing asks the user to add .swarm to a .gitignore."""
    assert hub.home.parent == user.path
    assert user.git("status", "--porcelain") == b""
