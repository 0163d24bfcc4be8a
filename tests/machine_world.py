"""A state machine over every script: the engine on a real server, beside its reference model.

Each rule makes one call of the engine and the same of the model; both must answer alike, and afterwards what
is stored is what the model says. Before a call a fault may be armed: its request or reply is lost, it
arrives twice, or the server stalls under it; and old calls arrive again, late.
"""

import sys
from collections import Counter
from collections.abc import Callable, Mapping
from random import Random
from typing import TYPE_CHECKING, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from model_check import differences

from swarm.engine.claims import (
    Claim,
    Failure,
    MergeTicket,
    WorkerProfile,
)
from swarm.engine.connect import open_store
from swarm.engine.endings import PROVIDER_BASE, PROVIDER_CAP
from swarm.engine.engine import Engine
from swarm.errors import RefusedError, StaleTokenError, SwarmError, UnknownTaskError
from swarm.states import FailureKind, TaskState
from swarm.testing.checker import check_everything
from swarm.testing.clock import HastyClock, StoppedClock, stopped_lua_clock
from swarm.testing.faults import Fault, FaultyStore
from swarm.testing.model import Model, Task
from swarm.testing.server import RedisServer

if TYPE_CHECKING:
    from swarm.engine.records import Event
    from swarm.plan.model import Plan

PROJECT = "machine"
LEASE_MS, RETRY_BASE_MS, RETRY_CAP_MS = 30_000, 2_000, 20_000
WORKERS = (
    WorkerProfile("w1", executors=("command", "messages"), tags=("gpu",)),
    WorkerProfile("w2", types=("red",), executors=("command", "messages")),
    WorkerProfile("w3", types=("red", "blue"), executors=("command",)),
    WorkerProfile("m1", executors=("command", "messages")),
)
FAULTS: tuple[Fault, ...] = ("lost request", "lost reply", "lost reply", "twice", "twice", "stall")
HAS_NO_OP = frozenset(
    {
        *("activate", "begin_merge", "claim", "deadlines", "follow", "heartbeat", "open_run"),
        *("raise_fence", "renew", "renew_merge", "sign_off", "start", "submit", "trim"),
    }
)
"""A late repetition of these does its harmless work once more, or is for the claim's own rule."""


class World(RuleBasedStateMachine):
    """One project, driven through its engine; `lua` replaces scripts, as mutants do."""

    server: ClassVar[RedisServer]
    lua: ClassVar[Mapping[str, str]] = {}
    called: ClassVar[Counter[str]]
    examples: ClassVar[int]
    failed_at: ClassVar[int]

    def __init__(self) -> None:
        super().__init__()
        type(self).examples += 1
        self.plain = open_store(self.server.url)
        self.plain.call("FLUSHALL")
        self.clock = StoppedClock(self.plain, PROJECT)
        self.store = FaultyStore(open_store(self.server.url), self.server.pid)
        self.engine = Engine(
            self.store,
            PROJECT,
            lease_ms=LEASE_MS,
            retry_base_ms=RETRY_BASE_MS,
            retry_cap_ms=RETRY_CAP_MS,
            clock=HastyClock(),
            lua={"_clock": stopped_lua_clock(PROJECT), **self.lua},
        )
        self.engine._caller._random = Random(0)
        self.model = Model(LEASE_MS)
        self.model.now_ms = self.clock.now_ms
        self.claims: list[Claim] = []
        self.tickets: list[MergeTicket] = []
        self.archived: list[Event] = []
        self.plans: dict[str, Plan] = {}
        self.silent: set[str] = (
            set()
        )  # workers whose last claim is more than an hour ago: it may be forgotten
        self.number = 0

    def has_failed(self) -> None:
        """Note in which example that was first: shrinking makes many more."""
        type(self).failed_at = type(self).failed_at or type(self).examples

    def both(self, engine: Callable[[], object], model: Callable[[], object]) -> object:
        """The same call on both sides; the answer, or the refusal, must be the same."""
        told, expected = _outcome(engine), _outcome(model)
        assert told == expected, f"the engine says {told!r}, the model {expected!r}"
        return told

    def task(self, place: int) -> Task:
        """Any task."""
        tasks = list(self.model.tasks.values())
        return tasks[place % len(tasks)]

    def adopt_backoff(self, task: Task, failure: Failure) -> None:
        """Dice spread a backoff between a half and the whole of what the model says."""
        if task.state is not TaskState.QUEUED or failure.kind is FailureKind.CONFLICT:
            return
        is_provider = failure.kind is FailureKind.PROVIDER
        base_ms = RETRY_BASE_MS * (PROVIDER_BASE if is_provider else 1)
        cap_ms = RETRY_CAP_MS * (PROVIDER_CAP if is_provider else 1)
        whole_ms = min(cap_ms, base_ms * 2 ** (task.attempt - 1))
        task.not_before_ms = self.engine.task(task.run.name, task.spec.id).not_before_ms
        assert whole_ms // 2 <= task.not_before_ms - self.model.now_ms <= whole_ms

    # faults -------------------------------------------------------------------------------
    @rule(fault=st.sampled_from(FAULTS), after=st.sampled_from((0, 0, 0, 1)))
    def arm(self, fault: Fault, after: int) -> None:
        """What happens to the next call, or to the one after it: it may do what the first left over."""
        self.store.arm(fault, after=after)

    def arm_if(self, fault: Fault | None, *, after: int = 0) -> None:
        """The same within a rule: so that what is seldom called is called under faults often enough."""
        if fault:
            self.store.arm(fault, after=after)

    @precondition(lambda self: self.store.sent)
    @rule(place=st.integers(0, 20))
    def repeat_late(self, place: int) -> None:
        """A call of long ago arrives once more: it changes nothing, whatever it is told."""
        command = self.store.sent[-1 - place % len(self.store.sent)]
        if str(command[1]).rpartition("_")[0] not in HAS_NO_OP:
            self.plain.call(*command)

    @rule(ms=st.sampled_from((1, 100, 2_000, 6_000, 15_000, LEASE_MS + 1, -1_000, -20_000)))
    def move_clock(self, ms: int) -> None:
        """Time passes, or the server's clock is set back."""
        self.clock.advance(ms=ms)
        self.model.now_ms = self.clock.now_ms

    # what must hold -----------------------------------------------------------------------
    @invariant()
    def is_as_the_model_says(self) -> None:
        """After every step, field by field; and at times all that the checker knows."""
        self.model.settle()
        found = differences(self.plain, self.engine.keys, self.model)
        assert not found, "\n".join(found)

    def teardown(self) -> None:
        """The end of an example: what the checker knows."""
        try:
            if isinstance(sys.exc_info()[1], AssertionError | SwarmError):
                self.has_failed()
            found = check_everything(self.engine, self.plain, archived=self.archived)
            if found:
                self.has_failed()
            assert not found, "\n".join(found)
        finally:
            type(self).called.update(self.store.calls)
            self.plain.close()
            self.store.close()


def nothing(_: object) -> None:
    """What was answered does not matter; a refusal does."""


def _outcome(call: Callable[[], object]) -> object:
    try:
        return call()
    except KeyError:
        return UnknownTaskError  # the model's word for it
    except (StaleTokenError, UnknownTaskError, RefusedError) as error:
        return type(error)
