"""Whose turn it is: trains of runs that are in this hub, taken by a host that can use it (F1)."""

import contextlib
from collections.abc import Iterator, Sequence

import structlog

from swarm.engine.claims import MergeTicket
from swarm.engine.engine import Engine
from swarm.errors import (
    HubUnreachableError,
    OtherHubError,
    StaleTokenError,
    StoreUnreachableError,
    UnknownRunError,
)
from swarm.repo.hub.hub import Hub
from swarm.repo.hub.identity import refuse_other_hub


class Turns:
    """What one merge queue may begin. A slot that it cannot use is for other hosts, at once."""

    def __init__(self, engine: Engine, hub: Hub, merger_id: str) -> None:
        self._engine = engine
        self._hub = hub
        self._merger_id = merger_id
        self._here, self._elsewhere = set[str](), set[str]()
        self._is_doubted = False
        self._log = structlog.get_logger().bind(worker=merger_id)

    @contextlib.contextmanager
    def next(self, most: int) -> Iterator[Sequence[MergeTicket]]:
        """The best handed-in attempts of a run whose branch is free, for as long as the block runs.

        Raises:
            HubUnreachableError: raised in the block, or before it; the branch is free for other hosts.
        """
        self._see_hub()
        self._elsewhere = {run for run in self._elsewhere if self._is_elsewhere(run)}
        while tickets := self._engine.begin_merge(self._merger_id, most=most, besides=self._elsewhere):
            with self._yielding(tickets):
                if not self._is_elsewhere(tickets[0].run):
                    yield tickets
                    return
            self._elsewhere.add(tickets[0].run)
            self._yield_slot(tickets)
        yield ()

    def _see_hub(self) -> None:
        """Ask a hub that could not be used before a slot is held that another host could use."""
        if self._is_doubted and self._hub.remote:
            self._hub.remote.check()
        self._is_doubted = False

    def _is_elsewhere(self, run: str) -> bool:
        """The run is in another hub than this one: nothing of it is touched, and it is said once."""
        if run in self._here:
            return False
        try:
            refuse_other_hub(self._hub, self._engine.run(run))
            self._here.add(run)
        except OtherHubError as error:
            if run not in self._elsewhere:
                self._log.error("not merged here", run=run, error=error.message, help=error.help)
            return True
        except UnknownRunError:
            pass
        return False

    @contextlib.contextmanager
    def _yielding(self, tickets: Sequence[MergeTicket]) -> Iterator[None]:
        """Where the hub turns out to be away, or declines: other hosts may be able to use it."""
        try:
            yield
        except HubUnreachableError:
            self._is_doubted = True
            self._yield_slot(tickets)
            raise

    def _yield_slot(self, tickets: Sequence[MergeTicket]) -> None:
        """If nobody can be told, it runs out by itself."""
        with contextlib.suppress(StaleTokenError, StoreUnreachableError):
            self._engine.yield_merge(tickets)
