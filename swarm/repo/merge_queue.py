"""The merge queue: the only place that says `done`, from an exit code on the merged tree.

The steps F1 to F8, and what a crash right after each one leaves:

| step | what | after a crash |
|---|---|---|
| F1 | `begin_merge` gives the merge token | the slot expires and the ticket is given out again |
| F2 | the token goes to the fence ref | a higher token overwrites it |
| F3 | merge, check the scope, write the commit | loose objects |
| F4 | gates on a clean checkout of that tree | they run again |
| F5 | renew the slot; enough of it must be left | the same |
| F6 | one ref transaction, the branch first | **it has landed**: `reconcile` completes it from the trailer |
| F7 | `complete` | only cleaning up is left |
| F8 | delete the attempt's refs | an idempotent sweep |
"""

import time
from dataclasses import replace
from pathlib import Path

import structlog

from swarm.crashpoints import crashpoint
from swarm.engine.claims import Failure, MergeTicket
from swarm.engine.engine import Engine
from swarm.engine.records import RunRecord
from swarm.errors import ConfigError, StaleTokenError, StoreUnreachableError, UnreachableError
from swarm.repo.checkout import sweep_checkouts
from swarm.repo.gates import GateReport
from swarm.repo.git import GitError
from swarm.repo.hub import Hub
from swarm.repo.landing import Landing, NotLandingError, Outcome, judge, merge_onto
from swarm.repo.reconcile import Frozen, Reconciler
from swarm.repo.refs import RefChange, RefsBusyError, branch_ref, fence_ref, task_ref
from swarm.repo.slot import LeashedLauncher, kept_slot, least_left_ms
from swarm.sandbox.protocol import Launcher, SandboxEndedError
from swarm.states import FailureKind

__all__ = ["Landing", "MergeQueue", "Outcome"]

REDOS = 5
"""How often a landing starts over because somebody else moved the branch."""


class MergeQueue:
    """Lands handed-in attempts, one at a time. Any number may run at once; one slot a branch."""

    def __init__(
        self,
        engine: Engine,
        hub: Hub,
        launcher: Launcher,
        *,
        merger_id: str,
        home: Path,
    ) -> None:
        self._engine = engine
        self._hub = hub
        self._launcher = launcher
        self._merger_id = merger_id
        self._home = home
        self._reconciler = Reconciler(engine, hub)
        self._log = structlog.get_logger().bind(worker=merger_id)

    def reconcile(self) -> tuple[Frozen, ...]:
        """Repair what a killed merge queue left; call it once before the first landing.

        Returns the branches that nothing may land on until a person has looked, each with the reason.
        """
        sweep_checkouts(self._hub)
        return self._reconciler.reconcile_all()

    def land_next(self) -> Landing | None:
        """Judge the best handed-in attempt whose branch is free, or return None when there is none.

        Raises:
            StoreUnreachableError, RefsBusyError: Redis did not answer, or no ref can be written now;
                whatever was begun is taken up again later.
        """
        started = time.monotonic()
        ticket = self._engine.begin_merge(self._merger_id)
        if ticket is None:
            return None
        crashpoint("merge.after_begin")
        try:
            landing = self._land(ticket)
        except NotLandingError as verdict:
            landing = self._send_back(ticket, verdict)
        except StaleTokenError as error:
            landing = _verdict_on(ticket, Outcome.STALE, reason=error.message)
        return replace(landing, duration_s=time.monotonic() - started)

    def _land(self, ticket: MergeTicket) -> Landing:
        """F2 to F8 for one ticket."""
        try:
            record = self._engine.run(ticket.run)
            self._hub.start_branch(ticket.branch, record.base)
            earlier = self._look_back(ticket, record)
            if earlier:
                return earlier
            fence = self._raise_fence(ticket)
            outcome, commit, gates = self._merge_and_move(ticket, record, fence)
        except (NotLandingError, StaleTokenError, StoreUnreachableError, RefsBusyError):
            raise
        except ConfigError as error:
            raise NotLandingError(
                Outcome.REFUSED,
                Failure(FailureKind.POLICY, error.message, retryable=False),
                keeps_attempt=True,
            ) from error
        except (GitError, OSError, SandboxEndedError, UnreachableError) as error:
            raise _not_its_fault(f"could not merge: {error}") from error
        except Exception as error:
            # A ticket that breaks us must give its slot back, or it is the first of its branch for ever.
            self._log.exception("landing broke", run=ticket.run, task=ticket.task.id, attempt=ticket.attempt)
            raise _not_its_fault(f"could not merge: {type(error).__name__}: {error}") from error
        return self._complete(ticket, outcome, commit, gates)

    def _raise_fence(self, ticket: MergeTicket) -> str:
        """F2: put our token into the fence ref; returns what the ref then points to.

        A higher one there is a newer merge's, or Redis came back from an older copy of itself and counts
        below what git has seen. Its counter is raised, so that the next token passes.
        """
        fence = self._hub.raise_fence(ticket.branch, ticket.merge_token)
        if fence is None:
            self._engine.raise_fence(self._hub.fence(ticket.branch))
            raise StaleTokenError(
                f"merge token {ticket.merge_token} of branch {ticket.branch!r} is older than its fence"
            )
        crashpoint("merge.after_fence")
        return fence

    def _look_back(self, ticket: MergeTicket, record: RunRecord) -> Landing | None:
        """Reconcile the branch first; a task that turns out to have landed already is done."""
        done = task_ref("done", ticket.run, ticket.task.id)
        if self._hub.resolve(done):
            self._reconciler.forget(ticket.branch)
        frozen = self._reconciler.reconcile_run(record)
        if frozen:
            failure = Failure(FailureKind.POLICY, frozen.reason, retryable=False)
            raise NotLandingError(Outcome.FROZEN, failure, keeps_attempt=True)
        commit = self._hub.resolve(done)
        return _verdict_on(ticket, Outcome.LANDED, commit=commit) if commit else None

    def _merge_and_move(
        self, ticket: MergeTicket, record: RunRecord, fence: str
    ) -> tuple[Outcome, str, GateReport]:
        """F3 to F6: merge onto the tip, judge, move the branch; again when somebody else moved it."""
        leash = LeashedLauncher(self._launcher)
        judged: dict[str, GateReport] = {}
        with kept_slot(self._engine, ticket, leash.cut):
            for _ in range(REDOS):
                tip = self._hub.git.one_line("rev-parse", "--verify", branch_ref(ticket.branch))
                tree, commit = merge_onto(self._hub, ticket, tip)
                if tree not in judged:
                    judged[tree] = judge(
                        self._hub,
                        ticket,
                        tree,
                        base=record.base,
                        leash=leash,
                        home=self._home,
                    )
                crashpoint("merge.after_gate")
                if self._engine.renew_merge(ticket) < least_left_ms(ticket):
                    raise StaleTokenError(f"too little is left of the merge slot of {ticket.branch!r}")
                crashpoint("merge.before_tx")
                if self._move(ticket, tip, commit, fence):
                    crashpoint("merge.after_tx")
                    return Outcome.UNCHANGED if commit == tip else Outcome.LANDED, commit, judged[tree]
        reason = f"branch {ticket.branch!r} was moved by somebody else {REDOS} times while this was merged"
        raise _not_its_fault(reason)

    def _move(self, ticket: MergeTicket, tip: str, commit: str, fence: str) -> bool:
        """F6: move the branch, if it is still at `tip` and the fence is still ours; False when it moved.

        An attempt that changes nothing moves nothing, but leaves a record of the tip it was judged on.
        """
        branch, guard = branch_ref(ticket.branch), fence_ref(ticket.branch)
        done = task_ref("done", ticket.run, ticket.task.id)
        unchanged = task_ref("unchanged", ticket.run, ticket.task.id)
        fenced = RefChange("verify", guard, old=fence)
        move = [
            RefChange("update", branch, new=commit, old=tip),
            fenced,
            RefChange("create", done, new=commit),
        ]
        if commit == tip:
            move = [RefChange("verify", branch, old=tip), fenced, RefChange("update", unchanged, new=tip)]
        with self._hub.writing_refs() as writer:
            answer = writer.transact(move)
            if answer.succeeded:
                self._reconciler.verified(ticket.branch, commit)
                return True
            self._reconciler.forget(ticket.branch)
            if self._hub.resolve(guard) != fence:
                raise StaleTokenError(f"a newer merge of branch {ticket.branch!r} has raised its fence")
            if self._hub.tip(ticket.branch) != tip:
                return False
        raise GitError(["git", "update-ref", "--stdin"], answer.exit_code, answer.stderr)

    def _complete(self, ticket: MergeTicket, outcome: Outcome, commit: str, gates: GateReport) -> Landing:
        """F7 and F8. What has landed stays landed, whatever Redis has come to believe meanwhile."""
        try:
            queued = tuple(self._engine.complete(ticket, commit=commit))
        except StaleTokenError:
            if outcome == Outcome.UNCHANGED:
                raise
            queued = ()
            self._engine.reconcile(
                ticket.run,
                ticket.task.id,
                attempt=ticket.attempt,
                merge_token=ticket.merge_token,
                commit=commit,
            )
        crashpoint("merge.after_complete")
        self._hub.sweep_attempts(ticket.run, ticket.task.id)
        return _verdict_on(ticket, outcome, commit=commit, newly_queued=queued, gates=gates)

    def _send_back(self, ticket: MergeTicket, verdict: NotLandingError) -> Landing:
        """Tell the engine why; first see to it that a judged attempt is never handed in again."""
        if not verdict.keeps_attempt:
            self._hub.reject_attempts(ticket.run, ticket.task.id)
        failure = verdict.failure
        try:
            requeued = self._engine.send_back(ticket, failure)
        except StaleTokenError as error:
            return _verdict_on(ticket, Outcome.STALE, reason=error.message)
        return _verdict_on(
            ticket, verdict.outcome, reason=failure.reason, requeued=requeued, gates=verdict.gates
        )


def _not_its_fault(reason: str) -> NotLandingError:
    """The verdict that charges nobody and keeps the attempt for another try."""
    failure = Failure(FailureKind.INFRASTRUCTURE, reason)
    return NotLandingError(Outcome.INFRASTRUCTURE, failure, keeps_attempt=True)


def _verdict_on(
    ticket: MergeTicket,
    outcome: Outcome,
    *,
    commit: str = "",
    reason: str = "",
    newly_queued: tuple[str, ...] = (),
    requeued: bool = False,
    gates: GateReport | None = None,
) -> Landing:
    return Landing(
        run=ticket.run,
        task=ticket.task.id,
        attempt=ticket.attempt,
        branch=ticket.branch,
        outcome=outcome,
        commit=commit,
        reason=reason,
        newly_queued=newly_queued,
        requeued=requeued,
        gates=gates or GateReport(),
    )
