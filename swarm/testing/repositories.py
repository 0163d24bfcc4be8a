"""Real git repositories for tests and the demo, the same to the last bit wherever they are made."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from swarm.settings import scrubbed_environment

AUTHOR = {
    "GIT_AUTHOR_NAME": "A. Developer",
    "GIT_AUTHOR_EMAIL": "developer@example.com",
    "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
    "GIT_COMMITTER_NAME": "A. Developer",
    "GIT_COMMITTER_EMAIL": "developer@example.com",
    "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
}

_ISOLATION = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}


def make_repository(folder: Path, files: Mapping[str, str], *, message: str = "Begin") -> Path:
    """Make a repository with one commit of these files on `main`; returns its top.

    Neither the user's nor the system's git configuration takes part, and identity and dates are
    fixed: equal files give an equal commit.
    """
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    for name, value in {
        "user.name": AUTHOR["GIT_AUTHOR_NAME"],
        "user.email": AUTHOR["GIT_AUTHOR_EMAIL"],
    }.items():
        git(folder, "config", name, value)
    commit_files(folder, files, message=message)
    return folder


def commit_files(folder: Path, files: Mapping[str, str], *, message: str) -> str:
    """Write these files, commit everything, and return the commit."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--no-gpg-sign", f"--message={message}")
    return git(folder, "rev-parse", "HEAD").strip()


def git(folder: Path, *arguments: str) -> str:
    """Run git in the repository and return what it prints.

    Raises:
        subprocess.CalledProcessError: git failed; its stderr is in the exception.
    """
    return subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env=scrubbed_environment({**_ISOLATION, **AUTHOR}),
        check=True,
        capture_output=True,
        text=True,
    ).stdout
