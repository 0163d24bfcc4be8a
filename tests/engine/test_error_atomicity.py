"""Lua is atomic but not transactional: a script that errs must have changed nothing before it did."""

import pytest

from swarm.engine.engine import Engine
from swarm.engine.records import Failure, WorkerProfile
from swarm.engine.store import Store
from swarm.engine.words import hash_of, text_of, words_of
from swarm.errors import StaleTokenError, StoreReplyError, UnknownTaskError
from swarm.states import FailureKind, TaskState
from swarm.testing.clock import SkewedClock
from swarm.testing.plans import BASE, make_plan, make_task
from swarm.testing.stages import CALLS, WORKER, Stage

STATES = {
    "claim": TaskState.QUEUED,
    "start": TaskState.ACKED,
    "release": TaskState.ACKED,
    "begin_merge": TaskState.MERGING,
    "renew_merge": TaskState.MERGING,
    "complete": TaskState.MERGING,
    "send_back": TaskState.MERGING,
    "retry": TaskState.FAILED,
    "activate": TaskState.PENDING,
    "submit": TaskState.PENDING,
}
OTHER = WorkerProfile("worker-b", types=("other",))


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


def dump(store: Store) -> dict[str, bytes]:
    """Every key and its serialised value."""
    names = sorted(words_of(store.call("KEYS", "*")))
    values = store.pipeline([["DUMP", name] for name in names]) if names else []
    return {name: value for name, value in zip(names, values, strict=True) if isinstance(value, bytes)}


READERS = {
    "string": ("GET",),
    "list": ("LRANGE", 0, -1),
    "set": ("SMEMBERS",),
    "zset": ("ZRANGE", 0, -1, "WITHSCORES"),
    "hash": ("HGETALL",),
    "stream": ("XRANGE", "-", "+"),
}


def content(store: Store) -> dict[str, object]:
    """Every key and what it holds; a DUMP would also show in which order a hash table keeps it."""
    found: dict[str, object] = {}
    for name in words_of(store.call("KEYS", "*")):
        kind = text_of(store.call("TYPE", name))
        command, *rest = READERS[kind]
        reply = store.call(command, name, *rest)
        found[name] = sorted(hash_of(reply).items()) if kind == "hash" else reply
        if kind == "set":
            found[name] = sorted(words_of(reply))
    return found


def restore(store: Store, dumped: dict[str, bytes]) -> None:
    """Put back exactly what `dump` saw."""
    names = words_of(store.call("KEYS", "*"))
    store.pipeline([["DEL", name] for name in names])
    store.pipeline([["RESTORE", name, 0, value] for name, value in dumped.items()])


def every_key(dumped: dict[str, bytes], engine: Engine) -> list[str]:
    """The keys there are, and those that a script might create."""
    made = (
        "locks",
        "reading",
        "readers",
        "wide",
        "lots",
        "delayed",
        "merging",
        "dead",
        "work",
        "ops",
        "events",
    )
    might = {engine.keys.of(part) for part in made} | {engine.keys.of("queue", "general")}
    return sorted({name for name in set(dumped) | might if not name.endswith("skew")})


@pytest.mark.parametrize("verb", sorted(CALLS))
def test_a_script_that_errs_has_changed_nothing(
    engine: Engine, store: Store, clock: SkewedClock, verb: str
) -> None:
    """For every key there is: of another type, or gone; the script works or leaves all as it was."""
    stage = Stage(engine, store, clock, STATES.get(verb, TaskState.RUNNING))
    crowd(engine)
    sane = dump(store)
    errors = 0

    for name in every_key(sane, engine):
        for damage in ("wrong type", "missing"):
            restore(store, sane)
            store.call("DEL", name)
            if damage == "wrong type":
                kind = (
                    ("SET", name, "damaged")
                    if name not in sane or not _is_string(sane, name)
                    else ("RPUSH", name, "damaged")
                )
                store.call(*kind)
            # A clock that is moved by the call itself would be a difference of its own.
            if verb == "reap":
                clock.advance(ms=engine.lease_ms + 1)
            before = content(store)
            try:
                _call(stage, verb)
            except StoreReplyError:
                errors += 1
                assert content(store) == before, (verb, name, damage)
            except (StaleTokenError, UnknownTaskError):
                assert content(store) == before, (verb, name, damage)

    restore(store, sane)
    assert errors > 0, "no damage made the script err: the test shows nothing"


def _call(stage: Stage, verb: str) -> object:
    """One script and no other: some methods of the engine go on with the work that a script leaves over."""
    caller = stage.engine._caller
    if verb == "reap":
        return caller.call("reap", caller.new_op(), stage.engine.lease_ms)
    if verb == "reclaim_worker":
        return caller.call("reclaim_worker", "worker-a", caller.new_op(), 0)
    if verb == "retry":
        return caller.call("retry", stage.run, "task", caller.new_op())
    return CALLS[verb](stage)


def _is_string(dumped: dict[str, bytes], name: str) -> bool:
    # The first byte of DUMP is the type; 0 is a string.
    return dumped[name][:1] == b"\x00"
