"""A repository as its user sees it: real git, an ordinary environment, a fixed author."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from swarm.repo.git import GitError
from swarm.settings import scrubbed_environment

AUTHOR = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


class UserRepository:
    """A repository as its user sees it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def git(self, *arguments: str | bytes, check: bool = True) -> bytes:
        """Run git there with the user's own, ordinary environment."""
        argv = ["git", "-C", str(self.path), *arguments]
        finished = subprocess.run(argv, env=scrubbed_environment(AUTHOR), capture_output=True, check=False)
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
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.head()

    def head(self) -> str:
        """The id of HEAD."""
        return self.git("rev-parse", "HEAD").decode().strip()


def make_repository(path: Path, files: Mapping[str, str | bytes]) -> UserRepository:
    """A repository with one commit."""
    path.mkdir(parents=True)
    repository = UserRepository(path)
    repository.git("init", "-q", "-b", "main")
    repository.commit(files, "begin")
    return repository
