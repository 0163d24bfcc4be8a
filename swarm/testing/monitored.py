"""What a script of the engine was called with and which fields it read, as the server's MONITOR tells it."""

import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from swarm.engine.store import Store
from swarm.engine.words import words_of

_WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(rb"\\(x[0-9a-f]{2}|.)", re.DOTALL)
_NAMED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}
_END = b"the end of what is monitored"


@dataclass(frozen=True)
class Monitored:
    """A script's call as the server got it, and the fields of hashes that it read."""

    command: tuple[bytes, ...]
    fields: tuple[tuple[str, str], ...]


def monitor(server: Path, store: Store, act: Callable[[], object]) -> Monitored:
    """Do something that calls a script; if it calls several, the first is told of.

    Args:
        server: the unix socket of the server.
        store: another connection to it.
        act: what calls the script.
    """
    with socket.socket(socket.AF_UNIX) as listening, listening.makefile("rb") as lines:
        listening.connect(str(server))
        listening.sendall(b"MONITOR\r\n")
        assert lines.readline().startswith(b"+OK")
        act()
        store.call("ECHO", _END)
        seen: list[tuple[bytes, list[bytes]]] = []
        while (words := _words(line := lines.readline()))[-1] != _END:
            seen.append((line, words))
    names = [words[0].upper() for _, words in seen]
    first = names.index(b"FCALL")
    fields: dict[tuple[str, str], None] = {}
    for line, (verb, *rest) in seen[first + 1 :]:
        if b" lua] " not in line:
            break
        if verb in {b"HGET", b"HMGET"}:
            fields |= dict.fromkeys((rest[0].decode(), name.decode()) for name in rest[1:])
        elif verb in {b"HGETALL", b"HSCAN", b"HVALS"}:
            fields |= dict.fromkeys(
                (rest[0].decode(), name) for name in words_of(store.call("HKEYS", rest[0]))
            )
    return Monitored(tuple(seen[first][1]), tuple(fields))


def _words(line: bytes) -> list[bytes]:
    return [_ESCAPE.sub(_unescaped, word) for word in _WORD.findall(line)]


def _unescaped(found: re.Match[bytes]) -> bytes:
    text = found[1]
    return bytes.fromhex(text[1:].decode()) if text[1:] else _NAMED.get(text, text)
