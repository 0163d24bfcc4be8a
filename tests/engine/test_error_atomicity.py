"""Lua is atomic but not transactional: a script that errs must have changed nothing before it did."""

from collections.abc import Callable

import pytest

from swarm.engine.claims import Ending, Expand, Fail, Failure, Finish, HandIn, Release, WorkerProfile
from swarm.engine.engine import Engine
from swarm.engine.store import Store
from swarm.engine.words import hash_of
from swarm.errors import StaleTokenError, StoreReplyError, UnknownRunError, UnknownTaskError
from swarm.states import FailureKind, TaskState
from swarm.testing.checker import check_everything
from swarm.testing.clock import SkewedClock
from swarm.testing.dumps import content, damage, dump, every_key, restore
from swarm.testing.engines import PROJECT, WITHOUT_SHORT_WAY, make_engine
from swarm.testing.monitored import monitor
from swarm.testing.plans import BASE, make_plan, make_task
from swarm.testing.server import RedisServer
from swarm.testing.stages import CALLS, STATES, TASK_ERROR, WORKER, Stage

LOADING = dict.fromkeys(("activate", "deadlines", "fail_fast", "submit"), TaskState.PENDING)
OTHER = WorkerProfile("worker-b", types=("other",))
WITH_CLAIM: dict[str, Ending] = {
    "finish": Finish(),
    "hand_in": HandIn("c2"),
    "fail": Fail(TASK_ERROR),
    "release": Release("drain"),
    "expand": Expand(make_plan("sub", make_task("sink", after=["sub"]))),
}
"""Endings whose script takes the next task as well."""
CANNOT_ERR = frozenset(
    {
        "activate",
        "deadlines",
        "fail_fast",
        "follow",
        "forget",
        "limit",
        "open_run",
        "pause",
        "rerank",
        "resume",
    }
    | {"sign_off", "submit", "trim", "work"}
)
"""Whatever text a field holds that these read, they make something of it."""


def crowd(engine: Engine) -> None:
    """Another run that fills every structure: parked, delayed, dead, shared and wide locks, an agent."""
    for worker in (WORKER, OTHER):
        engine.heartbeat(worker, kind="worker", state="busy")
    engine.submit(
        make_plan(
            make_task("fails", type="other"),
            make_task("reader", type="other", reads=["docs/"]),
            make_task("parked", type="other", files=["a.py"], reads=["docs/x.md"]),
        ),
        base=BASE,
        key="crowd",
    )
    for number in range(3):
        claim = engine.claim(OTHER, f"crowd-{number}")
        if claim and claim.task.id == "fails":
            engine.fail(claim, Failure(FailureKind.TASK_ERROR, "no"))


@pytest.mark.parametrize("verb", sorted(CALLS))
def test_a_script_that_errs_has_changed_nothing(
    engine: Engine, store: Store, clock: SkewedClock, verb: str
) -> None:
    """For every key there is: of another type, or gone; the script works or leaves all as it was."""
    stage = Stage(engine, store, clock, (STATES | LOADING).get(verb, TaskState.RUNNING))
    crowd(engine)
    sane = dump(store)
    errors = 0

    for name in every_key(sane, engine):
        for kind in ("wrong type", "missing"):
            restore(store, sane)
            damage(store, name, kind, sane)
            # A clock that is moved by the call itself would be a difference of its own.
            if verb == "reap":
                clock.advance(ms=engine.lease_ms + 1)
            before = content(store)
            try:
                _call(stage, verb)
            except StoreReplyError:
                errors += 1
                assert content(store) == before, (verb, name, kind)
            except (StaleTokenError, UnknownTaskError, UnknownRunError):
                assert content(store) == before, (verb, name, kind)

    restore(store, sane)
    assert errors > 0, "no damage made the script err: the test shows nothing"


@pytest.mark.parametrize("verb", sorted(CALLS))
def test_garbage_that_makes_a_script_err_has_changed_nothing(
    redis_server: RedisServer, store: Store, verb: str
) -> None:
    """For every field of a hash that it reads: the script works, or leaves all as it was."""
    stage = Stage(
        make_engine(store),
        store,
        SkewedClock(store, PROJECT),
        (STATES | LOADING).get(verb, TaskState.RUNNING),
    )
    crowd(stage.engine)
    if verb == "reap":
        stage.clock.advance(ms=stage.engine.lease_ms + 1)

    errors, failed = try_garbage(redis_server, store, stage.engine, lambda: _call(stage, verb))

    assert (errors == 0) is (verb in CANNOT_ERR)
    assert failed == 0


@pytest.mark.parametrize("next_run", ["the same", "another", "one with locks"])
@pytest.mark.parametrize(
    ("ending", "state"),
    [
        (ending, state)
        for ending in (*WITH_CLAIM, "finish the long way")
        for state in (TaskState.ACKED, TaskState.RUNNING)
        if (ending, state) != ("hand_in", TaskState.ACKED)
    ],
)
def test_garbage_under_an_end_and_a_claim(
    redis_server: RedisServer, store: Store, ending: str, state: TaskState, next_run: str
) -> None:
    """Both take effect, or the end alone with every count right, or nothing; the short way and the long."""
    engine = make_engine(store, lua=WITHOUT_SHORT_WAY if "long" in ending else {})
    how = WITH_CLAIM[ending.partition(" ")[0]]
    stage = Stage(engine, store, SkewedClock(store, PROJECT), state)
    crowd(engine)
    if next_run != "the same":
        scope = ["b.py"] if next_run == "one with locks" else []
        engine.submit(
            make_plan(make_task("urgent", priority=9, files=scope, reads=scope and ["docs/y"])), base=BASE
        )

    errors, failed = try_garbage(
        redis_server,
        store,
        engine,
        lambda: engine.end_and_claim(stage.claim, how, WORKER, "next"),
    )

    assert errors > 0
    assert failed > 0 or (ending == "hand_in" and next_run == "the same")


def try_garbage(
    server: RedisServer, store: Store, engine: Engine, call: Callable[[], object]
) -> tuple[int, int]:
    """Call a script with garbage in each field of a hash that it reads; how often it, or its claim, erred."""
    sane, whole = dump(store), content(store)
    called = monitor(server.socket, store, call)
    errors = failed = 0
    for name, field in called.fields:
        restore(store, sane)
        store.call("HSET", name, field, "garbage")
        before = content(store)
        try:
            reply = store.call(*called.command)
        except StoreReplyError:
            errors += 1
            assert content(store) == before, (name, field)
            continue
        assert isinstance(reply, list)
        if reply[:1] in ([b"STALE"], [b"UNKNOWN"], [b"CANCELLED"]):
            assert content(store) == before, (name, field)
        if b"FAILED" in reply:
            failed += 1
            _put_back(store, name, field, dict(whole.get(name, [])))  # type: ignore[call-overload]  # of a hash
            assert check_everything(engine, store) == [], (name, field)
    restore(store, sane)
    return errors, failed


def _put_back(store: Store, name: str, field: str, fields: dict[str, str]) -> None:
    """What only a claim that erred has read must be there still."""
    assert hash_of(store.call("HGETALL", name))[field] == "garbage", (name, field)
    store.call("HDEL", name, field)
    if field in fields:
        store.call("HSET", name, field, fields[field])


def _call(stage: Stage, verb: str) -> object:
    """One script and no other: some methods of the engine go on with the work that a script leaves over."""
    caller = stage.engine._caller
    if verb == "reap":
        return caller.call("reap", caller.new_op(), stage.engine.lease_ms, 0)
    if verb == "reclaim_worker":
        return caller.call("reclaim_worker", "worker-a", caller.new_op(), 0)
    if verb == "resume":
        return caller.call(verb, stage.run, "", caller.new_op())
    if verb in {"retry", "skip"}:
        return caller.call(verb, stage.run, "task", caller.new_op(), "fresh")
    return CALLS[verb](stage)
