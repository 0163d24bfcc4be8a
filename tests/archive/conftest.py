"""A project with a home, and an archiver of it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from swarm.archive.archiver import Archiver
from swarm.archive.shelf import Shelf
from swarm.crashpoints import disarm
from swarm.engine.engine import Engine
from swarm.settings import Settings
from swarm.testing.engines import PROJECT


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home in a folder of its own."""
    return Settings(root=tmp_path, home=tmp_path / "home", project=PROJECT)


@pytest.fixture
def shelf(settings: Settings) -> Shelf:
    """The archive of that home."""
    return Shelf(settings.runs)


@pytest.fixture
def archiver(engine: Engine, settings: Settings) -> Callable[[], Archiver]:
    """A fresh archiver, as a process that has just begun has."""
    return lambda: Archiver(engine, settings)


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    disarm()
