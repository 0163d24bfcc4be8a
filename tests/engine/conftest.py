"""What several tests of the engine begin with."""

import pytest
from expansion_board import Board

from swarm.engine.engine import Engine
from swarm.testing.plans import make_plan, make_task


@pytest.fixture
def board(engine: Engine) -> Board:
    """A run of `first → task → last`, of which the first is done."""
    made = Board(
        engine, make_plan("first", make_task("task", after=["first"]), make_task("last", after=["task"]))
    )
    made.finish("first")
    return made
