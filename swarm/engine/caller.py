"""Calls scripts with patience: a lost reply means unknown, so the call is sent again with its op id."""

import os
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from random import Random
from typing import TypeVar

from swarm.clock import Clock, SystemClock
from swarm.engine.scripts import Library
from swarm.engine.store import Reply, Store
from swarm.engine.words import words_of
from swarm.errors import StoreUnreachableError

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 1.0
BLOCK_SLACK_S = 5.0

_T = TypeVar("_T")


class Caller:
    """One caller of one project's scripts: op ids, and repetition while the server is away.

    Args:
        patience_s: how long a call is repeated before StoreUnreachableError is raised.
        lua: Lua texts to use instead of the library's own, by name: for tests.
    """

    def __init__(
        self,
        store: Store,
        project: str,
        *,
        patience_s: float,
        clock: Clock | None = None,
        lua: Mapping[str, str] | None = None,
    ) -> None:
        self.store = store
        self.name = os.urandom(6).hex()
        self._library = Library(store, project, lua=lua)
        self._patience_s = patience_s
        self._clock = clock or SystemClock()
        self._numbers = count(1)
        self._random = Random()  # noqa: S311  # spreads pauses; keeps no secret

    def new_op(self) -> str:
        """An id for one mutating call; a repetition carries the same one."""
        return f"{self.name}:{next(self._numbers)}"

    def spread(self) -> str:
        """A factor between a half and one for a backoff, so that many do not come back at once."""
        return f"{self._random.uniform(0.5, 1.0):.4f}"

    def call(self, verb: str, *args: str | int) -> list[Reply]:
        """Run a script, and again with the same arguments while the server does not answer.

        Raises:
            StoreUnreachableError: no answer within the patience; the outcome is unknown.
        """
        return self._patiently(lambda: self._library.call(verb, *args))

    def ask(self, commands: Sequence[Sequence[str | int]]) -> list[Reply]:
        """Send plain reading commands together."""
        return self._patiently(lambda: self.store.pipeline(commands))

    def drain_work(self, *, at_most: int | None = None) -> tuple[int, list[str]]:
        """Do what scripts left over: how many tasks were cancelled or retried, and which ids were queued."""
        moved, queued = 0, list[str]()
        while at_most is None or at_most > 0:
            answer = words_of(self.call("work", self.new_op()))
            if answer[0] == "DONE":
                break
            moved += int(answer[1])
            queued += answer[2:]
            at_most = None if at_most is None else at_most - 1
        return moved, queued

    def block(self, seconds: float, *command: str | int) -> Reply:
        """Send a command that waits on the server for up to `seconds`."""
        return self._patiently(lambda: self.store.call(*command, timeout_s=seconds + BLOCK_SLACK_S))

    def _patiently(self, attempt: Callable[[], _T]) -> _T:
        started_s: float | None = None
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                return attempt()
            except StoreUnreachableError:
                now_s = self._clock.monotonic_s()
                started_s = now_s if started_s is None else started_s
                if now_s - started_s + pause_s > self._patience_s:
                    raise
            self._clock.sleep_s(pause_s * self._random.uniform(0.5, 1.0))
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
