"""The states that a user's checkout can be found in, and everything in it that a person could miss."""

import hashlib
import os
from pathlib import Path

from swarm.testing.repository import UserRepository


def dirty(user: UserRepository) -> UserRepository:
    """Staged, unstaged and untracked changes, and a stash."""
    user.write({"src/a.py": "stashed\n"})
    user.git("stash")
    user.write({"src/a.py": "staged\n"})
    user.git("add", "src/a.py")
    user.write({"src/b.py": "unstaged\n", "new.txt": "untracked\n"})
    return user


def detached(user: UserRepository) -> UserRepository:
    """HEAD on no branch."""
    user.commit({"src/a.py": "a = 2\n"})
    user.git("checkout", "-q", "--detach", "HEAD~1")
    return user


def _diverge(user: UserRepository) -> None:
    user.git("checkout", "-q", "-b", "side")
    user.commit({"src/a.py": "side\n"})
    user.git("checkout", "-q", "main")
    user.commit({"src/a.py": "main\n"})


def mid_merge(user: UserRepository) -> UserRepository:
    """A merge that stopped at a conflict."""
    _diverge(user)
    user.git("merge", "side", check=False)
    assert (user.path / ".git/MERGE_HEAD").exists()
    return user


def mid_rebase(user: UserRepository) -> UserRepository:
    """A rebase that stopped at a conflict."""
    _diverge(user)
    user.git("rebase", "side", check=False)
    assert (user.path / ".git/rebase-merge").exists()
    return user


def shallow(user: UserRepository) -> UserRepository:
    """A clone that knows only its newest commit."""
    user.commit({"src/a.py": "a = 2\n"})
    copy = user.path.parent / "shallow"
    user.git("clone", "-q", "--depth=1", f"file://{user.path}", str(copy))
    return UserRepository(copy)


def linked_worktree(user: UserRepository) -> UserRepository:
    """A second working tree, on a branch of its own."""
    copy = user.path.parent / "linked"
    user.git("worktree", "add", "-q", "-b", "linked", str(copy))
    linked = UserRepository(copy)
    linked.commit({"src/a.py": "linked\n"})
    return linked


def locked(user: UserRepository) -> UserRepository:
    """A git that was killed has left its index lock."""
    (user.path / ".git/index.lock").touch()
    return user


STATES = [dirty, detached, mid_merge, mid_rebase, shallow, linked_worktree, locked]


def fingerprint(user: UserRepository) -> dict[str, str]:
    """Everything a person could miss: each byte of the work tree and of git's own files but objects."""
    common = user.git("rev-parse", "--path-format=absolute", "--git-common-dir").decode().strip()
    seen = {
        "status": user.git("--no-optional-locks", "status", "--porcelain=v2", "--branch", "-z").hex(),
        "stash": user.git("stash", "list").hex(),
    }
    for top in {str(user.path), common}:
        for folder, names, files in os.walk(top):
            names[:] = [name for name in names if name not in {"objects", ".swarm", "swarm"}]
            for path in (Path(folder, name) for name in files):
                content = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
                seen[str(path)] = f"{path.lstat().st_mode} {hashlib.sha256(content).hexdigest()}"
    return seen
