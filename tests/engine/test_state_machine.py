"""The engine and its reference model agree, whatever is called in whatever order, under faults.

`make machine EXAMPLES=20000` runs more of it, `SEED=7` another part. What it finds becomes a test of its own.
"""

from collections import Counter

import pytest
from engine_machine import EngineMachine
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from swarm.engine.connect import open_store
from swarm.engine.scripts import verbs
from swarm.engine.words import words_of
from swarm.testing.server import RedisServer

NODE = "stream-node-max-entries"
"""Streams are trimmed by whole nodes: small ones, so that few events are enough to see it."""
SHARDS = 2
"""Parts that may run at the same time."""
STEPS = 50


@pytest.mark.timeout(0)
@pytest.mark.parametrize("shard", range(SHARDS))
def test_the_engine_agrees_with_its_model(
    redis_server: RedisServer, pytestconfig: pytest.Config, shard: int
) -> None:
    """Same answers, refusals and state after every call; every script is called; then all tasks end."""
    examples = max(pytestconfig.getoption("--machine-examples") // SHARDS, 1)
    number = pytestconfig.getoption("--machine-seed") * SHARDS + shard
    is_raw = pytestconfig.getoption("--machine-raw")

    @seed(number)
    class Machine(EngineMachine):
        server, called, examples, failed_at = redis_server, Counter(), 0, 0

    store = open_store(redis_server.url)
    nodes = words_of(store.call("CONFIG", "GET", NODE))[1]
    store.call("CONFIG", "SET", NODE, 10)
    try:
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=STEPS,
                database=None,
                print_blob=False,
                report_multiple_bugs=False,
                phases=[Phase.generate] if is_raw else [Phase.generate, Phase.shrink],
                suppress_health_check=list(HealthCheck),
            ),
        )
    except BaseException as error:
        error.add_note(f"shard {shard}, seed {number}: failed in example {Machine.failed_at}")
        raise
    finally:
        store.call("CONFIG", "SET", NODE, nodes)
        store.close()

    assert set(Machine.called) == set(verbs())
