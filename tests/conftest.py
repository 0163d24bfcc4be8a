"""One Redis server for each test process, emptied between tests."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from last_look import CANARY, violations

from swarm.engine.claims import WorkerProfile
from swarm.engine.connect import open_store
from swarm.engine.engine import Engine
from swarm.engine.store import Store
from swarm.mounts import unmount_in
from swarm.testing.clock import SkewedClock
from swarm.testing.engines import PROJECT, make_engine
from swarm.testing.server import RedisServer

SERVERS = ("redis_url", "own_server")
"""The fixtures that give a server."""

SLOWEST_FIRST = ("test_modernize", "test_docker", "test_kill", "test_demo", "test_stop", "test_containers")
"""Modules whose tests take long; the rest of the suite then fills the gaps that they leave."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest tests: one that begins last is a tail that every other process waits for."""
    place = {module: number for number, module in enumerate(SLOWEST_FIRST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long the state machine of the engine runs."""
    group = parser.getgroup("state machine")
    group.addoption(
        "--machine-examples", type=int, default=240, help="examples of 50 steps, in all (default: 240)"
    )
    group.addoption("--machine-seed", type=int, default=0, help="another seed, other examples (default: 0)")
    group.addoption("--machine-raw", action="store_true", help="do not shrink what fails")


# A loaded machine is no defect: examples are limited by their number, not by time.
hypothesis.settings.register_profile("swarm", deadline=None)
hypothesis.settings.load_profile("swarm")


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder whose sockets have short paths, wherever pytest keeps its own: there are 107 bytes for one."""
    with tempfile.TemporaryDirectory(prefix="s-", dir="/tmp") as folder:
        yield Path(folder)
        unmount_in(Path(folder))


@pytest.fixture(scope="session", autouse=True)
def _unmounted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No workspace of a killed worker stays mounted when the session has ended."""
    yield
    unmount_in(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server on a unix socket, for the whole session of one test process."""
    server = RedisServer(Path(tmp_path_factory.mktemp("redis")))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> Iterator[str]:
    """The URL of a server that holds nothing."""
    store = open_store(redis_server.url)
    store.call("FLUSHALL")
    yield redis_server.url
    store.close()


@pytest.fixture
def store(redis_url: str) -> Iterator[Store]:
    """A connection to an empty server."""
    opened = open_store(redis_url)
    yield opened
    opened.close()


@pytest.fixture
def engine(store: Store) -> Iterator[Engine]:
    """An engine whose time is moved by `clock`."""
    made = make_engine(store)
    yield made
    made.close()


@pytest.fixture
def clock(store: Store) -> SkewedClock:
    """Moves the time that decides deadlines."""
    return SkewedClock(store, PROJECT)


@pytest.fixture
def worker() -> WorkerProfile:
    """A worker that can do everything."""
    return WorkerProfile("worker-a", executors=("command", "messages", "claude-code", "plan"))


@pytest.fixture(autouse=True)
def _sound(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that uses a server ends with the checker: what must always hold, holds."""
    if not set(SERVERS) & set(request.fixturenames) or request.node.get_closest_marker("unsound"):
        yield
        return
    # Whatever a fixture gives is asked for here, so that it is there still when the others have ended.
    given = [request.getfixturevalue(name) for name in SERVERS if name in request.fixturenames]
    folder = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    os.environ["DEPLOY_TOKEN"] = CANARY
    yield
    del os.environ["DEPLOY_TOKEN"]
    found = violations([each if isinstance(each, str) else each.url for each in given], folder)
    assert not found, "\n".join(found)
