"""A private RESP connection on `hiredis` and a socket: the hot path's transport.

It sends what it is told, once. redis-py repeats calls on its own and takes 200 ms to import.
"""

import os
import socket
import struct
import time
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import parse_qs, unquote

import hiredis

from swarm.engine.addresses import REDIS_PORT, is_number, server_of, socket_of, split_url, wrong
from swarm.engine.store import Reply
from swarm.errors import (
    AuthenticationError,
    ConfigError,
    StoreMovedError,
    StoreReplyError,
    StoreUnreachableError,
)

AWAY = ("LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS")
"""Error codes of a server that cannot serve now: the same to a caller as no answer."""

AWAY_HINT = "check that the server runs and that `redis_url` names it"

ELSEWHERE = ("MOVED", "ASK")
"""Error codes of a node of a cluster that does not serve this key, or not all of it."""

NO_DATABASE = ("DB index is out of range", "SELECT is not allowed")
"""What a server says to the number of a database that it does not have; one of a cluster has one."""

DATABASE_HINT = "give a smaller number after the host, or none"

_LOCKED_OUT = ("NOAUTH", "WRONGPASS", "NOPERM")
LOOK_S = 0.0003
"""How long an answer is looked for before the process sleeps: most come within it from a server that is near,
and a core that has gone to sleep takes a third of a short call to wake. Farther servers are waited for."""

_CHUNK = 65_536
_TIMEVAL = struct.Struct("ll")
"""Seconds and microseconds: how long the kernel waits on a socket; none of both is for ever."""


class HiredisStore:
    """A connection to `redis://[user:password@]host[:port][/db]` or `unix:///path[?db=n]`.

    Connects when first called, and again after a failure; never repeats a command.
    """

    def __init__(self, url: str, *, timeout_s: float = 5.0) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._address, self._setup = _parse(url)
        self._socket: socket.socket | None = None
        self._limit_s = timeout_s
        self._is_near = True
        self._reader = hiredis.Reader()

    def call(self, *command: str | bytes | int, timeout_s: float | None = None) -> Reply:
        """Send one command and return its reply."""
        reply = self._exchange(((_pack(command), 1),), timeout_s)[0]
        _raise_error(reply)
        return reply

    def pipeline(self, commands: Iterable[Sequence[str | bytes | int]]) -> list[Reply]:
        """Send commands as they come and return their replies in order; the first error is raised.

        What takes time to make is made while the server works on what was sent before. The replies must
        fit a socket's buffers: they are read when all is sent.
        """
        replies = self._exchange(_packets(commands), None)
        for reply in replies:
            _raise_error(reply)
        return replies

    def clone(self) -> "HiredisStore":
        """The same server on a connection of its own."""
        return HiredisStore(self._url, timeout_s=self._timeout_s)

    def close(self) -> None:
        """Close the connection; the next call opens it again."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _exchange(self, packets: Iterable[tuple[bytes, int]], timeout_s: float | None) -> list[Reply]:
        try:
            connection = self._socket or self._connect()
            count = 0
            limit_s = self._timeout_s if timeout_s is None else timeout_s
            if limit_s != self._limit_s:
                self._limit(connection, limit_s)
            for packed, commands in packets:
                connection.sendall(packed)
                count += commands
            return self._receive(connection, count)
        except (OSError, hiredis.ProtocolError) as error:
            self.close()
            fault = "timed out" if isinstance(error, BlockingIOError) else str(error) or type(error).__name__
            raise StoreUnreachableError(
                f"no answer from Redis at {server_of(self._url)}: {fault}",
                hint=AWAY_HINT,
            ) from error
        except BaseException:
            # Interrupted before the reply: what comes next on this connection is not for the next call.
            self.close()
            raise

    def _receive(self, connection: socket.socket, count: int) -> list[Reply]:
        replies: list[Reply] = []
        while len(replies) < count:
            reply = self._reader.gets()
            if reply is not False:
                replies.append(reply)
                continue
            data = self._read(connection)
            if not data:
                raise ConnectionResetError("the server closed the connection")
            self._reader.feed(data)
        return replies

    def _read(self, connection: socket.socket) -> bytes:
        """What comes next; who was near the last time is looked for before this sleeps."""
        started = time.perf_counter()
        while self._is_near and time.perf_counter() - started < LOOK_S:
            try:
                return connection.recv(_CHUNK, socket.MSG_DONTWAIT)
            except BlockingIOError:
                os.sched_yield()  # the server may need this core
        data = connection.recv(_CHUNK)
        self._is_near = time.perf_counter() - started < LOOK_S
        return data

    def _limit(self, connection: socket.socket, limit_s: float) -> None:
        """Let the kernel, not a poll before each call as with `settimeout`, limit how long one takes."""
        seconds, rest_s = divmod(limit_s, 1)
        limit = _TIMEVAL.pack(int(seconds), max(int(rest_s * 1e6), 0 if seconds else 1))
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            connection.setsockopt(socket.SOL_SOCKET, option, limit)
        self._limit_s = limit_s

    def _connect(self) -> socket.socket:
        self._reader = hiredis.Reader()
        connection = self._dial()
        try:
            connection.settimeout(None)
            self._limit(connection, self._timeout_s)
            connection.sendall(b"".join(map(_pack, self._setup)))
            for reply in self._receive(connection, len(self._setup)):
                _raise_error(reply)
        except BaseException:
            connection.close()
            raise
        self._socket = connection
        return connection

    def _dial(self) -> socket.socket:
        if isinstance(self._address, tuple):
            connection = socket.create_connection(self._address, self._timeout_s)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            return connection
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(self._timeout_s)
            connection.connect(self._address)
        except BaseException:
            connection.close()
            raise
        return connection


def _packets(commands: Iterable[Sequence[str | bytes | int]]) -> Iterator[tuple[bytes, int]]:
    """Commands packed into pieces of some size, each with how many it holds."""
    packed, size = [], 0
    for command in commands:
        packed.append(_pack(command))
        size += len(packed[-1])
        if size >= _CHUNK:
            yield b"".join(packed), len(packed)
            packed, size = [], 0
    if packed:
        yield b"".join(packed), len(packed)


def _pack(command: Sequence[str | bytes | int]) -> bytes:
    # hiredis' stub wants a tuple of one; it packs any length.
    try:
        packed: bytes = hiredis.pack_command(tuple(command))  # type: ignore[arg-type]
    except UnicodeEncodeError:
        # No text, such as a file name, may stop whoever tells it.
        packed = hiredis.pack_command(tuple(map(encoded, command)))  # type: ignore[arg-type]
    return packed


def encoded(argument: str | bytes | int) -> bytes | int:
    """An argument that can be packed whatever text it is; a lone surrogate is escaped."""
    return argument.encode("utf-8", "backslashreplace") if isinstance(argument, str) else argument


def _raise_error(reply: Reply) -> None:
    if isinstance(reply, hiredis.ReplyError):
        raise _as_error(reply)


def _parse(url: str) -> tuple[str | tuple[str, int], list[tuple[str, ...]]]:
    """The address, and the commands that make a fresh connection ready."""
    parts = split_url(url)
    query = parse_qs(parts.query)
    try:
        port = REDIS_PORT if parts.port is None else parts.port
    except ValueError:  # its own text would show the password
        port = 0
    if not port:
        raise wrong(url, "the port is none")
    database = (query.get("db") or [parts.path.strip("/") if parts.scheme == "redis" else ""])[0] or "0"
    if not is_number(database):
        raise wrong(url, "the database is not a number")
    password = unquote(parts.password or "") or (query.get("password") or [""])[0]
    user = unquote(parts.username or "")
    setup: list[tuple[str, ...]] = []
    if password:
        setup.append(("AUTH", user, password) if user else ("AUTH", password))
    if int(database):
        setup.append(("SELECT", database))
    if parts.scheme == "unix":
        return socket_of(url), setup
    return (parts.hostname or "127.0.0.1", port), setup


def cannot_serve(text: str) -> StoreUnreachableError:
    """The error for what a server says that cannot serve now, one of `AWAY`; the call changed nothing."""
    hint = ""
    if text.startswith("NOREPLICAS"):
        hint = "fewer replicas follow the master than its `min-replicas-to-write`: start one, or lower that"
    elif text.startswith("CLUSTERDOWN"):
        hint = "`redis-cli --cluster check` says which of its nodes is missing"
    return StoreUnreachableError(f"Redis cannot serve now: {text}", hint=hint)


def refused(text: str) -> AuthenticationError:
    """What is to be said of a server that knows us, or does not, and lets us do nothing."""
    is_right = text.startswith("NOPERM")
    hint = (
        "`ACL SETUSER` on the server gives its user that right"
        if is_right
        else "check the password in `redis_url`"
    )
    return AuthenticationError(f"Redis refused us: {text}", hint=hint)


def _as_error(reply: hiredis.ReplyError) -> Exception:
    text = str(reply)
    if text.startswith(AWAY):
        return cannot_serve(text)
    if text.startswith(ELSEWHERE):
        return StoreMovedError(f"Redis refused the call: {text}")
    if text.startswith(_LOCKED_OUT) or "invalid password" in text or "called without any password" in text:
        return refused(text)
    if any(said in text for said in NO_DATABASE):
        return ConfigError(f"redis_url: the server has no such database: {text}", hint=DATABASE_HINT)
    return StoreReplyError(f"Redis refused the call: {text}", hint=hint_for(text))


def hint_for(text: str) -> str:
    """What may help against a refusal that is none of ours; empty where that is not known."""
    if text.startswith("OOM"):
        return "raise its `maxmemory`; what is claimed can still be finished"
    if "unknown command" in text:
        return (
            "Redis 7 or Valkey is needed, and a sentinel is neither:"
            " `redis+sentinel://host:port/service` asks one for the server"
        )
    return ""
