"""Calls scripts with patience: a lost reply means unknown, so the call is sent again with its op id."""

import os
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from random import Random

from swarm.clock import Clock
from swarm.engine.patience import Patience, never, patient_pipeline
from swarm.engine.scripts import Library
from swarm.engine.store import Reply, Store
from swarm.engine.words import words_of

BLOCK_SLACK_S = 5.0


class Caller:
    """One caller of one project's scripts: op ids, and repetition while the server is away.

    Args:
        patience_s: how long a call is repeated before StoreUnreachableError is raised.
        is_put_down: whether nobody is to wait for the server any more.
        lua: Lua texts to use instead of the library's own, by name: for tests.
    """

    def __init__(
        self,
        store: Store,
        project: str,
        *,
        patience_s: float,
        clock: Clock | None = None,
        is_put_down: Callable[[], bool] = never,
        lua: Mapping[str, str] | None = None,
    ) -> None:
        self.store = store
        self.name = os.urandom(6).hex()
        self._library = Library(store, project, lua=lua)
        self._patience = Patience(patience_s, clock=clock, is_put_down=is_put_down)
        self.ask = patient_pipeline(store, self._patience)
        self._numbers = count(1)
        self._random = Random()  # noqa: S311  # spreads backoffs; keeps no secret

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
        return self._patience.repeat(lambda: self._library.call(verb, *args))

    def stream(self, verb: str, calls: Callable[[], Iterable[tuple[str | int, ...]]]) -> list[list[Reply]]:
        """Run a script for each of `calls()`, sent as they are made; all again when the server is away.

        Only for scripts that a repetition does not hurt.
        """
        return self._patience.repeat(lambda: self._library.stream(verb, calls()))

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
        return self._patience.repeat(lambda: self.store.call(*command, timeout_s=seconds + BLOCK_SLACK_S))
