"""The merge queue: the only place that says `done`, from an exit code on the merged tree.

It lands trains: attempts merged one upon another, one run of the gates for all of them, one ref transaction.
The steps F1 to F8, and what a crash right after each one leaves:

| step | what | after a crash |
|---|---|---|
| F1 | `begin_merge` gives the merge tokens | the slot expires and the tickets are given out again |
| F2 | the highest token goes to the fence ref | a higher one overwrites it |
| F3 | merge, check the scopes, write the commits | loose objects |
| F4 | gates on a clean checkout of the last tree; red is halved | they run again |
| F5 | renew the slot; leave out what was cancelled | the same |
| F6 | one ref transaction, the branch first | **landed**: `reconcile` completes them from the trailers |
| F7 | `complete`, for each | only cleaning up is left |
| F8 | delete the attempts' refs | an idempotent sweep |
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import structlog

from swarm.clock import Clock, SystemClock
from swarm.crashpoints import crashpoint
from swarm.engine.claims import Failure, MergeTicket
from swarm.engine.engine import Engine
from swarm.engine.records import RunRecord
from swarm.errors import (
    ConfigError,
    HubDeclinedError,
    HubUnreachableError,
    StaleTokenError,
    StoreUnreachableError,
    UnreachableError,
)
from swarm.repo.gates.cache import GateCache
from swarm.repo.git.command import GitError
from swarm.repo.git.quarantine import sweep_quarantines
from swarm.repo.hub.hub import Hub
from swarm.repo.hub.refs import task_ref
from swarm.repo.hub.tidying import tidy
from swarm.repo.merging.gate_notes import hollow_green, red_advisory
from swarm.repo.merging.landing import (
    Landing,
    NotLandingError,
    Outcome,
    condemned,
    not_its_fault,
    verdict_on,
)
from swarm.repo.merging.reconcile import Frozen, Reconciler
from swarm.repo.merging.train import Car, Verdict
from swarm.repo.merging.train_landing import Merging, TrainResult
from swarm.repo.merging.train_size import MOST, TrainSize
from swarm.repo.merging.turns import Turns
from swarm.repo.workspaces.checkout import sweep_checkouts
from swarm.sandbox.protocol import Launcher, SandboxEndedError
from swarm.states import FailureKind

__all__ = ["Landing", "MergeQueue", "Outcome"]

SYSTEM_CLOCK = SystemClock()


class MergeQueue:
    """Lands handed-in attempts, a train at a time. Any number may run at once; one slot a branch.

    Args:
        most: attempts in a train at most; 1 judges each by itself.
        isolation: what `launcher` stands for: a gate that was green is not run again under the same.
        looks_ahead: while gates run, those of the train that is likely to be next run beside them.
    """

    def __init__(
        self,
        engine: Engine,
        hub: Hub,
        launcher: Launcher,
        *,
        merger_id: str,
        home: Path,
        most: int = MOST,
        isolation: str = "",
        looks_ahead: bool = False,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._engine = engine
        self._hub = hub
        self._turns = Turns(engine, hub, merger_id, clock)
        self._size = TrainSize(most)
        self._reconciler = Reconciler(engine, hub)
        self._cache = GateCache(home, isolation)
        self._merging = Merging(
            engine, hub, launcher, self._reconciler, home=home, cache=self._cache, looks_ahead=looks_ahead
        )
        self._log = structlog.get_logger().bind(worker=merger_id)

    def reconcile(self) -> tuple[Frozen, ...]:
        """Repair what a killed merge queue left; call it once before the first landing.

        Returns the branches that nothing may land on until a person has looked, each with the reason.
        """
        for clear in (partial(sweep_checkouts, self._hub), sweep_quarantines, self._cache.prune):
            try:
                clear()
            except OSError as error:  # what is left over keeps nobody from landing
                self._log.warning("something was left over", error=str(error))
        return self._reconciler.reconcile_all()

    def look_at_branches(self) -> None:
        """Let attempts begin where somebody else has moved the branch of a run to."""
        self._reconciler.look_at_active()

    def close(self) -> None:
        """End what still runs ahead of its time."""
        self._merging.stop_looking_ahead()

    def land_train(self) -> tuple[Landing, ...]:
        """Judge the best handed-in attempts of a run whose branch is free; those not judged yet are not told.

        Raises:
            StoreUnreachableError, HubUnreachableError: Redis, or the hub, cannot be written now;
                whatever was begun is taken up again later.
        """
        started = time.monotonic()
        with self._turns.next(self._size.now()) as tickets:
            if not tickets:
                return ()
            crashpoint("merge.after_begin")
            landings = self._land(tickets)
            self._turns.settle(landings)
        return tuple(replace(landing, duration_s=time.monotonic() - started) for landing in landings)

    @property
    def trouble(self) -> str:
        """What the hub says of an attempt that it declines, while it takes others; or nothing."""
        return self._turns.trouble

    def _land(self, tickets: Sequence[MergeTicket]) -> list[Landing]:
        """F2 to F8. Where the train breaks down as a whole, its first attempt is tried alone."""
        try:
            result = self._judge_and_move(tickets)
        except NotLandingError as verdict:
            if verdict.outcome == Outcome.INFRASTRUCTURE and len(tickets) > 1:
                return self._land(tickets[:1])
            return [self._send_back(ticket, verdict) for ticket in tickets]
        except StaleTokenError as error:
            return [verdict_on(ticket, Outcome.STALE, reason=error.message) for ticket in tickets]
        except HubDeclinedError as error:
            self._turns.check_hub()
            if len(tickets) > 1:
                return self._land(tickets[:1])
            self._turns.put_off(tickets[0], error)
            raise
        return self._tell(result)

    def _judge_and_move(self, tickets: Sequence[MergeTicket]) -> TrainResult:
        """F2 to F6: judge the train, and move the branch as far as it is green."""
        try:
            record = self._engine.run(tickets[0].run)
            self._hub.mirror_run(record.run, record.branch)
            self._hub.start_branch(record.branch, record.base)
            tip = self._hub.tip(record.branch)
            landed = self._look_back(tickets, record)
            known = [(ticket, landed[ticket.task.id]) for ticket in tickets if ticket.task.id in landed]
            rest = [ticket for ticket in tickets if ticket.task.id not in landed]
            if not rest:
                return TrainResult(Verdict(), landed_before=known)
            fence = self._raise_fence(rest[0], tip)
            result = self._merging.land(rest, record, fence, next_most=self._size.after(len(rest)))
            return replace(result, landed_before=known)
        except (NotLandingError, StaleTokenError, StoreUnreachableError, HubUnreachableError):
            raise
        except ConfigError as error:
            raise NotLandingError(
                Outcome.REFUSED,
                Failure(FailureKind.POLICY, error.message, retryable=False),
                keeps_attempt=True,
            ) from error
        except (GitError, OSError, SandboxEndedError, UnreachableError) as error:
            raise not_its_fault(f"could not merge: {error}") from error
        except Exception as error:
            # A ticket that breaks us must give its slot back, or it is the first of its branch for ever.
            names = [ticket.task.id for ticket in tickets]
            self._log.exception("landing broke", run=tickets[0].run, tasks=names)
            raise not_its_fault(f"could not merge: {type(error).__name__}: {error}") from error

    def _look_back(self, tickets: Sequence[MergeTicket], record: RunRecord) -> dict[str, str]:
        """Reconcile the branch first; tasks that turn out to have landed already -> their commits."""
        guards = {task_ref("done", ticket.run, ticket.task.id): ticket.task.id for ticket in tickets}
        if self._hub.refs_named(*guards):
            self._reconciler.forget(record.branch)
        frozen = self._reconciler.reconcile_run(record)
        if frozen:
            failure = Failure(FailureKind.POLICY, frozen.told, retryable=False)
            raise NotLandingError(Outcome.FROZEN, failure, keeps_attempt=True)
        return {guards[ref]: commit for ref, commit in self._hub.refs_named(*guards).items()}

    def _raise_fence(self, ticket: MergeTicket, tip: str | None) -> str:
        """F2: put our highest token into the fence ref; returns what the ref then points to.

        From then on nobody older moves the branch: if it is not at `tip` any more, what was seen is too old.

        A higher one there is a newer merge's, or Redis came back from an older copy of itself and counts
        below what git has seen. Its counter is raised, so that the next token passes.
        """
        fence = self._hub.raise_fence(ticket.branch, ticket.train_token)
        if fence is None:
            self._engine.raise_fence(self._hub.fence(ticket.branch))
            raise StaleTokenError(
                f"merge token {ticket.train_token} of branch {ticket.branch!r} is older than its fence"
            )
        crashpoint("merge.after_fence")
        if self._hub.tip(ticket.branch) != tip:
            raise StaleTokenError(f"branch {ticket.branch!r} moved before its fence was raised")
        return fence

    def _tell(self, result: TrainResult) -> list[Landing]:
        """F7 and F8: tell the engine what became of each, the landed first."""
        verdict = result.verdict
        judged = len(verdict.green) + (verdict.culprit is not None)
        self._size.learn(judged, judged - len(verdict.green))
        landings = [
            verdict_on(ticket, Outcome.LANDED, commit=commit) for ticket, commit in result.landed_before
        ]
        completed = [self._complete(car, result) for car in verdict.green]
        if done := [landing for landing in completed if landing.outcome != Outcome.STALE]:
            self._sweep(done)
            crashpoint("merge.after_sweep")
        landings += completed
        landings += [verdict_on(ticket, Outcome.STALE, reason="it was cancelled") for ticket in result.lost]
        landings += [self._send_back(ticket, refusal) for ticket, refusal in result.refused]
        if verdict.culprit:
            before = [car.ticket.task.id for car in verdict.green]
            refusal = condemned(verdict.failed, before)
            landings.append(self._send_back(verdict.culprit.ticket, refusal))
        tidy(self._hub)
        return landings

    def _sweep(self, done: Sequence[Landing]) -> None:
        """F8. What is left over when the hub goes away at this moment, the next reconciliation sweeps."""
        try:
            self._hub.sweep_landed(done[0].run, {landing.task: landing.attempt for landing in done})
        except (HubUnreachableError, GitError, OSError) as error:
            self._reconciler.forget(done[0].branch)
            self._log.warning("attempts not swept yet", run=done[0].run, error=str(error))

    def _complete(self, car: Car, result: TrainResult) -> Landing:
        """F7. What has landed stays landed, whatever Redis has come to believe meanwhile.

        Who is let go on starts from the last commit: no other tree of the train has been judged.
        """
        ticket, outcome = car.ticket, Outcome.LANDED if car.changes_something else Outcome.UNCHANGED
        gates, head = result.reports[ticket.task.id], result.verdict.green[-1].commit
        try:
            landed_as = car.commit if car.changes_something else ""
            red, hollow = ", ".join(red_advisory(gates).values()), ", ".join(hollow_green(gates))
            queued = tuple(
                self._engine.complete(
                    ticket, commit=landed_as, tip=head, red_advisory=red, gates_hollow=hollow
                )
            )
        except StaleTokenError as error:
            if outcome == Outcome.UNCHANGED:
                return verdict_on(ticket, Outcome.STALE, reason=error.message)
            queued = ()
            self._engine.reconcile(
                ticket.run,
                ticket.task.id,
                attempt=ticket.attempt,
                merge_token=ticket.merge_token,
                commit=car.commit,
                tip=(head, ticket.train_token),
            )
        crashpoint("merge.after_complete")
        return verdict_on(ticket, outcome, commit=car.commit, newly_queued=queued, gates=gates)

    def _has_conflicted(self, ticket: MergeTicket) -> bool:
        history = self._engine.task(ticket.run, ticket.task.id).history
        return any(one.kind == FailureKind.CONFLICT for one in history)

    def _send_back(self, ticket: MergeTicket, verdict: NotLandingError) -> Landing:
        """Tell the engine why; first see to it that a judged attempt is never handed in again."""
        if not verdict.keeps_attempt:
            self._hub.reject_attempts(ticket.run, ticket.task.id, upto=ticket.attempt)
        failure = verdict.failure
        if verdict.outcome == Outcome.CONFLICT and self._has_conflicted(ticket):
            # Two attempts that saw what the other side wants did not get by: a person has to decide.
            failure = replace(failure, reason=f"{failure.reason}, for the second time", retryable=False)
        try:
            requeued = self._engine.send_back(ticket, failure)
        except StaleTokenError as error:
            return verdict_on(ticket, Outcome.STALE, reason=error.message)
        return verdict_on(
            ticket, verdict.outcome, reason=failure.reason, requeued=requeued, gates=verdict.gates
        )
