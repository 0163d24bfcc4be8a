"""A repository and the command to use on it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_swarm import GATE, Swarm

from swarm.testing.repository import make_repository


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[Swarm]:
    """A small repository with a gate, and the command to use on it; its server is stopped afterwards."""
    root = make_repository(
        tmp_path / "repo", {"README.md": "a repository\n", "swarm.toml": GATE, "lib.py": "VALUE = 1\n"}
    ).path
    keep = {
        name: os.environ[name] for name in ("PATH", "LANG", "COVERAGE_PROCESS_CONFIG") if name in os.environ
    }
    one = Swarm(
        root,
        {**keep, "HOME": str(tmp_path), "SWARM_LEASE_S": "4", "SWARM_RETRY_BASE_S": "0.2", "NO_COLOR": "1"},
    )
    yield one
    one.end()
