"""F3 to F6: a train is merged, judged, and lands as far as it is green."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from swarm.crashpoints import crashpoint
from swarm.engine.claims import MergeTicket
from swarm.engine.engine import Engine
from swarm.engine.records import RunRecord
from swarm.errors import StaleTokenError
from swarm.repo.gates.cache import GateCache
from swarm.repo.gates.gate import GateReport
from swarm.repo.gates.guarded import load_guarded
from swarm.repo.git.quarantine import is_roomy
from swarm.repo.git.workbench import Workbench
from swarm.repo.hub.hub import Hub
from swarm.repo.hub.refs import RefChange, branch_ref, fence_ref, task_ref
from swarm.repo.merging.approvals import Guard
from swarm.repo.merging.judging import Judge
from swarm.repo.merging.landing import NotLandingError, not_its_fault
from swarm.repo.merging.reconcile import Reconciler
from swarm.repo.merging.slot import LeashedLauncher, kept_slot
from swarm.repo.merging.speculation import Speculation
from swarm.repo.merging.train import Coupler, Train, Verdict, find_green
from swarm.sandbox.protocol import Launcher

REDOS = 5
"""How often a train starts over because somebody else moved the branch, or cancelled a part of it."""


_LONG = 8
"""Attempts in a train from which on its objects become one pack."""


@dataclass(frozen=True)
class TrainResult:
    """What a train has come to: in git, but not yet in Redis."""

    verdict: Verdict
    refused: Sequence[tuple[MergeTicket, NotLandingError]] = ()
    lost: tuple[MergeTicket, ...] = ()  # cancelled, or taken away, meanwhile
    reports: Mapping[str, GateReport] = field(default_factory=dict)  # of each task that landed
    landed_before: Sequence[tuple[MergeTicket, str]] = ()


class Merging:
    """What it takes to land trains of one project."""

    def __init__(
        self,
        engine: Engine,
        hub: Hub,
        launcher: Launcher,
        reconciler: Reconciler,
        *,
        home: Path,
        cache: GateCache,
        looks_ahead: bool = False,
    ) -> None:
        self._engine = engine
        self._hub = hub
        self._launcher = launcher
        self._reconciler = reconciler
        self._home = home
        self._cache = cache
        self._looks_ahead = looks_ahead
        self._ahead: Speculation | None = None

    def land(
        self, tickets: Sequence[MergeTicket], record: RunRecord, fence: str, *, next_most: int = 1
    ) -> TrainResult:
        """Couple on the tip, judge, move the branch; again when it, or the train, has changed meanwhile.

        `next_most` is how long the train after this one may be, if this one is green.

        Raises:
            NotLandingError: the train could not be judged, which is the fault of none of them.
            StaleTokenError: the slot, or the fence, is somebody else's by now.
        """
        leash, branch = LeashedLauncher(self._launcher), tickets[0].branch
        waiting, lost = tuple(tickets), tuple[MergeTicket, ...]()
        judge = Judge(self._hub, base=record.base, leash=leash, home=self._home, cache=self._cache)
        guard = Guard(self._hub, load_guarded(self._hub, record.base))
        with kept_slot(self._engine, tickets, leash.cut), self._bench(tickets) as bench:
            for redo in range(REDOS):
                if redo:
                    self._look_again(waiting, record)
                tip = self._hub.git.one_line("rev-parse", "--verify", branch_ref(branch))
                train = Coupler(bench, guard).couple(waiting, tip)
                bench.keep()
                if self._ahead and train.cars:
                    self._ahead.await_verdict_on(train.cars[-1].tree, counts=lambda: not leash.is_cut)
                self._look_ahead(train, judge, guard, record, next_most)
                verdict = find_green(train.cars, partial(judge.judge, tip=tip))
                crashpoint("merge.after_gate")
                if len(verdict.green) < len(train.cars):
                    self.stop_looking_ahead()
                if gone := self._lost(verdict):
                    lost += gone
                    waiting = tuple(ticket for ticket in waiting if ticket not in gone)
                elif self._move(branch, train, verdict, fence, judge):
                    last = verdict.green[-1:]
                    reports = {car.ticket.task.id: judge.report(car, *last) for car in verdict.green}
                    return TrainResult(verdict, train.refused, lost, reports)
        raise not_its_fault(f"branch {branch!r} changed {REDOS} times while this was merged")

    def _look_again(self, waiting: Sequence[MergeTicket], record: RunRecord) -> None:
        """See that none of them has landed: a push that was given up may have come through after all."""
        self._hub.mirror_run(record.run, record.branch)
        landed = self._hub.refs_named(*(task_ref("done", one.run, one.task.id) for one in waiting))
        if landed:
            raise StaleTokenError(f"an earlier merge has landed on branch {record.branch!r} meanwhile")

    def stop_looking_ahead(self) -> None:
        """End the gates of what was expected to come next."""
        if self._ahead:
            self._ahead.drop()
        self._ahead = None

    def _look_ahead(self, train: Train, judge: Judge, guard: Guard, record: RunRecord, most: int) -> None:
        """Judge the next train beside this one."""
        self.stop_looking_ahead()
        if self._looks_ahead and train.cars and judge.has_gates:
            taken = [car.ticket for car in train.cars] + [ticket for ticket, _ in train.refused]
            self._ahead = Speculation(
                self._engine,
                self._hub,
                self._launcher,
                self._cache,
                guard,
                choose=judge.sampled,
                base=record.base,
            )
            self._ahead.begin(taken, train.head, most=most)

    def _bench(self, tickets: Sequence[MergeTicket]) -> Workbench:
        """In memory, if the train is so long that one pack is less work than a file for each object."""
        return Workbench(self._hub.path, in_memory=len(tickets) >= _LONG and is_roomy())

    def _lost(self, verdict: Verdict) -> tuple[MergeTicket, ...]:
        """F5: keep the slot for another term, and name those that were cancelled or taken away meanwhile."""
        green = [car.ticket for car in verdict.green]
        alive = self._engine.renew_merge(green) if green else ()
        crashpoint("merge.before_tx")
        return tuple(ticket for ticket in green if ticket not in alive)

    def _move(self, branch: str, train: Train, verdict: Verdict, fence: str, judge: Judge) -> bool:
        """F6: move the branch, if it is still where the train began and the fence is ours; False if it moved.

        An attempt that changes nothing moves nothing, but leaves a record of the commit it was judged on.
        """
        if not verdict.green:
            # Nothing moves, but a verdict counts only on what the branch still holds.
            return self._hub.tip(branch) == train.tip
        ref, guard, head = branch_ref(branch), fence_ref(branch), verdict.green[-1].commit
        first = RefChange("verify", ref, old=train.tip)
        if head != train.tip:
            first = RefChange("update", ref, new=head, old=train.tip)
        sealed = self._hub.seal_fence(verdict.green[-1].ticket.train_token, head)
        move = [first, RefChange("update", guard, new=sealed, old=fence)]
        for car in verdict.green:
            judge.note(car, verdict.green[-1])  # before: nobody else would, once it has landed
            verb, kind = ("create", "done") if car.changes_something else ("update", "unchanged")
            move.append(RefChange(verb, task_ref(kind, car.ticket.run, car.ticket.task.id), new=car.commit))
        with self._hub.writing_refs() as writer:
            answer = writer.transact(move)
            if answer.succeeded:
                crashpoint("merge.after_tx")
                self._reconciler.verified(branch, head)
                return True
            self._reconciler.forget(branch)
            if self._hub.resolve(guard) != fence:
                raise StaleTokenError(f"a newer merge of branch {branch!r} has raised its fence")
            tip = self._hub.tip(branch)
            if tip == head != train.tip:  # git was killed between two refs: the trailers tell who has landed
                raise StaleTokenError(f"git ended while it moved branch {branch!r}")
            if tip != train.tip:
                return False
            raise writer.refusal(answer)
