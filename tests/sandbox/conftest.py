"""A tool host on an empty tree, as a worker would have it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from swarm.fleet.process import ProcessLauncher
from swarm.sandbox.client import HostedSandbox


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The folder that the tool host works in, with a secret beside it."""
    (tmp_path / "secret.txt").write_text("canary")
    tree = tmp_path / "tree"
    tree.mkdir()
    return tree


@pytest.fixture
def sandbox(tree: Path) -> Iterator[HostedSandbox]:
    """A running tool host on the tree."""
    sandbox = ProcessLauncher().open(tree, labels={"swarm.attempt": "run/task/1"})
    yield sandbox
    sandbox.close()
