"""Nothing that git could be told from outside reaches the git that swarm runs."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bare_hub import Bare

from swarm.repo.git.command import OLDEST_GIT, Git, GitError, git_version
from swarm.repo.hub.hub import Hub
from swarm.testing.repository import UserRepository

SHOW = """
from pathlib import Path
import sys
from swarm.repo.git.command import Git
git = Git.around(Path(sys.argv[1]))
print(git.one_line("rev-parse", "--show-toplevel"))
print(git.one_line("config", "--get", "core.hooksPath"))
print(git.ask("config", "--get", "alias.evil").stdout.decode().strip())
print(git.ask("config", "--get", "core.sshCommand").stdout.decode().strip())
"""


def test_the_callers_environment_bends_nothing(user: UserRepository, tmp_path: Path) -> None:
    """GIT_DIR, GIT_CONFIG_*, HOME and the like are not passed on."""
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text("[alias]\n\tevil = !touch pwned\n[core]\n\thooksPath = /evil\n")
    hostile = {
        "GIT_DIR": "/nowhere",
        "GIT_WORK_TREE": "/nowhere",
        "GIT_INDEX_FILE": "/nowhere",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.sshCommand",
        "GIT_CONFIG_VALUE_0": "touch pwned",
        "GIT_CONFIG_PARAMETERS": "'core.sshCommand'='touch pwned'",
        "GIT_SSH_COMMAND": "touch pwned",
        "GIT_EXEC_PATH": "/nowhere",
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home),
    }

    finished = subprocess.run(
        [sys.executable, "-c", SHOW, str(user.path)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **hostile},
        capture_output=True,
        text=True,
        check=True,
    )

    assert finished.stdout.splitlines() == [str(user.path), "/dev/null", "", ""]


def test_a_hook_path_in_the_repository_is_overridden(user: UserRepository) -> None:
    """What the repository's own configuration says about hooks and fsmonitor does not count."""
    user.git("config", "core.hooksPath", "/evil")
    user.git("config", "core.fsmonitor", "/evil")

    git = Git.around(user.path)

    assert git.one_line("config", "--get", "core.hooksPath") == "/dev/null"
    assert git.one_line("config", "--get", "core.fsmonitor") == "false"


def test_a_failure_says_what_was_run_and_what_git_said(user: UserRepository) -> None:
    """The message names the command and git's reason; the attributes are for programs."""
    with pytest.raises(GitError) as raised:
        Git.around(user.path).run("rev-parse", "--verify", "no-such-thing")

    assert "rev-parse --verify no-such-thing" in raised.value.message
    assert "single revision" in raised.value.message
    assert raised.value.status == 128
    assert raised.value.argv[0] == "git"


def test_the_installed_git_can_merge_without_a_checkout() -> None:
    """`merge-tree --write-tree` is what everything here rests on."""
    assert git_version() >= OLDEST_GIT


def test_many_blobs_are_read_as_fast_as_one_large_one(tmp_path: Path) -> None:
    """40 MB in 4,000 pieces: to copy the rest for each of them took a minute."""
    bare = Bare(Hub.open_or_create(tmp_path / "hub" / "repo.git"))
    wanted = {f"{number}".encode(): f"{number:010000}".encode() for number in range(4000)}
    commit = bare.commit({name.decode(): content for name, content in wanted.items()} | {"empty": b""})
    started = time.monotonic()

    found = bare.files(commit)

    assert found == wanted | {b"empty": b""}
    assert time.monotonic() - started < 10
