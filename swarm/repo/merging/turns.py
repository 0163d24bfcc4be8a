"""Whose turn it is: trains of runs that are in this hub, taken by a host that can use it (F1)."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import structlog

from swarm.clock import Clock
from swarm.engine.claims import MergeTicket
from swarm.engine.engine import Engine
from swarm.errors import (
    HubDeclinedError,
    HubUnreachableError,
    OtherHubError,
    StaleTokenError,
    StoreUnreachableError,
    UnknownRunError,
)
from swarm.keys import member
from swarm.repo.hub.hub import Hub
from swarm.repo.hub.identity import refuse_other_hub
from swarm.repo.merging.landing import Landing

PAUSE_S = 5.0
MAX_PAUSE_S = 300.0


@dataclass(frozen=True)
class _PutOff:
    """An attempt whose landing the hub has declined, though it takes other pushes."""

    why: str
    until_s: float
    pause_s: float


class Turns:
    """What one merge queue may begin. A slot that it cannot use is for other hosts, at once."""

    def __init__(self, engine: Engine, hub: Hub, merger_id: str, clock: Clock) -> None:
        self._engine = engine
        self._hub = hub
        self._merger_id = merger_id
        self._clock = clock
        self._here, self._elsewhere = set[str](), set[str]()
        self._put_off: dict[str, _PutOff] = {}
        self._is_doubted = False
        self._log = structlog.get_logger().bind(worker=merger_id)

    @property
    def trouble(self) -> str:
        """Why something that was judged does not land here; empty when nothing of that kind is known."""
        now_s = self._clock.monotonic_s()
        return next((one.why for one in self._put_off.values() if one.until_s > now_s), "")

    @contextlib.contextmanager
    def next(self, most: int) -> Iterator[Sequence[MergeTicket]]:
        """The best handed-in attempts of a run whose branch is free, for as long as the block runs.

        Raises:
            HubUnreachableError: raised in the block, or before it; the branch is free for other hosts.
        """
        if self._is_doubted:
            self.check_hub()  # before a slot is held that another host could use
        self._is_doubted = False
        self._elsewhere = {run for run in self._elsewhere if self._is_elsewhere(run)}
        while tickets := self._engine.begin_merge(self._merger_id, most=most, besides=self._passed_over()):
            with self._yielding(tickets):
                if not self._is_elsewhere(tickets[0].run):
                    yield tickets
                    return
            self._elsewhere.add(tickets[0].run)
            self._yield_slot(tickets)
        yield ()

    def check_hub(self) -> None:
        """See that the hub takes pushes at all.

        Raises:
            HubUnreachableError: it does not.
        """
        if self._hub.remote:
            self._hub.remote.check()

    def put_off(self, ticket: MergeTicket, error: HubDeclinedError) -> None:
        """Pass over an attempt that the hub declines: it may be its content, so others go first."""
        name = member(ticket.run, ticket.task.id)
        before = self._put_off.get(name)
        pause_s = min(MAX_PAUSE_S, before.pause_s * 2) if before else PAUSE_S
        self._put_off[name] = _PutOff(error.message, self._clock.monotonic_s() + pause_s, pause_s)
        self._log.error(
            "landing declined", run=ticket.run, task=ticket.task.id, error=error.message, pause_s=pause_s
        )

    def settle(self, landings: Iterable[Landing]) -> None:
        """Forget what was put off and has been judged now, or has gone some other way."""
        now_s = self._clock.monotonic_s()
        judged = {member(landing.run, landing.task) for landing in landings}
        self._put_off = {
            name: one
            for name, one in self._put_off.items()
            if name not in judged and one.until_s + MAX_PAUSE_S > now_s
        }

    def _passed_over(self) -> list[str]:
        now_s = self._clock.monotonic_s()
        return [*self._elsewhere, *(name for name, one in self._put_off.items() if one.until_s > now_s)]

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
