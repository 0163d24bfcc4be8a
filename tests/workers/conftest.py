"""A sandbox on an empty tree, and a context for agents."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from swarm.fleet.process import ProcessLauncher
from swarm.sandbox.client import HostedSandbox
from workers.agents.agent import AgentContext


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[HostedSandbox]:
    """A running tool host on an empty tree."""
    tree = tmp_path / "tree"
    tree.mkdir()
    sandbox = ProcessLauncher().open(tree, labels={})
    yield sandbox
    sandbox.close()


@pytest.fixture
def context(tmp_path: Path) -> AgentContext:
    """A first attempt that nobody counts and nobody can take away."""
    return AgentContext(
        run="run", attempt=1, log=tmp_path / "logs/task.1.log", transcript=tmp_path / "logs/task.1.jsonl"
    )
