"""docs/redis.md, as API: the fields that a reader finds in Redis are those that it lists."""

import re
from pathlib import Path

import pytest

from swarm.engine.engine import Engine
from swarm.engine.store import Store
from swarm.engine.words import hash_of, words_of
from swarm.errors import SwarmError
from swarm.states import TaskState
from swarm.testing.clock import SkewedClock
from swarm.testing.stages import CALLS, Stage

ROOT = Path(__file__).resolve().parents[2]
HASHES = ("task:", "run:", "slot:", "agent:", "meta", "tick")


def documented() -> dict[str, set[str]]:
    """Hash -> its fields, from the table of the page."""
    page = (ROOT / "docs" / "redis.md").read_text(encoding="utf-8")
    table = page.partition("\n## Fields\n")[2].partition("\n## ")[0]
    fields: dict[str, set[str]] = {}
    for name, text in re.findall(r"^\| `([a-z]+:?)` \| (.*) \|$", table, re.MULTILINE):
        fields.setdefault(name, set()).update(re.findall(r"`(\w+:?)(?:<\w+>)?`", text))
    return fields


def stored(engine: Engine, store: Store) -> set[tuple[str, str]]:
    """Every (hash, field) of the project; in `meta`, `op:<caller>` and the like up to the colon."""
    prefix = engine.keys.prefix
    names = [name.removeprefix(prefix) for name in words_of(store.call("KEYS", "*"))]
    return {
        (kind, re.sub(r":.*", ":", field) if kind == "meta" else field)
        for name in names
        for kind in HASHES
        if name == kind or (kind.endswith(":") and name.startswith(kind))
        for field in hash_of(store.call("HGETALL", prefix + name))
    }


@pytest.mark.parametrize("state", TaskState)
def test_every_field_in_redis_is_documented(
    engine: Engine, store: Store, clock: SkewedClock, state: TaskState
) -> None:
    """Whatever the scripts leave in a hash, from every state, is on the page."""
    stage = Stage(engine, store, clock, state)
    seen = stored(engine, store)
    for name, call in CALLS.items():
        if name == "reconcile":  # git has no landing of a task whose dependency has none
            continue
        try:
            call(stage)
        except SwarmError:
            continue  # refused from this state
        seen |= stored(engine, store)

    assert {kind for kind, _ in seen} >= {"task:", "run:", "meta"}
    assert seen <= {(kind, field) for kind, fields in documented().items() for field in fields}


def test_every_documented_field_is_written_by_a_script() -> None:
    """The page invents nothing: each name is quoted in a Lua file."""
    sources = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "swarm" / "engine" / "lua").glob("*.lua")
    )
    quoted = set(re.findall(r"'(\w+:?)'", sources))

    assert documented().keys() == set(HASHES)
    assert {field for fields in documented().values() for field in fields} - quoted == set()
