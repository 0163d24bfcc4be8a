"""Random schedules on a real server: whatever happens in whatever order, the checker stays silent."""

import pytest
from random_schedule import Schedule

from swarm.engine.scripts import read_script
from swarm.engine.store import Store
from swarm.testing.checker import check_everything
from swarm.testing.clock import SkewedClock
from swarm.testing.engines import make_engine


@pytest.mark.parametrize("seed", range(25))
def test_no_schedule_breaks_an_invariant(store: Store, clock: SkewedClock, seed: int) -> None:
    """After each of 80 random calls nothing is lost, doubled or overlapping; then everything ends."""
    often = read_script("_turn").replace("OVERTAKINGS, PATIENCE_MS = 5,", "OVERTAKINGS, PATIENCE_MS = 1,")
    engine = make_engine(store, lua={"_turn": often} if seed % 2 else {})
    schedule = Schedule(engine, store, clock, seed)

    for _ in range(80):
        schedule.step()
        found = check_everything(engine, store)
        assert not found, (seed, schedule.log, found)

    schedule.finish_everything()
    assert check_everything(engine, store) == []
