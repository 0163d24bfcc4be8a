"""The program of a forge that hangs, or that says nothing of use: the person learns where the branch is."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from swarm.errors import RefusedError
from swarm.repo.forge import open_request
from swarm.repo.git.command import Git
from swarm.testing.repository import make_repository

Open = Callable[..., str]


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Opens a request by a `gh` that is this script, from a repository with the branch and a remote."""
    made = make_repository(tmp_path / "user", {"a": "a\n"})
    git = Git.around(made.path)
    git.run("init", "-q", "--bare", str(tmp_path / "up.git"))
    git.run("remote", "add", "up", str(tmp_path / "up.git"))
    git.run("branch", "swarm/r")
    program = tmp_path / "bin" / "gh"
    program.parent.mkdir()
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")

    def run(script: str, *, timeout_s: float = 20.0) -> str:
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return open_request(
            "gh", made.path, branch="swarm/r", into="", title="t", body="b", remote="up",
            again="swarm pr r --open", timeout_s=timeout_s,
        )  # fmt: skip

    return run


@pytest.mark.parametrize(("script", "said"), [("exit 0", "it said nothing"), ("echo all done", "all done")])
def test_a_program_that_tells_no_address_has_opened_nothing_that_is_known(
    opened: Open, script: str, said: str
) -> None:
    """It was taken for a run without --open, and ended with 0."""
    with pytest.raises(RefusedError) as caught:
        opened(script)

    assert caught.value.message == f"gh pr create ended with 0 and told no address: {said}"
    assert caught.value.hint == (
        "branch swarm/r is on 'up', and no request is known; `gh pr view swarm/r` says whether there is one"
    )


def test_a_program_that_fails_in_silence_is_said_to_be_silent(opened: Open) -> None:
    """And not quoted with nothing."""
    with pytest.raises(RefusedError, match="gh pr create failed with exit code 3: it said nothing"):
        opened("exit 3")


def test_a_program_that_hangs_is_ended_with_what_it_has_started(opened: Open, tmp_path: Path) -> None:
    """What it started holds its output open; nobody waits for that."""
    began_s = time.monotonic()

    with pytest.raises(RefusedError) as caught:
        opened(f"echo asking >&2; sleep 60 & echo $! > {tmp_path}/pid; wait", timeout_s=2.0)

    assert time.monotonic() - began_s < 30
    assert caught.value.message == "gh pr create did not end within 2 s: asking"
    assert "mend it and say `swarm pr r --open` again" in str(caught.value.hint)
    started = int((tmp_path / "pid").read_text())
    while is_alive(started) and time.monotonic() - began_s < 30:  # a killed one takes a moment
        time.sleep(0.01)
    assert not is_alive(started)


def is_alive(pid: int) -> bool:
    """A process of this number runs, and is not only waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
