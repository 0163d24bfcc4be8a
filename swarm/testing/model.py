"""The reference model: what the engine's scripts must do, said as plainly as it can be.

No queue, lot, counter or index: every question is answered by looking at every task, and what follows by
itself is found by looking again (`settle`). Where the engine may choose, the model says among what.
"""

from collections.abc import Collection

from swarm.engine.claims import Claim, Failure, MergeTicket, WorkerProfile
from swarm.engine.ranks import AGES, rank_of, urgency
from swarm.errors import RunCancelledError, StaleTokenError
from swarm.keys import member
from swarm.plan.graph import walk_up
from swarm.plan.model import Plan, TaskSpec
from swarm.plan.subplan import placed
from swarm.states import ALIVE_MS, FailureKind
from swarm.states import TaskState as State
from swarm.testing.checker_keys import exclude

GAP_MS, GRACES, CRASH_CAP, SETBACK_CAP, NO_LIMIT, ARCHIVE_MS = 5_000, 2, 3, 8, 1 << 30, 3_600_000
LEASED = frozenset({State.ACKED, State.RUNNING})
HELD = LEASED | {State.MERGING}
LIVE = HELD | {State.PENDING, State.QUEUED}
BAD = frozenset({State.FAILED, State.UPSTREAM_FAILED, State.CANCELLED})


class Run:
    """One run; the slot of its train is merger, merge token and until when."""

    def __init__(self, name: str, tip: str, deadline_ms: int, *, is_fail_fast: bool) -> None:
        self.name, self.tip, self.deadline_ms, self.is_fail_fast = name, tip, deadline_ms, is_fail_fast
        self.state, self.is_paused, self.is_stopping, self.tip_token = "active", False, False, 0
        self.slot, self.train, self.tasks = ("", 0, 0), list[Task](), list[Task]()

    def reopen(self, now_ms: int) -> None:  # a deadline that has passed has been had
        self.deadline_ms *= self.state == "active" or self.deadline_ms > now_ms
        self.state = "active"

    def having(self, states: Collection[State]) -> "list[Task]":  # its tasks in these states
        return [task for task in self.tasks if task.state in states]


class Task:
    """One task, with what it waits for, what it was expanded into, and what it is a part of."""

    def __init__(self, run: Run, spec: TaskSpec, score: int, around: "Task | None") -> None:
        self.run, self.spec, self.score, self.around = run, spec, score, around
        self.name, self.worker, self.base, self.merged_commit = member(run.name, spec.id), "", "", ""
        self.attempt = self.token = self.merge_token = self.failures = self.setbacks = self.crashes = 0
        self.not_before_ms = self.lease_ends_ms = self.spent = self.usage = 0
        self.was_skipped = self.is_swept = self.is_parked = False  # swept: it ended because others failed
        self.state, self.tried_by, self.parts = State.PENDING, set[str](), list[Task]()
        self.needs: list[Task] = [task for task in run.tasks if task.spec.id in spec.dependencies]

    def is_for(self, worker: WorkerProfile) -> bool:  # the worker can do it
        is_type = "*" in worker.types or self.spec.type in worker.types
        has_tags = {*self.spec.needs} <= {*worker.tags}
        return is_type and has_tags and self.spec.executor_needed in worker.executors

    def blockers(self, states: Collection[State]) -> "list[Task]":  # of what it waits for
        return [one for one in self.needs if one.state in states and not one.was_skipped]

    def dependents(self) -> "list[Task]":  # who waits for it
        return [one for one in self.run.tasks if self in one.needs]

    def bounds(self) -> tuple[str, ...]:  # of the nearest task around that has files
        return (self.around.spec.files or self.around.bounds()) if self.around else ()

    def goes_on(self) -> State | None:  # by itself, when pending
        if self.blockers(BAD - {State.CANCELLED}):
            return State.UPSTREAM_FAILED
        return None if self.blockers(LIVE | BAD) else State.DONE if self.parts else State.QUEUED

    def move(self, to: State, spent: int = 0) -> None:  # what it held ends; what it spent adds up
        if self.state in HELD:
            self.usage, self.spent = self.usage + (spent or self.spent), 0
        self.run.train = [one for one in self.run.train if one is not self]
        if to in LIVE or not (self.state in HELD or to is State.DONE or self.parts):
            self.worker, self.not_before_ms = "", 0
        self.state, self.is_parked, self.token = to, False, self.token * (to is State.DONE)
        self.is_swept = to is State.CANCELLED and self.run.is_stopping
        self.run.is_stopping |= to is State.FAILED and self.run.is_fail_fast


class Model:
    """One project: one method a verb, which returns or raises what its caller may be told."""

    def __init__(self, lease_ms: int) -> None:
        self.lease_ms = lease_ms
        self.now_ms = self.fence = self.last_tick_ms = self.grace_until_ms = self.graces = self.submitted = 0
        self.runs, self.limits = dict[str, Run](), dict[str, int]()
        self.workers: dict[str, tuple[WorkerProfile, int]] = {}
        self.last_claims: dict[str, tuple[str, Task | None, int]] = {}  # worker -> claim id, task, token
        self.paused, self.turns = set[str](), set[str]()  # turns since their tasks were claimed: observed
        self.archive = ("", 0)  # who is in charge, and when it was last heard of

    @property
    def tasks(self) -> dict[str, Task]:  # by their names
        return {task.name: task for run in self.runs.values() for task in run.tasks}

    def leased(self, kind: str = "*") -> list[Task]:  # what workers hold of a type
        return [one for one in self.tasks.values() if one.state in LEASED and kind in {"*", one.spec.type}]

    def in_the_way(self, task: Task) -> list[Task]:  # by a lock that excludes one of its own, or its turn
        others = [one for one in self.tasks.values() if one.state in HELD or one.name in self.turns]
        return [one for one in others if one is not task and exclude(one.spec, task.spec)]

    def settle(self) -> list[str]:  # all that follows by itself; returns what it has queued
        queued = []
        for run in self.runs.values():
            while moves := [(one, to) for one in run.having({State.PENDING}) if (to := one.goes_on())]:
                for task, to in moves:
                    task.state, task.is_swept = to, to is State.UPSTREAM_FAILED
                    task.worker = "" if task.is_swept and not task.parts else task.worker
                    queued += [task.spec.id] if to is State.QUEUED else []
            for task in run.having(LIVE) if run.is_stopping else ():
                task.move(State.CANCELLED)
            run.is_stopping = False
            if run.state == "active" and not run.having(LIVE):
                ends = {task.state for task in run.having(BAD)}
                run.state = "done" if not ends else "failed" if ends - {State.CANCELLED} else "cancelled"
        return sorted(queued)

    def submit(self, run: Run, plan: Plan, of: Task | None = None) -> list[Task]:
        if run.name in self.runs and not of:  # a known run stays as it is
            return []
        self.runs[run.name], ranks = run, {task.id: rank_s for task, rank_s, _ in walk_up(plan)}
        for age, spec in enumerate(plan.tasks, self.submitted):
            rank_s = ranks[spec.id] + (rank_of(of.score) if of else 0)
            score = urgency(rank_s, spec.priority) + (of.score % AGES if of else age)
            run.tasks.append(Task(run, spec, score, of))
        self.submitted += len(plan.tasks)
        return run.tasks[-len(plan.tasks) :]

    def may_claim(self, worker: WorkerProfile) -> set[str]:  # '' for none
        self.settle()
        fit = [one for one in self.tasks.values() if self.fits(one, worker) and not self.in_the_way(one)]
        for one in self.tasks.values() if all(one.is_parked or one.not_before_ms for one in fit) else ():
            one.not_before_ms *= one.not_before_ms > self.now_ms  # a backoff has ended
        best = min((one.score for one in fit if not (one.is_parked or one.not_before_ms)), default=None)
        if self.turns or best is None:
            return {"", *(task.name for task in fit)}
        return {task.name for task in fit if task.score == best or (task.is_parked and task.score < best)}

    def grant(self, name: str, worker: WorkerProfile, claim_id: str) -> None:  # the claim was answered so
        if task := self.tasks.get(name):
            task.token = self.fence = self.fence + 1
            task.state, task.worker, task.attempt = State.ACKED, worker.worker_id, task.attempt + 1
            task.base, task.lease_ends_ms, task.is_parked = task.run.tip, self.now_ms + self.lease_ms, False
            self.turns.discard(name)
        self.last_claims[worker.worker_id] = (claim_id, task, task.token if task else 0)

    def fits(self, task: Task, worker: WorkerProfile) -> bool:
        is_for_another = worker.worker_id in task.tried_by and any(
            name not in task.tried_by and seen_ms >= self.now_ms - ALIVE_MS and task.is_for(other)
            for name, (other, seen_ms) in self.workers.items()
        )
        kinds = {"*", task.spec.type}
        is_full = any(len(self.leased(one)) >= self.limits.get(one, NO_LIMIT) for one in kinds)
        is_shut = is_full or kinds & self.paused or task.run.is_paused or is_for_another
        is_ready = task.state is State.QUEUED and task.not_before_ms <= self.now_ms
        return is_ready and not is_shut and task.is_for(worker)

    def held(self, by: Claim | MergeTicket, may_be: Collection[State] = LEASED) -> Task:
        task = self.tasks[member(by.run, by.task.id)]  # its token must be the current one
        is_current = task.token == by.token and task.state in may_be
        if isinstance(by, MergeTicket):
            is_current = task.merge_token == by.merge_token and task.state is State.MERGING
        if not is_current:
            raise RunCancelledError("") if task.state is State.CANCELLED else StaleTokenError("")
        return task

    def expand(self, task: Task, plan: Plan, spent: int = 0) -> list[str]:  # it waits for the sinks
        is_taken = any(f"{task.name}.{spec.id}" in self.tasks for spec in plan.tasks)
        plan = placed(plan, f"{task.spec.id}.{task.attempt}." if is_taken else f"{task.spec.id}.")
        task.parts = self.submit(task.run, plan, task)
        task.needs += [part for part in task.parts if not part.dependents()]
        task.move(State.PENDING, spent)
        return self.settle()

    def extend(self, task: Task, spec: TaskSpec, spent: int, *, is_told_so: bool) -> bool:
        task.spec = spec
        others = self.in_the_way(task)  # for all of the larger scope; a turn counts as it is told
        is_granted = is_told_so and not any(one.state in HELD for one in others)
        if not is_granted:
            task.move(State.QUEUED, spent)
        return is_granted or not others

    def fail(self, task: Task, failure: Failure, spent: int = 0) -> None:  # back to the queue, or failed
        task.tried_by |= set() if failure.kind is FailureKind.CONFLICT else {task.worker}
        task.failures += failure.kind.is_charged
        task.setbacks += not failure.kind.is_charged
        is_final = not failure.retryable or failure.kind is FailureKind.POLICY
        is_last = task.failures >= task.spec.max_attempts or task.setbacks >= SETBACK_CAP
        task.move(State.FAILED if is_final or is_last else State.QUEUED, spent)

    def begin_merge(self, by: str, most: int) -> list[Task]:  # the best where the slot is free
        ready = [task for task in self.tasks.values() if task.state is State.MERGING]
        ready = [t for t in ready if not (r := t.run).train or r.slot[0] == by or r.slot[2] <= self.now_ms]
        ready.sort(key=lambda one: (one.score, one.name))
        train = [one for one in ready if one.run is ready[0].run][:most]
        for task in train:
            task.merge_token = self.fence = self.fence + 1
            task.run.train, task.run.slot = train, (by, self.fence, self.now_ms + self.lease_ms)
        return train

    def renew_merge(self, ticket: MergeTicket) -> bool:  # needs the slot's token; whether it may land
        task = self.tasks.get(member(ticket.run, ticket.task.id))  # a forgotten run has lost its slot
        if not task or not task.run.train or task.run.slot[1] != ticket.train_token:
            raise StaleTokenError("")
        task.run.slot = (*task.run.slot[:2], self.now_ms + self.lease_ms)
        return task.state is State.MERGING and task.merge_token == ticket.merge_token

    def land(self, task: Task, commit: str = "", merge_token: int = 0, spent: int = 0) -> list[str]:
        task.move(State.DONE, spent)
        task.merged_commit = commit or task.merged_commit
        if merge_token > task.run.tip_token:
            task.run.tip, task.run.tip_token = commit, merge_token
        return self.settle()  # the dependents that go on

    def reconcile(self, task: Task, attempt: int, merge_token: int, commit: str) -> bool:  # as git proves
        if is_news := self.skip(task, State.DONE):
            self.fence, task.attempt = max(self.fence, merge_token), max(task.attempt, attempt)
            self.land(task, commit, merge_token)
        return is_news

    def skip(self, task: Task, to: State = State.SKIPPED) -> bool:  # so nobody waits for it
        was, is_known = task.state, task.state in {State.DONE, to}
        if not is_known:
            task.move(to)
            task.was_skipped |= to is State.SKIPPED
            is_kept = was in LIVE or (to is State.DONE and was is State.CANCELLED)
            if not is_kept and task.run.state != "cancelled":
                task.run.reopen(self.now_ms)
                self.retry_run(task.run, (), {State.UPSTREAM_FAILED})
            for part in reversed(task.parts):
                self.skip(part)
        return not is_known

    def cancel(self, task: Task, *, with_parts: bool = True) -> None:  # and what waits for it
        for part in task.parts if with_parts and task.state is not State.DONE else ():
            self.cancel(part)
        if task.state in LIVE:
            task.move(State.CANCELLED)
            for one in task.dependents() if not task.was_skipped else ():
                self.cancel(one, with_parts=False)

    def retry(self, task: Task, *, is_fresh: bool = False) -> None:  # and what ended badly around it
        old = task.parts if is_fresh or task.state is State.SKIPPED else []
        task.needs, task.parts = [one for one in task.needs if one not in old], [] if old else task.parts
        self._revive(task)
        for one in (*task.dependents(), *task.needs):
            if one.state in BAD:
                self.retry(one)
        for part in reversed(old):
            self.skip(part)

    def retry_run(self, run: Run, ends: Collection[State] = BAD, swept: Collection[State] = BAD) -> None:
        for task in run.having(ends):  # and then what failed or was called off with them
            self._revive(task)
        while found := [one for one in run.having(swept) if one.is_swept and not one.blockers(BAD)]:
            for task in found:
                self._revive(task)

    def _revive(self, task: Task) -> None:
        task.failures = task.setbacks = task.crashes = task.token = 0
        task.run.reopen(self.now_ms)
        task.state, task.is_swept, task.tried_by = State.PENDING, False, set()
        if not task.parts and not task.blockers(LIVE | BAD):
            task.move(State.QUEUED)

    def reap(self) -> set[tuple[str, State]]:  # what it took back
        is_gap = self.last_tick_ms and self.now_ms - self.last_tick_ms > GAP_MS and self.leased()
        if is_gap:
            self.grace_until_ms = self.now_ms + self.lease_ms if self.graces < GRACES else 0
            self.graces = min(self.graces + 1, GRACES)
        due = [run for run in self.runs.values() if 0 < run.deadline_ms <= self.now_ms]
        self.last_tick_ms, in_grace = self.now_ms, self.now_ms < self.grace_until_ms
        self.graces = self.graces if in_grace or (is_gap and not due) else 0
        for task in self.tasks.values():
            task.not_before_ms *= task.not_before_ms > self.now_ms
        expired = [one for one in self.leased() if one.lease_ends_ms <= self.now_ms and not in_grace]
        found = {(task.name, self.reclaim(task)) for task in expired}
        for run in due:
            run.deadline_ms = 0
            for task in run.having(LIVE - {State.PENDING}):
                task.move(State.FAILED)
        return found

    def reclaim(self, task: Task) -> State:  # its worker vanished
        task.crashes += 1
        task.move(State.FAILED if task.crashes >= CRASH_CAP else State.QUEUED)
        return task.state

    def trim(self, archive: str) -> bool:  # one archive at a time, until it has not been heard of for an hour
        if self.archive[0] in {"", archive} or self.now_ms - self.archive[1] >= ARCHIVE_MS:
            self.archive = (archive, self.now_ms)
        return self.archive == (archive, self.now_ms)
