"""A server's keys as values: taken, damaged one by one, and put back."""

from swarm.engine.engine import Engine
from swarm.engine.store import Store
from swarm.engine.words import hash_of, words_of


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
    names = words_of(store.call("KEYS", "*"))
    kinds = words_of(store.pipeline([["TYPE", name] for name in names]))
    replies = store.pipeline(
        [[READERS[kind][0], name, *READERS[kind][1:]] for name, kind in zip(names, kinds, strict=True)]
    )
    for name, kind, reply in zip(names, kinds, replies, strict=True):
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
        "unserved",
        "events",
    )
    might = {engine.keys.of(part) for part in made} | {engine.keys.of("queue", "general")}
    return sorted({name for name in set(dumped) | might if not name.endswith("skew")})


def damage(store: Store, name: str, kind: str, sane: dict[str, bytes]) -> None:
    """Make a key `missing`, or of the `wrong type`."""
    store.call("DEL", name)
    if kind == "wrong type":
        if name in sane and _is_string(sane, name):
            store.call("RPUSH", name, "damaged")
        else:
            store.call("SET", name, "damaged")


def _is_string(dumped: dict[str, bytes], name: str) -> bool:
    # The first byte of DUMP is the type; 0 is a string.
    return dumped[name][:1] == b"\x00"
