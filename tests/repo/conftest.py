"""A real user repository, a hub that knows it, and an engine on a Redis of its own."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from merge_board import Board

from swarm.engine.engine import Engine
from swarm.engine.wire import HiredisStore
from swarm.errors import StoreUnreachableError
from swarm.mounts import unmount_in
from swarm.repo.hub.hub import Hub
from swarm.repo.workspaces.template import why_copied
from swarm.repo.workspaces.workspace import Workspace, open_workspace
from swarm.testing.repository import UserRepository, make_repository


@pytest.fixture
def user(tmp_path: Path) -> UserRepository:
    """A small repository with source, a test folder and a .gitignore."""
    return make_repository(
        tmp_path / "project",
        {
            "README.md": "hello\n",
            "src/a.py": "a = 1\n",
            "src/b.py": "b = 1\n",
            "docs/guide.md": "guide\n",
            ".gitignore": "build/\n*.log\n",
        },
    )


@pytest.fixture
def hub(user: UserRepository) -> Hub:
    """The hub of the user's repository, with HEAD imported."""
    made = Hub.open_or_create(user.path / ".swarm" / "repo.git")
    made.import_base(user.path)
    return made


@pytest.fixture
def server(tmp_path: Path) -> Path:
    """A bare repository, as a git server has it."""
    path = tmp_path / "server" / "shared.git"
    subprocess.run(["git", "init", "-q", "--bare", str(path)], check=True)
    return path


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    """A Redis on a unix socket."""
    socket = tmp_path / "r.sock"
    options = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(tmp_path)]
    with subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL) as server:
        url = f"unix://{socket}"
        store = HiredisStore(url)
        deadline = time.monotonic() + 20
        while True:
            try:
                store.call("PING")
                break
            except StoreUnreachableError:
                assert time.monotonic() < deadline, "redis-server did not start"
        store.close()
        yield url
        server.kill()


@pytest.fixture
def engine(redis_url: str) -> Iterator[Engine]:
    """An engine with short backoff."""
    made = Engine(HiredisStore(redis_url), "p", retry_base_ms=1, retry_cap_ms=1)
    yield made
    made.close()


@pytest.fixture
def board(engine: Engine, hub: Hub, user: UserRepository, tmp_path: Path) -> Board:
    """No run yet."""
    return Board(engine, hub, user, tmp_path / "work")


@pytest.fixture(params=["overlay", "copy"])
def way(request: pytest.FixtureRequest, hub: Hub) -> str:
    """Both ways to make a checkout; the first is left out where this machine cannot."""
    if request.param == "overlay" and (why := why_copied(hub)):
        pytest.skip(f"no overlay here: {why}")
    return str(request.param)


@pytest.fixture
def workspace(hub: Hub, user: UserRepository, tmp_path: Path, way: str) -> Iterator[Workspace]:
    """A fresh workspace at the user's HEAD."""
    yield open_workspace(hub, user.head(), tmp_path / "work" / "one", may_mount=way == "overlay")
    unmount_in(tmp_path)
