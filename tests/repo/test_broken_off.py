"""A push that breaks off: nobody knows what the git server has done, and nothing says that it refused."""

from pathlib import Path

import pytest

from swarm.errors import HubUnreachableError
from swarm.repo.hub.hub import Hub
from swarm.repo.hub.refs import RefChange
from swarm.testing.repository import UserRepository


@pytest.fixture
def here(tmp_path: Path, server: Path, user: UserRepository) -> Hub:
    """The mirror of a host which has shared its HEAD."""
    hub = Hub.open_or_create(tmp_path / "here" / "repo.git", address=str(server))
    hub.share_base(hub.import_base(user.path))
    return hub


def hooked(server: Path, script: str) -> None:
    """Let the server run a script before it takes anything."""
    hook = server / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\n{script}\n")
    hook.chmod(0o755)


def push(here: Hub, user: UserRepository) -> bool:
    """Whether the server takes a ref."""
    with here.writing_refs() as writer:
        return writer.transact([RefChange("create", "refs/swarm/x", user.head())]).succeeded


def test_a_push_that_is_broken_off_is_no_refusal(here: Hub, server: Path, user: UserRepository) -> None:
    """The other end dies before it has moved a ref: to be tried again, and no error of ours."""
    hooked(server, "kill -9 $PPID")

    with pytest.raises(HubUnreachableError):
        push(here, user)


def test_a_push_that_the_server_rejects_is_answered(here: Hub, server: Path, user: UserRepository) -> None:
    """Another host was faster: whoever asked goes on with that."""
    other = here.git.one_line("hash-object", "-w", "--stdin")
    here.git.run("push", "--quiet", str(server), f"{other}:refs/swarm/x")

    assert not push(here, user)
