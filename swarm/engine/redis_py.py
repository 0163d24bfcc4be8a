"""The same store through redis-py, for URLs that our own connection does not speak, such as `rediss://`."""

from collections.abc import Iterable, Sequence
from typing import cast

import redis
from redis.backoff import NoBackoff
from redis.exceptions import AskError, NoPermissionError
from redis.retry import Retry

from swarm.engine.addresses import OPTIONS_HINT, server_of
from swarm.engine.store import Reply
from swarm.engine.wire import (
    AWAY,
    AWAY_HINT,
    DATABASE_HINT,
    ELSEWHERE,
    NO_DATABASE,
    cannot_serve,
    encoded,
    hint_for,
    refused,
)
from swarm.errors import (
    AuthenticationError,
    ConfigError,
    StoreMovedError,
    StoreReplyError,
    StoreUnreachableError,
)


class RedisPyStore:
    """A connection by redis-py with its own retries off."""

    def __init__(self, url: str, *, timeout_s: float = 5.0) -> None:
        self._url = url
        self._timeout_s = timeout_s
        try:
            self._pool = redis.ConnectionPool.from_url(
                url,
                retry=Retry(NoBackoff(), 0),
                socket_timeout=timeout_s,
                socket_connect_timeout=timeout_s,
                protocol=2,
            )
            self._pool.make_connection()  # it dials no one; an option that nobody knows is told here
        except (TypeError, ValueError) as error:
            raise ConfigError(f"redis_url: {error}", hint=OPTIONS_HINT) from error
        self._connection: redis.Connection | None = None

    def call(self, *command: str | bytes | int, timeout_s: float | None = None) -> Reply:
        """Send one command and return its reply."""
        return self._exchange([command], timeout_s)[0]

    def pipeline(self, commands: Iterable[Sequence[str | bytes | int]]) -> list[Reply]:
        """Send commands together and return their replies in order; the first error is raised."""
        sent = list(commands)
        return self._exchange(sent, None) if sent else []

    def clone(self) -> "RedisPyStore":
        """The same server on a connection of its own."""
        return RedisPyStore(self._url, timeout_s=self._timeout_s)

    def close(self) -> None:
        """Close the connection; the next call opens it again."""
        if self._connection is not None:
            self._connection.disconnect()  # type: ignore[no-untyped-call]  # redis-py's connections are untyped
            self._pool.release(self._connection)
            self._connection = None
        self._pool.disconnect()

    def _exchange(
        self, commands: Sequence[Sequence[str | bytes | int]], timeout_s: float | None
    ) -> list[Reply]:
        try:
            return self._send(commands, timeout_s)
        except redis.AuthenticationError as error:
            self.close()
            raise AuthenticationError(f"Redis refused us: {error}") from error
        except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
            self.close()
            # redis-py's own text says the address again.
            reason = error.__context__ if isinstance(error.__context__, OSError) else error
            raise StoreUnreachableError(
                f"no answer from Redis at {server_of(self._url)}: {reason}", hint=AWAY_HINT
            ) from error
        except redis.ResponseError as error:
            raise _as_error(error) from error
        except BaseException:
            self.close()
            raise

    def _send(self, commands: Sequence[Sequence[str | bytes | int]], timeout_s: float | None) -> list[Reply]:
        connection = self._connection or self._pool.get_connection()
        self._connection = connection
        sent = [list(map(encoded, command)) for command in commands]
        packed = connection.pack_commands(sent)  # type: ignore[no-untyped-call]  # as above
        connection.send_packed_command(packed)  # type: ignore[no-untyped-call]  # as above
        wait_s = self._timeout_s if timeout_s is None else timeout_s
        replies: list[Reply] = []
        first_error: redis.ResponseError | None = None
        for _ in commands:
            try:
                replies.append(cast("Reply", connection.read_response(timeout=wait_s)))
            except redis.ResponseError as error:
                first_error = first_error or error
        if first_error is not None:
            raise first_error
        return replies


def _as_error(error: redis.ResponseError) -> Exception:
    text = str(error)
    if isinstance(error, redis.ReadOnlyError) or text.startswith(AWAY):
        return cannot_serve(text)
    if isinstance(error, AskError) or text.startswith(ELSEWHERE):  # MovedError is one
        return StoreMovedError(f"Redis refused the call: {text}")
    if isinstance(error, NoPermissionError):
        return refused(text if text.startswith("NOPERM") else f"NOPERM {text}")  # redis-py cuts the code off
    if any(said in text for said in NO_DATABASE):
        return ConfigError(f"redis_url: the server has no such database: {text}", hint=DATABASE_HINT)
    return StoreReplyError(f"Redis refused the call: {text}", hint=hint_for(text))
