"""The reference model: what the engine's scripts must do, said as plainly as it can be.

No queue, lot, counter or index: every question is answered by looking at every task. Where the engine may
choose, the model says among what: which tasks stand parked is observed, for a lot wakes one at a time.
"""

from collections.abc import Iterable

from swarm.engine.claims import Claim, Failure, MergeTicket, WorkerProfile
from swarm.engine.ranks import urgency
from swarm.errors import RunCancelledError, StaleTokenError
from swarm.keys import member
from swarm.plan.graph import upward_ranks
from swarm.plan.model import Plan
from swarm.states import ALIVE_MS, FailureKind
from swarm.states import TaskState as State
from swarm.testing.model_records import BAD, HELD, LEASED, LIVE, NOT_DONE, Run, Task

GAP_MS, GRACES, CRASH_CAP, SETBACK_CAP, NO_LIMIT = 5_000, 2, 3, 8, 1 << 30


class Model:
    """One project: one method a verb, which returns or raises what its caller may be told."""

    def __init__(self, lease_ms: int) -> None:
        self.lease_ms = lease_ms
        self.now_ms = self.fence = self.last_tick_ms = self.grace_until_ms = self.graces = 0
        self.runs: dict[str, Run] = {}
        self.tasks: dict[str, Task] = {}
        self.deadlines: dict[str, int] = {}
        self.workers: dict[str, tuple[WorkerProfile, int]] = {}
        self.last_claims: dict[str, tuple[str, str, int]] = {}  # worker -> claim id, task, token
        self.paused: set[str] = set()
        self.limits: dict[str, int] = {}
        self.stopping: list[str] = []  # runs that fail fast, and have failed
        self.turns: set[str] = set()  # tasks whose turn it was since they were claimed: observed

    def of_run(self, run: str, states: Iterable[State] = State) -> list[Task]:
        """A run's tasks in these states, in the plan's order."""
        return [task for task in self.tasks.values() if task.run == run and task.state in states]

    def leased(self, kind: str = "*") -> list[Task]:
        """What workers hold of a type."""
        return [one for one in self.tasks.values() if one.state in LEASED and kind in {"*", one.spec.type}]

    def is_blocked(self, task: Task) -> bool:
        """Somebody holds a lock that excludes one of its own: pair by pair."""
        others = [one for one in self.tasks.values() if one.state in HELD or one.name in self.turns]
        return any(task.overlaps(one) for one in others if one is not task)

    def _dependents(self, task: Task) -> list[Task]:
        return [one for one in self.of_run(task.run) if task.spec.id in one.spec.dependencies]

    def _dependencies(self, task: Task, states: Iterable[State]) -> list[Task]:
        found = [self.tasks[member(task.run, name)] for name in task.spec.dependencies]
        return [one for one in found if one.state in states]

    def _blockers(self, task: Task, states: Iterable[State]) -> list[Task]:
        return [one for one in self._dependencies(task, states) if not one.was_skipped]

    def submit(self, run: str, plan: Plan, made: Run, deadline_s: float | None) -> None:
        """A known run stays as it is."""
        if run in self.runs:
            return
        self.runs[run], ranks, seconds = made, upward_ranks(plan), {run: deadline_s}
        for spec in plan.tasks:
            name, score = member(run, spec.id), urgency(ranks[spec.id], spec.priority) + len(self.tasks)
            self.tasks[name] = Task(
                run, name, spec, score, State.PENDING if spec.dependencies else State.QUEUED
            )
            seconds[name] = spec.deadline_s
        self.deadlines |= {name: self.now_ms + round(one * 1000) for name, one in seconds.items() if one}

    def may_claim(self, worker: WorkerProfile) -> set[str]:
        """Names of the tasks that a new claim may be given now, '' for none."""
        fit = [task for task in self.tasks.values() if self._fits(task, worker) and not self.is_blocked(task)]
        if all(task.is_parked or task.not_before_ms for task in fit):
            self._end_backoffs()
        standing = [task for task in fit if not task.is_parked and not task.not_before_ms]
        if self.turns:
            return {"", *(task.name for task in fit)}
        best = min(standing, key=lambda task: task.score, default=None)
        woken = [task for task in fit if task.is_parked and (best is None or task.score < best.score)]
        return {best.name if best else "", *(task.name for task in woken)}

    def grant(self, name: str, worker: WorkerProfile, claim_id: str) -> None:
        """The claim was answered so."""
        if task := self.tasks.get(name):
            self.fence += 1
            task.grant(worker, self.fence, self.runs[task.run].tip, self.now_ms + self.lease_ms)
            self.turns.discard(name)
        self.last_claims[worker.worker_id] = (claim_id, name, task.token if task else 0)

    def claimed_before(self, worker: WorkerProfile, claim_id: str) -> Task | None:
        """What this worker's last claim was given, if this one repeats it and it still holds."""
        last_id, name, token = self.last_claims.get(worker.worker_id, ("", "", 0))
        task = self.tasks.get(name)
        return task if task in self.leased() and last_id == claim_id and task.token == token else None

    def _fits(self, task: Task, worker: WorkerProfile) -> bool:
        kind, run = task.spec.type, self.runs[task.run]
        is_for_another = worker.worker_id in task.tried_by and any(
            name not in task.tried_by and seen_ms >= self.now_ms - ALIVE_MS and task.is_for(other)
            for name, (other, seen_ms) in self.workers.items()
        )
        is_full = any(len(self.leased(one)) >= self.limits.get(one, NO_LIMIT) for one in ("*", kind))
        is_open = not (is_full or {"*", kind} & self.paused or run.is_paused)
        is_ready = task.state is State.QUEUED and task.not_before_ms <= self.now_ms
        return is_ready and is_open and not is_for_another and task.is_for(worker)

    def _end_backoffs(self) -> None:
        for task in self.tasks.values():
            task.not_before_ms *= task.not_before_ms > self.now_ms

    def held(self, by: Claim | MergeTicket, may_be: Iterable[State] = LEASED) -> Task:
        """The task of a claim or a merge ticket, if its token is the current one."""
        task = self.tasks[member(by.run, by.task.id)]
        if not task.is_held_by(by, may_be):
            raise RunCancelledError("") if task.state is State.CANCELLED else StaleTokenError("")
        return task

    def fail(self, task: Task, failure: Failure, spent: int = 0) -> None:
        """Back to the queue, or failed with all that waits for it."""
        task.tried_by |= set() if failure.kind is FailureKind.CONFLICT else {task.worker}
        task.failures += failure.kind.is_charged
        task.setbacks += not failure.kind.is_charged
        is_final = not failure.retryable or failure.kind is FailureKind.POLICY
        self.void(task, spent)
        if is_final or task.failures >= task.spec.max_attempts or task.setbacks >= SETBACK_CAP:
            self._fail(task)
        else:
            self.queue(task)

    def queue(self, task: Task) -> None:
        """Claimable (again), and nobody's."""
        if task.state is not State.PENDING:
            task.token, task.worker, task.not_before_ms = 0, "", 0
        task.state = State.QUEUED

    def void(self, task: Task, spent: int = 0) -> None:
        """Its lease, its locks and its merge slot end; what it spent is added up once."""
        run = self.runs[task.run]
        if task.state in HELD:
            task.usage, task.spent = task.usage + (spent or task.spent), 0
        if run.slot and run.slot[1] == task.name:
            run.slot = None
        task.is_parked = False

    def begin_merge(self, merger: str) -> Task | None:
        """The best handed-in attempt whose branch nobody else is merging to."""
        for task in sorted(self.tasks.values(), key=lambda one: one.score):
            slot = self.runs[task.run].slot
            if task.state is State.MERGING and (not slot or slot[0] == merger or slot[3] <= self.now_ms):
                self.fence += 1
                task.merge_token = self.fence
                self.runs[task.run].slot = (merger, task.name, self.fence, self.now_ms + self.lease_ms)
                return task
        return None

    def renew_merge(self, ticket: MergeTicket) -> None:
        """Needs the task's merge token and the slot's."""
        self.runs[self.held(ticket).run].renew(ticket.merge_token, self.now_ms + self.lease_ms)

    def land(self, task: Task, commit: str = "", merge_token: int = 0, spent: int = 0) -> list[str]:
        """Done; the dependents that go on."""
        run = self.runs[task.run]
        self.void(task, spent)
        task.state, task.merged_commit = State.DONE, commit or task.merged_commit
        if merge_token > run.tip_token:
            run.tip, run.tip_token = commit, merge_token
        return self._trigger(task)

    def _trigger(self, task: Task) -> list[str]:
        after = [one for one in self._dependents(task) if one.state is State.PENDING]
        ready = [one for one in after if not self._blockers(one, NOT_DONE)]
        for one in ready:
            self.queue(one)
        return [one.spec.id for one in ready]

    def reconcile(self, task: Task, attempt: int, merge_token: int, commit: str) -> bool:
        """Git proves a landing, whatever state the task is in; what a person cancelled stays so."""
        if task.state is State.DONE:
            return False
        self.fence, task.attempt = max(self.fence, merge_token), max(task.attempt, attempt)
        is_over = task.state not in LIVE | {State.CANCELLED}
        self.land(task, commit, merge_token)
        self._undoom([task] if is_over else [])
        return True

    def skip(self, task: Task) -> bool:
        """Nobody waits for it any more, whatever becomes of it."""
        if task.state in {State.DONE, State.SKIPPED}:
            return False
        is_over = task.state not in LIVE
        self.void(task)
        task.state, task.was_skipped, task.token = State.SKIPPED, True, 0
        self._trigger(task)
        self._undoom([task] if is_over else [])
        return True

    def cancel(self, task: Task) -> None:
        """It, and what waits for it."""
        if task.state in LIVE:
            self.void(task)
            task.state, task.token, task.was_called_off = State.CANCELLED, 0, task.run in self.stopping
            for one in self._dependents(task) if not task.was_skipped else ():
                self.cancel(one)

    def _fail(self, task: Task) -> None:
        task.state, task.token = State.FAILED, 0
        self._doom(task)
        self.stopping += [task.run] if self.runs[task.run].is_fail_fast else []

    def _doom(self, task: Task) -> None:
        for one in self._dependents(task) if not task.was_skipped else ():
            if one.state is State.PENDING:
                one.state = State.UPSTREAM_FAILED
                self._doom(one)

    def _revive(self, task: Task) -> None:
        self.runs[task.run].reopen()
        task.forget_tries()
        if self._blockers(task, NOT_DONE):
            task.state, task.token = State.PENDING, 0
        else:
            self.queue(task)

    def retry(self, task: Task) -> None:
        """It, and whatever ended badly around it."""
        self._revive(task)
        for one in (*self._dependents(task), *self._dependencies(task, BAD)):
            if one.state in BAD:
                self.retry(one)

    def retry_run(self, run: str, states: Iterable[State] = BAD) -> None:
        """What ended so and, of what failed only, what failed or was called off because of it."""
        found = self.of_run(run, states)
        while found:
            for task in found:
                self._revive(task)
            found = [one for one in self.of_run(run, BAD) if one.is_swept and not self._blockers(one, BAD)]

    def _undoom(self, roots: list[Task]) -> None:
        """What failed because of these comes back, unless something else keeps it from ever beginning."""
        if not roots or self.runs[roots[0].run].state == "cancelled":
            return
        self.runs[roots[0].run].reopen()
        for root in roots:
            for one in self._dependents(root):
                if one.state is State.UPSTREAM_FAILED and not self._blockers(
                    one, BAD - {State.UPSTREAM_FAILED}
                ):
                    self._revive(one)
                    self._undoom([one])
                    for bad in self._blockers(one, BAD):
                        self._doom(bad)

    def reap(self) -> set[tuple[str, State]]:
        """One tick: what it took back or failed; no lease ends in the term of grace after a gap in ticks."""
        is_gap = self.last_tick_ms and self.now_ms - self.last_tick_ms > GAP_MS and self.leased()
        if is_gap:
            self.grace_until_ms = self.now_ms + self.lease_ms if self.graces < GRACES else 0
            self.graces = min(self.graces + 1, GRACES)
        due = sorted((ms, name) for name, ms in self.deadlines.items() if ms <= self.now_ms)
        self.last_tick_ms = self.now_ms
        in_grace = self.now_ms < self.grace_until_ms
        self.graces = self.graces if in_grace or (is_gap and not due) else 0
        over = [self.tasks[name] for _, name in due if self.deadlines.pop(name) and name in self.tasks]
        failed = [task for task in over if self._expire(task, LIVE)]
        self._end_backoffs()
        ended = [task for task in self.leased() if task.lease_ends_ms <= self.now_ms]
        expired = [] if in_grace else ended
        for task in expired:
            self.reclaim(task)
        found = {(task.name, task.state) for task in (*failed, *expired)}
        for run in [name for _, name in due if name in self.runs]:
            for task in self.of_run(run):
                self._expire(task, LIVE - {State.PENDING})
        return found

    def _expire(self, task: Task, states: Iterable[State]) -> bool:
        if task.state not in states:
            return False
        self.void(task)
        self._fail(task)
        return True

    def reclaim(self, task: Task) -> None:
        """Its worker vanished."""
        task.crashes += 1
        self.void(task)
        (self._fail if task.crashes >= CRASH_CAP else self.queue)(task)

    def settle(self) -> None:
        """A run ends when its tasks have."""
        for task in [task for run in self.stopping for task in self.of_run(run, LIVE)]:
            self.cancel(task)
        self.stopping.clear()
        for name, run in self.runs.items():
            run.settle({task.state for task in self.of_run(name)})
