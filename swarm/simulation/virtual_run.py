"""A discrete event loop: virtual workers drive the real scripts on a real server, and time jumps.

A worker claims, lasts as long as its task is said to last, and ends it and claims the next in one
call, as real workers do. The server's clock is replaced; nothing sleeps. Whoever found nothing asks again
after each end of another. What takes time outside the scripts (git, the merge queue) takes none here.
"""

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from swarm.engine.claims import Claim, Finish, WorkerProfile
from swarm.engine.engine import Engine
from swarm.engine.ranking import Ranking
from swarm.engine.records import DurationRecord
from swarm.engine.schedule import NO_LIMITS
from swarm.engine.store import Store
from swarm.errors import SwarmError
from swarm.plan.model import DEFAULT_ESTIMATE_S, Plan, TaskSpec
from swarm.plan.spelling import first_few
from swarm.simulation.clock import BEGINNING_MS, VirtualClock

LEASE_MS = 10**12
"""Longer than any virtual run: nobody renews here."""
TICK_MS = 1_000
"""How often a supervisor looks whether ranks have to change."""


def tell_nobody(_: str) -> None:
    """Who hears how far it is when nobody wants to."""


class Policy(StrEnum):
    """In which order claimable tasks are given out."""

    FIFO = "fifo"  # as submitted; no estimates, no priorities
    CRITICAL_PATH = "critical-path"  # by the time to the end of the plan, for this many workers
    LOCK_AWARE = (
        "lock-aware"  # the same, and the line that waits for a lock counts as a path: what real runs do
    )


class Estimates(StrEnum):
    """What the scheduler knows of durations beforehand."""

    PLAN = "plan"  # what the plan says, corrected by what is learnt
    MEASURED = "measured"  # what each task is going to take
    LEARNT = "learnt"  # nothing at first, then the mean of each type
    NONE = "none"  # nothing, to the end


@dataclass(frozen=True)
class VirtualRun:
    """When each task began and ended, in milliseconds from the start."""

    starts_ms: Mapping[str, int]
    ends_ms: Mapping[str, int]

    @property
    def makespan_s(self) -> float:
        """The end of the last task."""
        return max(self.ends_ms.values(), default=0) / 1000


def run_virtually(
    store: Store,
    plan: Plan,
    durations_ms: Mapping[str, int],
    *,
    workers: int,
    policy: Policy = Policy.LOCK_AWARE,
    estimates: Estimates = Estimates.PLAN,
    limits: Mapping[str, int] = NO_LIMITS,
    at: Callable[[str], None] = tell_nobody,
) -> VirtualRun:
    """Let virtual workers do a plan on an empty server; the same every time. `at` hears how far it is."""
    store.call("FLUSHALL")
    loop = _Loop(store, durations_ms, workers, policy, estimates)
    loop.limit(limits)
    return loop.run(plan, at)


class _Loop:
    def __init__(
        self,
        store: Store,
        durations_ms: Mapping[str, int],
        workers: int,
        policy: Policy,
        estimates: Estimates,
    ) -> None:
        project = "simulation"
        self._clock = VirtualClock(store, project)
        self._engine = Engine(store, project, lease_ms=LEASE_MS, lua={"_clock": self._clock.lua})
        self._durations_ms = durations_ms
        self._workers = workers
        self._policy = policy
        self._estimates = estimates
        is_ranked = policy is not Policy.FIFO and estimates is not Estimates.NONE
        self._ranking = Ranking(self._engine, lock_aware=policy is Policy.LOCK_AWARE) if is_ranked else None
        self._next_tick_ms = 0
        self._learnt: dict[str, DurationRecord] = {}  # what the scripts have learnt, without asking
        self._running: list[tuple[int, int, Claim]] = []  # end, worker, what it does
        self._idle: list[int] = []
        self._starts_ms: dict[str, int] = {}
        self._ends_ms: dict[str, int] = {}

    def limit(self, limits: Mapping[str, int]) -> None:
        """Bound how many tasks of a type workers hold at once."""
        for kind, most in limits.items():
            self._engine.limit(kind, most)

    def run(self, plan: Plan, at: Callable[[str], None]) -> VirtualRun:
        """Submit, and go from end to end until nothing runs."""
        believed = replace(plan, tasks=tuple(map(self._believed, plan.tasks)))
        self._profiles = _profiles(plan, self._workers)
        self._engine.submit(believed, base="0" * 40)
        self._tick()
        self._idle = list(range(self._workers))
        self._wake()
        while self._running or self._goes_on():
            end_ms, worker, claim = heapq.heappop(self._running)
            self._clock.set(end_ms)
            self._note_end(claim.task, end_ms - BEGINNING_MS)
            at(f"simulating {self._policy}: {len(self._ends_ms)} of {len(plan.tasks)} tasks")
            profile = self._profiles[worker]
            taken = self._engine.end_and_claim(claim, Finish(), profile, str(claim.token))
            self._begin_or_rest(worker, taken)
            self._tick()
            self._wake()
        if left := [task.id for task in plan.tasks if task.id not in self._ends_ms]:
            raise SwarmError(
                f"simulation: {len(left)} of {len(plan.tasks)} tasks could never begin: {first_few(left)}",
                hint="this is a fault of swarm: please report it with the plan",
            )
        return VirtualRun(self._starts_ms, self._ends_ms)

    def _goes_on(self) -> bool:
        """What a script has left over, which a supervisor would do at its next tick, lets more begin."""
        self._engine.finish_walks()
        self._wake()
        return bool(self._running)

    def _believed(self, task: TaskSpec) -> TaskSpec:
        """A task with what the scheduler is to know of it."""
        if self._policy is Policy.FIFO:
            return replace(task, estimate_s=0.0, priority=0)
        if self._estimates is Estimates.PLAN:
            return task
        if self._estimates is Estimates.MEASURED:
            return replace(task, estimate_s=max(self._durations_ms[task.id], 1) / 1000, best_of=1)
        return replace(task, estimate_s=DEFAULT_ESTIMATE_S)

    def _note_end(self, task: TaskSpec, end_ms: int) -> None:
        self._ends_ms[task.id] = end_ms
        known = self._learnt.get(task.type, DurationRecord(0, 0))
        took_ms = self._durations_ms[task.id]
        self._learnt[task.type] = DurationRecord(known.tasks + 1, known.total_ms + took_ms)

    def _tick(self) -> None:
        if self._ranking is not None and self._clock.now_ms >= self._next_tick_ms:
            if self._ranking.is_due(self._learnt, workers=self._workers):
                self._ranking.refresh(workers=self._workers, now_ms=self._clock.now_ms)
            self._next_tick_ms = self._clock.now_ms + TICK_MS

    def _wake(self) -> None:
        """Let idle workers ask, until one of them gets nothing: they are all alike."""
        while self._idle:
            worker = self._idle.pop(0)
            profile = self._profiles[worker]
            taken = self._engine.claim(profile, f"{self._clock.now_ms}-{len(self._starts_ms)}")
            self._begin_or_rest(worker, taken)
            if taken is None:
                return

    def _begin_or_rest(self, worker: int, taken: Claim | None) -> None:
        if taken is None:
            self._idle.append(worker)
            self._idle.sort()
            return
        self._starts_ms[taken.task.id] = self._clock.now_ms - BEGINNING_MS
        end_ms = self._clock.now_ms + self._durations_ms[taken.task.id]
        heapq.heappush(self._running, (end_ms, worker, taken))


def _profiles(plan: Plan, workers: int) -> list[WorkerProfile]:
    """Workers that are all alike, and can do each task of the plan."""
    executors = tuple(sorted({task.executor_needed for task in plan.tasks}))
    tags = tuple(sorted({tag for task in plan.tasks for tag in task.needs}))
    return [WorkerProfile(f"virtual-{one}", executors=executors, tags=tags) for one in range(workers)]
