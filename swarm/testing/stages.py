"""A run brought into each state, and one call of every script: what several suites walk."""

from collections.abc import Callable
from itertools import count

from swarm.engine.claims import Claim, Failure, MergeTicket, WorkerProfile
from swarm.engine.engine import Engine
from swarm.engine.store import Store
from swarm.engine.submission import SCHEMA
from swarm.keys import member
from swarm.states import FailureKind, TaskState
from swarm.testing.clock import MovableClock
from swarm.testing.plans import BASE, make_plan, make_task

WORKER = WorkerProfile("worker-a")
_NUMBERS = count(1)

TASK_ERROR = Failure(FailureKind.TASK_ERROR, "exit 1")


class Stage:
    """A run of `first → task → last`, with `task` brought into a state by the scripts themselves."""

    def __init__(self, engine: Engine, store: Store, clock: MovableClock, state: TaskState) -> None:
        self.engine = engine
        self.store = store
        self.clock = clock
        plan = make_plan(
            "first", make_task("task", after=["first"], files=["a.py"]), make_task("last", after=["task"])
        )
        self.run = engine.submit(plan, base=BASE)
        self.claim = Claim(self.run, plan.tasks[1], 1, 99, BASE, "", 1, "worker-a")
        self.ticket = MergeTicket(self.run, plan.tasks[1], 1, 99, 98, 98, "c", BASE, "", 1, "merger")
        self._bring_to(state)
        assert self.states()["task"] == state

    def _bring_to(self, state: TaskState) -> None:
        if state is TaskState.PENDING:
            return
        first = self._claim()
        if state is TaskState.UPSTREAM_FAILED:
            self.engine.fail(first, Failure(FailureKind.TASK_ERROR, "no", retryable=False))
            return
        self.engine.start(first)
        self.engine.finish(first)
        if state is TaskState.CANCELLED:
            self.engine.cancel(self.run, "task")
        if state is TaskState.SKIPPED:
            self.engine.skip(self.run, "task")
        if state in {TaskState.QUEUED, TaskState.CANCELLED, TaskState.SKIPPED}:
            return
        self.claim = self._claim()
        if state is TaskState.ACKED:
            return
        if state is TaskState.FAILED:
            self.engine.fail(self.claim, Failure(FailureKind.TASK_ERROR, "no", retryable=False))
            return
        self.engine.start(self.claim)
        if state is TaskState.RUNNING:
            return
        self.engine.hand_in(self.claim, commit="c1")
        [self.ticket] = self.engine.begin_merge("merger")
        if state is TaskState.DONE:
            self.engine.complete(self.ticket, commit="landed")

    def _claim(self) -> Claim:
        claim = self.engine.claim(WORKER, f"bring-{next(_NUMBERS)}")
        assert claim is not None
        return claim

    def states(self) -> dict[str, str]:
        """The state of each of the three tasks, as stored."""
        return {
            name: (
                self.store.call("HGET", self.engine.keys.of("task", member(self.run, name)), "state") or b""
            ).decode()  # type: ignore[union-attr]  # HGET of a state answers bytes
            for name in ("first", "task", "last")
        }


STATES: dict[str, TaskState] = {
    "claim": TaskState.QUEUED,
    "start": TaskState.ACKED,
    "release": TaskState.ACKED,
    "begin_merge": TaskState.MERGING,
    "renew_merge": TaskState.MERGING,
    "complete": TaskState.MERGING,
    "send_back": TaskState.MERGING,
    "retry": TaskState.FAILED,
    "skip": TaskState.FAILED,
}
"""From where a script has the most to do; from `running`, where it is not among these."""


def _reap(stage: Stage) -> None:
    stage.clock.advance(ms=stage.engine.lease_ms + 1)
    stage.engine.reclaim_expired()


CALLS: dict[str, Callable[[Stage], object]] = {
    "open_run": lambda s: s.engine._caller.call("open_run", s.run, "", "b", BASE, "", SCHEMA, 1),
    "submit": lambda s: s.engine._caller.call("submit", s.run, 0, 0, *["x"] * 7, "0", "", ""),
    "activate": lambda s: s.engine._caller.call("activate", s.run, 1),
    "deadlines": lambda s: s.engine._caller.call("deadlines", s.run, "", 60_000, "task", 50_000),
    "fail_fast": lambda s: s.engine._caller.call("fail_fast", s.run, "1"),
    "claim": lambda s: s.engine.claim(WORKER, "the-call"),
    "start": lambda s: s.engine.start(s.claim),
    "renew": lambda s: s.engine.renew(s.claim),
    "hand_in": lambda s: s.engine.hand_in(s.claim, commit="c2"),
    "finish": lambda s: s.engine.finish(s.claim),
    "fail": lambda s: s.engine.fail(s.claim, TASK_ERROR),
    "expand": lambda s: s.engine.expand(s.claim, make_plan("sub", make_task("sink", after=["sub"]))),
    "extend": lambda s: s.engine.extend(s.claim, files=["b.py"], reads=["docs/"]),
    "release": lambda s: s.engine.release(s.claim, reason="drain"),
    "begin_merge": lambda s: s.engine.begin_merge("merger"),
    "renew_merge": lambda s: s.engine.renew_merge([s.ticket]),
    "complete": lambda s: s.engine.complete(s.ticket, commit="landed2"),
    "send_back": lambda s: s.engine.send_back(s.ticket, TASK_ERROR),
    "reconcile": lambda s: s.engine.reconcile(s.run, "task", attempt=1, merge_token=50, commit="landed3"),
    "raise_fence": lambda s: s.engine.raise_fence(70),
    "follow": lambda s: s.engine.follow(s.run, known=s.engine.run(s.run).tip, tip="moved"),
    "reap": _reap,
    "reclaim_worker": lambda s: s.engine.reclaim_worker("worker-a"),
    "cancel": lambda s: s.engine.cancel(s.run, "task"),
    "retry": lambda s: s.engine.retry(s.run, "task", fresh=True),
    "pause": lambda s: s.engine.pause(s.run),
    "resume": lambda s: s.engine.resume(s.run),
    "limit": lambda s: s.engine.limit("general", 1),
    "skip": lambda s: s.engine.skip(s.run, "task"),
    "rerank": lambda s: s.engine.rerank(s.run, {"task": 7_000_000, "last": 9_000_000}),
    "work": lambda s: s.engine._caller.call("work", s.engine._caller.new_op()),
    "heartbeat": lambda s: s.engine.heartbeat(WORKER, kind="worker", state="busy"),
    "forget": lambda s: s.engine.forget(s.run),
    "trim": lambda s: s.engine.trim_events("archive-a", upto=s.engine.last_event_id()),
    "sign_off": lambda s: s.engine.sign_off("worker-a"),
}
