"""Every script under every fault of a network: the same answer and the same keys as without it."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from swarm.engine.claims import Claim, Finish
from swarm.engine.connect import open_store
from swarm.engine.engine import Engine
from swarm.engine.store import Store
from swarm.errors import StaleTokenError
from swarm.states import TaskState
from swarm.testing.clock import HastyClock, StoppedClock, stopped_lua_clock
from swarm.testing.dumps import content
from swarm.testing.proxy import MODES, Mode, Proxy
from swarm.testing.server import RedisServer
from swarm.testing.stages import CALLS, STATES, WORKER, Stage

PROJECT = "proxied"
TIMEOUT_S = 0.12
"""After which a call is sent again; a delay and a black hole last longer."""
CUTS: dict[Mode, tuple[float, ...]] = {"cut-request": (0.0, 0.5, 1.0), "cut-reply": (0.0, 0.5, 1.0)}
IDS = re.compile(r"bring-\d+|Event\(id='[^']*'|'archived_to', '[^']*'")
FAULTS = [pytest.param((mode, at), id=f"{mode}-{at}") for mode in MODES for at in CUTS.get(mode, (0.5,))]


@pytest.fixture(scope="session")
def proxy(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """A proxy before the session's server."""
    made = Proxy(redis_server.url, Path(tmp_path_factory.mktemp("proxy")))
    made.start()
    yield made
    made.stop()


def bring(url: str, store: Store, state: TaskState) -> Stage:
    """A run in this state, on an empty server whose clock stands still."""
    store.call("FLUSHALL")
    clock = StoppedClock(store, PROJECT)
    engine = Engine(
        open_store(url, timeout_s=TIMEOUT_S),
        PROJECT,
        clock=HastyClock(),
        lua={"_clock": stopped_lua_clock(PROJECT)},
    )
    engine._caller._random, engine._caller.name = Random(0), "caller"
    return Stage(engine, store, clock, state)


def call(stage: Stage, verb: str) -> object:
    """What the caller is told."""
    try:
        answer = CALLS[verb](stage)
    except StaleTokenError as error:
        return type(error)
    if isinstance(answer, Claim):
        return replace(answer, lease_ms=0)
    return answer


def kept(stage: Stage) -> dict[str, str]:
    """Every key, but for the ids of earlier claims and of events."""
    texts = {name: str(value) for name, value in content(stage.store).items()}
    texts[stage.engine.keys.of("events")] = str(stage.engine.events(limit=500))
    return {name: IDS.sub("", text) for name, text in texts.items()}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("verb", sorted(CALLS))
def test_a_fault_of_the_network_changes_nothing(
    redis_url: str, store: Store, proxy: Proxy, verb: str, fault: tuple[Mode, float]
) -> None:
    """The same answer and the same keys: the call took effect once, however it came across."""
    (mode, at), state = fault, STATES.get(verb, TaskState.RUNNING)
    plain = bring(redis_url, store, state)
    expected = call(plain, verb), kept(plain)
    stage = bring(proxy.url, store, state)
    before = proxy.harm[mode]

    proxy.arm(mode, at=at, seconds=TIMEOUT_S * 1.5)
    actual = call(stage, verb)
    proxy.settle()

    assert proxy.harm[mode] == before + 1
    assert actual == expected[0]
    found = kept(stage)
    assert {
        name: (found.get(name), text) for name, text in expected[1].items() if found.get(name) != text
    } == {}
    assert found.keys() == expected[1].keys()
    stage.engine.close()
    plain.engine.close()


@pytest.mark.parametrize("mode", ["cut-request", "cut-reply"])
def test_a_connection_may_be_cut_anywhere(redis_server: RedisServer, store: Store, mode: Mode) -> None:
    """Over TCP, at fifty places of a finish that takes the next task in the same call."""
    tcp = Proxy(redis_server.url)
    tcp.start()
    outcomes = set()

    for place in range(50):
        stage = bring(tcp.url, store, TaskState.RUNNING)
        tcp.arm(mode, at=place / 49)
        following = stage.engine.end_and_claim(stage.claim, Finish(), WORKER, "next")
        outcomes.add((following and following.task.id, following and following.token, str(kept(stage))))
        stage.engine.close()

    tcp.stop()
    assert tcp.harm == {mode: 50}
    assert [(task, token) for task, token, _ in outcomes] == [("last", 3)]
