"""What workers do: submit, claim, hold and end attempts."""

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule
from machine_world import FAULTS, LEASE_MS, WORKERS, World, nothing

from swarm.engine.claims import (
    Claim,
    Ending,
    Expand,
    Extension,
    Fail,
    Failure,
    Finish,
    HandIn,
    Release,
    WorkerProfile,
)
from swarm.engine.extension import grown_spec
from swarm.errors import RunCancelledError, StaleTokenError, UnknownTaskError
from swarm.models.usage import Usage
from swarm.plan.model import Plan, TaskSpec
from swarm.states import FailureKind, TaskState
from swarm.testing.faults import Fault
from swarm.testing.model import HELD, LEASED, Run
from swarm.testing.plans import BASE, make_plan, make_task

REFUSALS = (StaleTokenError, RunCancelledError, UnknownTaskError)
MOST_TASKS = 16  # nothing is expanded any more beyond it
SCOPES = ("a/x.py", "a/b/z.py", "a/b/*.py", "a/", "b/x.py", "b/**", "c.md", "**")
workers = st.sampled_from(WORKERS)
recent = st.integers(0, 5)
maybe = st.sampled_from((None, *FAULTS))
spending = st.sampled_from((0, 0, 3, 7))
failures = st.builds(
    Failure,
    st.sampled_from(
        [FailureKind.TASK_ERROR, FailureKind.CONFLICT, FailureKind.PROVIDER, FailureKind.GATE_FAILED] * 3
        + [FailureKind.POLICY]
    ),
    st.just("no"),
    retryable=st.sampled_from((True, True, True, True, False)),
)
endings = st.one_of(
    st.just(Finish()),
    st.just(HandIn("c")),
    st.just(HandIn("c")),
    st.just(Release("drain")),
    st.builds(Fail, failures),
)


@st.composite
def plans(draw: st.DrawFn, most: int = 7) -> Plan:
    """A few tasks with few dependencies and scopes that often overlap."""
    tasks: list[TaskSpec] = []
    for number in range(draw(st.integers(1, most))):
        after = draw(st.sets(st.integers(0, number - 1), max_size=2)) if number else set()
        tasks.append(
            make_task(
                f"t{number}",
                after=[f"t{one}" for one in sorted(after)],
                files=draw(st.lists(st.sampled_from(SCOPES), max_size=2)),
                reads=draw(st.lists(st.sampled_from(SCOPES), max_size=1)),
                type=draw(st.sampled_from(("red", "blue"))),
                executor=draw(st.sampled_from(("command", "command", "messages"))),
                priority=draw(st.integers(-1, 1)),
                needs=draw(st.sampled_from(([], [], [], ["gpu"]))),
            )
        )
    return make_plan(*tasks, goal=str(draw(st.integers(0, 1 << 30))))


class Working(World):
    """The rules of submitters and workers."""

    # submit -------------------------------------------------------------------------------
    @initialize(plan=plans(), fail_fast=st.booleans())
    def submit_first(self, plan: Plan, *, fail_fast: bool) -> None:
        """There is always a run."""
        self.submit(plan, None, fail_fast=fail_fast)

    @precondition(lambda self: len(self.model.runs) < 2)
    @rule(plan=plans(), deadline_s=st.sampled_from((None, 20.0)), fail_fast=st.booleans())
    def submit(self, plan: Plan, deadline_s: float | None, *, fail_fast: bool) -> None:
        """A plan, which is submitted once more."""
        # Of a run that is over its deadline and stops at a failure, either may end a task first.
        fail_fast = fail_fast and deadline_s is None
        run = self.engine.submit(plan, base=BASE, deadline_s=deadline_s, fail_fast=fail_fast)
        deadline_ms = self.model.now_ms + round(deadline_s * 1000) if deadline_s else 0
        self.model.submit(Run(run, BASE, deadline_ms, is_fail_fast=fail_fast), plan)
        self.plans[run] = plan
        assert self.engine.submit(plan, base=BASE, deadline_s=1.0) == run

    # claim --------------------------------------------------------------------------------
    @rule(worker=workers)
    def claim(self, worker: WorkerProfile) -> None:
        """Whatever the model allows, with the token that comes next."""
        self.number += 1
        self.take(worker, f"c{self.number}")

    @precondition(lambda self: not self.silent)
    @rule(worker=workers)
    def claim_again(self, worker: WorkerProfile) -> None:
        """The worker's last claim once more: the same answer for as long as it holds."""
        claim_id, before, token = self.model.last_claims.get(worker.worker_id, ("c0", None, 0))
        if before not in self.model.leased() or before.token != token:
            self.take(worker, claim_id)
            return
        again = self.engine.claim(worker, claim_id)
        assert again is not None
        assert (f"{again.run}/{again.task.id}", again.token) == (before.name, before.token)

    @rule(worker=workers)
    def claim_late(self, worker: WorkerProfile) -> None:
        """A claim from before the worker's last one is given nothing."""
        claim_id = self.model.last_claims.get(worker.worker_id, ("c0",))[0]
        if claim_id != "c0" and worker.worker_id not in self.silent:
            assert self.engine.claim(worker, f"c{int(claim_id[1:]) - 1}") is None

    def take(self, worker: WorkerProfile, claim_id: str) -> None:
        """Claim with this id, and hold the answer to the model."""
        allowed = self.model.may_claim(worker)
        self.given(self.engine.claim(worker, claim_id), allowed, worker, claim_id)

    def given(self, claim: Claim | None, allowed: set[str], worker: WorkerProfile, claim_id: str) -> None:
        """The answer to a claim is one of those that are allowed."""
        name = f"{claim.run}/{claim.task.id}" if claim else ""
        assert name in allowed, f"claimed {name!r}, allowed are {allowed}"
        self.model.grant(name, worker, claim_id)
        self.silent.discard(worker.worker_id)
        if claim:
            task = self.model.tasks[name]
            assert (claim.token, claim.attempt, claim.base) == (task.token, task.attempt, task.base)
            assert claim.task == task.spec
            self.claims.append(claim)

    # hold ---------------------------------------------------------------------------------
    @precondition(lambda self: self.claims)
    @rule(place=recent)
    def start(self, place: int) -> None:
        """The agent begins."""
        claim = self.claim_at(place)

        def expected() -> None:
            self.model.held(claim).state = TaskState.RUNNING

        self.both(lambda: self.engine.start(claim), expected)

    @precondition(lambda self: self.claims)
    @rule(place=recent, spent=spending)
    def renew(self, place: int, spent: int) -> None:
        """A full term from now; what was cancelled is told so."""
        claim = self.claim_at(place)

        def expected() -> bool:
            known = self.model.tasks.get(f"{claim.run}/{claim.task.id}")
            if known and known.state is TaskState.CANCELLED:
                return True
            task = self.model.held(claim, HELD)
            if task.state is not TaskState.MERGING:
                task.lease_ends_ms, task.spent = self.model.now_ms + LEASE_MS, spent or task.spent
            return False

        self.both(lambda: self.engine.renew(claim, Usage(spent)).is_cancelled, expected)

    @precondition(lambda self: self.claims)
    @rule(place=recent, ending=endings, spent=spending)
    def end(self, place: int, ending: Ending, spent: int) -> None:
        """An attempt ends in one of its ways."""
        claim = self.claim_at(place)

        def actual() -> object:
            match ending:
                case HandIn(commit):
                    self.engine.hand_in(claim, commit=commit, usage=Usage(spent))
                case Finish():
                    return sorted(self.engine.finish(claim, usage=Usage(spent)))
                case Expand(plan):
                    return sorted(self.engine.expand(claim, plan, usage=Usage(spent)))
                case Fail(failure):
                    return self.engine.fail(claim, failure, usage=Usage(spent))
                case Release(reason):
                    self.engine.release(claim, reason=reason, usage=Usage(spent))
            return None

        told = self.both(actual, lambda: self.ended(claim, ending, spent))
        self.after_end(claim, ending, told)

    @precondition(lambda self: self.claims)
    @rule(place=recent, ending=endings, spent=spending)
    def end_and_claim(self, place: int, ending: Ending, spent: int) -> None:
        """The same, and the worker's next claim in one round trip; after a refusal there is none."""
        claim = self.claim_at(place)
        worker = next(one for one in WORKERS if one.worker_id == claim.worker_id)
        self.number += 1
        claim_id = f"c{self.number}"
        found: list[Claim | None] = []

        def actual() -> None:
            found.append(self.engine.end_and_claim(claim, ending, worker, claim_id, usage=Usage(spent)))

        told = self.both(actual, lambda: nothing(self.ended(claim, ending, spent)))
        is_calling_off = any(run.is_stopping for run in self.model.runs.values())
        self.after_end(claim, ending, told)
        if found:
            allowed = self.model.may_claim(worker)
            if is_calling_off:  # after this claim, which still meets the locks of what is called off
                fit = [task.name for task in self.model.tasks.values() if self.model.fits(task, worker)]
                allowed |= {"", *fit}
            self.given(found[0], allowed, worker, claim_id)

    @precondition(lambda self: len(self.model.tasks) < MOST_TASKS)
    @rule(place=recent, worker=workers, plan=plans(most=3), spent=spending, fault=maybe, joined=st.booleans())
    def expand(
        self, place: int, worker: WorkerProfile, plan: Plan, spent: int, fault: Fault | None, *, joined: bool
    ) -> None:
        """A few tasks in the place of one, or of a part of one; with the next claim, perhaps."""
        if (place := self.mostly_held(place, worker)) < len(self.claims):
            self.arm_if(fault)
            (self.end_and_claim if joined else self.end)(place, Expand(plan), spent)

    def mostly_held(self, place: int, worker: WorkerProfile) -> int:
        """The place of a claim that still holds, for some places; the worker claims when few are."""
        if len(self.model.leased()) < 2:
            self.claim(worker)
            self.is_as_the_model_says()
        held = {(task.name, task.token) for task in self.model.leased()}
        names = [(f"{one.run}/{one.task.id}", one.token) for one in reversed(self.claims)]
        holding = [number for number, name in enumerate(names) if name in held]
        return holding[place % len(holding)] if holding and place < 4 else place

    @rule(
        place=recent,
        worker=workers,
        pattern=st.sampled_from(SCOPES),
        is_read=st.booleans(),
        spent=spending,
        fault=maybe,
    )
    def extend(
        self,
        place: int,
        worker: WorkerProfile,
        pattern: str,
        spent: int,
        fault: Fault | None,
        *,
        is_read: bool,
    ) -> None:
        """The locks of a claim grow, or it is sent back to wait for all of them."""
        place = self.mostly_held(place, worker)
        if place >= len(self.claims):
            return
        own = self.claim_at(place).task.id
        theirs = [path for one in self.model.leased() if one.spec.id != own for path in one.spec.files]
        pattern = theirs[0] if theirs and spent == 0 else pattern  # seldom met by chance
        claim = self.claim_at(place)
        grown: list[Extension] = []
        reads = [pattern] if is_read or not claim.task.files else []
        files = [] if reads else [pattern]
        self.arm_if(fault)

        def actual() -> bool:
            grown.append(self.engine.extend(claim, files=files, reads=reads, usage=Usage(spent)))
            return grown[0].is_granted

        def expected() -> bool:
            known = self.model.tasks.get(f"{claim.run}/{claim.task.id}")
            bounds = known.bounds() if known else ()
            spec = grown_spec(claim.task, files=files, reads=reads, bounds=bounds)
            if spec == claim.task:
                return True
            is_told_so = bool(grown) and grown[0].is_granted
            return self.model.extend(self.model.held(claim), spec, spent, is_told_so=is_told_so)

        if self.both(actual, expected) is True:
            self.claims[-1 - place % len(self.claims)] = grown[0].claim

    def ended(self, claim: Claim, ending: Ending, spent: int) -> object:
        """What the model says to an ending."""
        may_be = {TaskState.RUNNING} if isinstance(ending, HandIn) else LEASED
        task = self.model.held(claim, may_be)
        match ending:
            case HandIn():
                task.state, task.merge_token, task.spent = TaskState.MERGING, 0, spent or task.spent
            case Finish():
                return self.model.land(task, spent=spent)
            case Fail(failure):
                self.model.fail(task, failure, spent)
                return task.state is TaskState.QUEUED
            case Expand(plan):
                return self.model.expand(task, plan, spent)
            case Release():
                task.move(TaskState.QUEUED, spent)
        return None

    def after_end(self, claim: Claim, ending: Ending, told: object) -> None:
        """Adopt the backoff that was rolled."""
        if isinstance(ending, Fail) and told not in REFUSALS:
            self.adopt_backoff(self.model.tasks[f"{claim.run}/{claim.task.id}"], ending.failure)

    def claim_at(self, place: int) -> Claim:
        """One of the last claims, which may be stale."""
        return self.claims[-1 - place % len(self.claims)]
