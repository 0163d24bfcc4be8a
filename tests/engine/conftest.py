"""Every engine test ends with the checker."""

from collections.abc import Iterator

import pytest

from swarm.engine.engine import Engine
from swarm.engine.store import Store
from swarm.testing.checker import assert_sound


@pytest.fixture(autouse=True)
def sound(engine: Engine, store: Store) -> Iterator[None]:
    """What must always hold, holds when the test ends."""
    yield
    assert_sound(engine, store)
