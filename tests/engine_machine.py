"""The whole machine: what workers and upkeep do, and merge queues and people."""

import sys
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from machine_upkeep import Upkeep, anywhere
from machine_work import failures, recent, workers
from machine_world import WORKERS

from swarm.engine.claims import (
    Failure,
    HandIn,
    MergeTicket,
    WorkerProfile,
)
from swarm.states import TaskState
from swarm.testing.model import BAD, NO_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS = ("red", "blue", "*")
ORDERS = ("cancel", "retry", "retry", "failed", "failed", "pause", "resume", "resume")
ROUNDS = 120


class EngineMachine(Upkeep):
    """All rules."""

    @rule(number=st.integers(1, 6), worker=workers)
    def go_on(self, number: int, worker: WorkerProfile) -> None:
        """What a worker and a merge queue do on a good day, so that much is reached in few steps."""
        self.claim(worker)
        self.is_as_the_model_says()
        for _ in range(number if self.model.leased() else 0):
            held = {(task.name, task.token): task for task in self.model.leased()}
            place, task = next(
                (place, held[key])
                for place, claim in enumerate(reversed(self.claims))
                if (key := (f"{claim.run}/{claim.task.id}", claim.token)) in held
            )
            if task.state is TaskState.ACKED:
                self.start(place)
            self.end_and_claim(place, HandIn("c"), 0)
            self.is_as_the_model_says()
            self.begin_merge("m1", 1 + number % 3)
            if number % 2 and self.tickets:
                self.complete(0)
                self.is_as_the_model_says()
            if not self.model.leased():
                return

    # merge --------------------------------------------------------------------------------
    @precondition(lambda self: any(task.state is TaskState.MERGING for task in self.model.tasks.values()))
    @rule(merger=st.sampled_from(("m1", "m2")), most=st.integers(1, 3))
    def begin_merge(self, merger: str, most: int) -> None:
        """A train of the best attempts of a run whose branch is free."""
        train = self.engine.begin_merge(merger, most=most)
        tasks = self.model.begin_merge(merger, most)
        found = [(f"{ticket.run}/{ticket.task.id}", ticket.merge_token, ticket.token) for ticket in train]
        assert found == [(task.name, task.merge_token, task.token) for task in tasks]
        self.tickets += train

    @precondition(lambda self: self.tickets)
    @rule(place=recent)
    def renew_merge(self, place: int) -> None:
        """The slot for another term."""
        ticket = self.ticket_at(place)
        self.both(
            lambda: self.engine.renew_merge([ticket]) == (ticket,), lambda: self.model.renew_merge(ticket)
        )

    @precondition(lambda self: self.tickets)
    @rule(place=recent)
    def complete(self, place: int) -> None:
        """It has landed."""
        ticket = self.ticket_at(place)
        commit = f"landed{ticket.merge_token}"
        self.both(
            lambda: sorted(self.engine.complete(ticket, commit=commit)),
            lambda: self.model.land(self.model.held(ticket), commit, ticket.merge_token),
        )

    @precondition(lambda self: self.tickets)
    @rule(place=recent, failure=failures)
    def send_back(self, place: int, failure: Failure) -> None:
        """It has not."""
        ticket = self.ticket_at(place)

        def expected() -> bool:
            task = self.model.held(ticket)
            self.model.fail(task, failure)
            return task.state is TaskState.QUEUED

        told = self.both(lambda: self.engine.send_back(ticket, failure), expected)
        if told is True:
            self.adopt_backoff(self.model.tasks[f"{ticket.run}/{ticket.task.id}"], failure)

    @precondition(lambda self: self.tickets)
    @rule(place=recent)
    def reconcile(self, place: int) -> None:
        """Git is said to have a landing."""
        ticket = self.ticket_at(place)
        token, commit = ticket.merge_token, f"landed{ticket.merge_token}"

        def expected() -> bool:
            task = self.model.tasks[f"{ticket.run}/{ticket.task.id}"]
            return self.model.reconcile(task, ticket.attempt, token, commit)

        self.both(
            lambda: self.engine.reconcile(
                ticket.run, ticket.task.id, attempt=ticket.attempt, merge_token=token, commit=commit
            ),
            expected,
        )

    def ticket_at(self, place: int) -> MergeTicket:
        """One of the last tickets, which may be stale."""
        return self.tickets[-1 - place % len(self.tickets)]

    # people -------------------------------------------------------------------------------
    @rule(place=anywhere, how=st.sampled_from(("cancel", "skip", "retry", "retry", "fresh")))
    def steer_task(self, place: int, how: str) -> None:
        """Cancel what waits for it too, go on without it, or try it again with what ended badly around it."""
        task = self.task(place)
        run, name = task.run.name, task.spec.id
        if how == "cancel":
            self.engine.cancel(run, name)
            self.model.cancel(task)
        elif how == "skip":
            self.both(lambda: self.engine.skip(run, name), lambda: self.model.skip(task))
        else:
            moved = self.engine.retry(run, name, fresh=how == "fresh")
            assert (moved > 0) == (task.state in BAD | {TaskState.SKIPPED})
            if moved:
                self.model.retry(task, is_fresh=how == "fresh")

    @rule(place=anywhere, how=st.sampled_from(ORDERS))
    def steer_run(self, place: int, how: str) -> None:
        """The same of a whole run; or stop it, and let it go on."""
        run = self.task(place).run
        name = run.name
        if how in {"retry", "failed"}:
            (self.engine.retry if how == "retry" else self.engine.retry_failed)(name)
            self.model.retry_run(run, BAD if how == "retry" else {TaskState.FAILED})
            return
        calls: dict[str, Callable[[str], object]] = {
            "cancel": self.engine.cancel,
            "pause": self.engine.pause,
            "resume": self.engine.resume,
        }
        calls[how](name)
        if how != "cancel":
            run.is_paused = how == "pause"
        elif run.state == "active":
            run.state = "cancelled"
            for task in run.tasks:
                self.model.cancel(task)

    @rule(kind=st.sampled_from(KINDS), how=st.sampled_from(("pause", "resume", "resume", 1, 2, None, None)))
    def steer_type(self, kind: str, how: str | int | None) -> None:
        """Give out no more of a type, or so many at most; whoever holds more goes on."""
        if isinstance(how, str):
            (self.engine.pause_type if how == "pause" else self.engine.resume_type)(kind)
            (self.model.paused.add if how == "pause" else self.model.paused.discard)(kind)
            return
        assert self.engine.limit(kind, how) == len(self.model.leased(kind))
        self.model.limits[kind] = NO_LIMIT if how is None else how

    # the end ------------------------------------------------------------------------------
    def teardown(self) -> None:
        """The end of an example: whatever holds the tasks up stops, and all of them end in a bounded time."""
        try:
            if sys.exc_info()[0] is None:
                self.finish_everything()
        finally:
            super().teardown()

    def finish_everything(self) -> None:
        """No more faults, orders or clocks that go back: rounds of claims, merges and ticks."""
        for kind in KINDS:
            self.engine.resume_type(kind)
            self.engine.limit(kind, None)
        for run in self.model.runs:
            self.engine.retry(run)
            self.engine.resume(run)
        for number in range(ROUNDS):
            if all(self.engine.run(run).state.is_terminal for run in self.model.runs):
                return
            self.clock.advance(ms=4_000)
            self.engine.reclaim_expired()
            for worker in WORKERS:
                claim = self.engine.claim(worker, f"end-{number}")
                if claim:
                    self.engine.finish(claim)
            while train := self.engine.begin_merge("m1"):
                self.engine.complete(train[0], commit=f"landed{train[0].merge_token}")
        self.has_failed()
        left = [self.engine.run(run).counts for run in self.model.runs]
        raise AssertionError(f"after {ROUNDS} quiet rounds tasks are left over: {left}")
