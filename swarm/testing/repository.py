"""Real git repositories as their users see them, the same to the last bit wherever they are made."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from swarm.repo.git.command import GitError
from swarm.settings import scrubbed_environment

AUTHOR = {
    "GIT_AUTHOR_NAME": "A. Developer",
    "GIT_AUTHOR_EMAIL": "developer@example.com",
    "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
    "GIT_COMMITTER_NAME": "A. Developer",
    "GIT_COMMITTER_EMAIL": "developer@example.com",
    "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
}

_ENVIRONMENT = {
    **AUTHOR,
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}


class UserRepository:
    """A repository as its user sees it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def git(self, *arguments: str | bytes, check: bool = True) -> bytes:
        """Run git there as `AUTHOR`, without anybody's configuration; return what it prints.

        Raises:
            GitError: git failed, and `check` is on.
        """
        argv = ["git", "-C", str(self.path), *arguments]
        finished = subprocess.run(
            argv, env=scrubbed_environment(_ENVIRONMENT), capture_output=True, check=False
        )
        if check and finished.returncode:
            raise GitError(argv, finished.returncode, finished.stderr)
        return finished.stdout

    def write(self, files: Mapping[str, str | bytes]) -> None:
        """Create or replace files."""
        for name, content in files.items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def commit(self, files: Mapping[str, str | bytes], message: str = "change") -> str:
        """Commit files on the branch that is checked out; return the commit."""
        self.write(files)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "--no-gpg-sign", "-m", message)
        return self.head()

    def head(self) -> str:
        """The id of HEAD."""
        return self.git("rev-parse", "HEAD").decode().strip()


def make_repository(
    path: Path, files: Mapping[str, str | bytes], *, message: str = "Begin"
) -> UserRepository:
    """A repository with one commit of these files on `main`; equal files give an equal commit."""
    path.mkdir(parents=True, exist_ok=True)
    repository = UserRepository(path)
    repository.git("init", "-q", "-b", "main")
    repository.git("config", "user.name", AUTHOR["GIT_AUTHOR_NAME"])
    repository.git("config", "user.email", AUTHOR["GIT_AUTHOR_EMAIL"])
    repository.commit(files, message)
    return repository
