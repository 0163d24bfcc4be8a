"""A sandbox on an empty tree, a context for agents, and everything that a worker needs."""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from worker_rig import Rig

from swarm.fleet.process import ProcessLauncher
from swarm.sandbox.client import HostedSandbox
from swarm.testing.repository import make_repository
from swarm.testing.script import ScriptedReply
from swarm.testing.scripted_model import ScriptedModel
from swarm.testing.server import RedisServer
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


@pytest.fixture
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server that a test may freeze and kill."""
    server = RedisServer(Path(tmp_path_factory.mktemp("own")))
    server.start()
    yield server
    os.kill(server.pid, signal.SIGCONT)
    server.stop()


@pytest.fixture
def serve() -> Iterator[Callable[[Sequence[ScriptedReply]], ScriptedModel]]:
    """Start a scripted model with these replies; it ends with the test."""
    with ExitStack() as stack:
        yield lambda replies: stack.enter_context(ScriptedModel(replies))


@pytest.fixture
def rig(tmp_path: Path, redis_url: str) -> Iterator[Rig]:
    """A repository with one file, its hub, and a queue."""
    made = Rig(make_repository(tmp_path / "repo", {"README.md": "hello\n"}), redis_url)
    yield made
    made.close()
