"""A repository and the command to use on it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_swarm import CANARY, GATE, LEASE_S, Swarm

from swarm.testing.repository import make_repository


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[Swarm]:
    """A small repository with a gate, and the command to use on it; what it left is checked at the end."""
    root = make_repository(
        tmp_path / "repo", {"README.md": "a repository\n", "swarm.toml": GATE, "lib.py": "VALUE = 1\n"}
    ).path
    keep = {
        name: os.environ[name] for name in ("PATH", "LANG", "COVERAGE_PROCESS_CONFIG") if name in os.environ
    }
    settings = {"SWARM_LEASE_S": str(LEASE_S), "SWARM_RETRY_BASE_S": "0.2", "NO_COLOR": "1"}
    one = Swarm(root, {**keep, **settings, "HOME": str(tmp_path), "DEPLOY_TOKEN": CANARY})
    yield one
    one.stop_started()
    found = one.check()
    one.end()
    assert not found, "\n".join(found)


@pytest.fixture
def uncounted(swarm: Swarm) -> None:
    """For modules whose processes run the lines that those of other modules count: a third of their time."""
    swarm.environment.pop("COVERAGE_PROCESS_CONFIG", None)
