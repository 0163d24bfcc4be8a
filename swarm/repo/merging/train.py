"""A train: attempts merged one upon another, so that one run of the gates judges them all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from swarm.crashpoints import crashpoint
from swarm.engine.claims import Failure, MergeTicket
from swarm.plan.scope import WriteScope
from swarm.repo.gates.gate import GateReport
from swarm.repo.git.accounting import find_unaccounted
from swarm.repo.git.merge import Conflict, Violation, find_violations
from swarm.repo.git.moves import merge_moved
from swarm.repo.git.trailers import landing_message
from swarm.repo.git.tree import ABSENT, TreeChange
from swarm.repo.git.workbench import Workbench
from swarm.repo.merging.approvals import Guard
from swarm.repo.merging.conflicts import read_sides, spelled_out
from swarm.repo.merging.landing import NotLandingError, Outcome, out_of_scope, unaccounted
from swarm.states import FailureKind


@dataclass(frozen=True)
class Car:
    """One attempt, merged onto those before it."""

    ticket: MergeTicket
    tree: str
    commit: str  # that of the car before, or the tip, where it changes nothing
    changes_something: bool


@dataclass
class Train:
    """What was coupled onto a tip, and what was not."""

    tip: str
    cars: list[Car] = field(default_factory=list)
    refused: list[tuple[MergeTicket, NotLandingError]] = field(default_factory=list)
    left_standing: list[MergeTicket] = field(default_factory=list)  # a car is in their way; not judged

    @property
    def head(self) -> str:
        """The commit that the branch would move to."""
        return self.cars[-1].commit if self.cars else self.tip


class Coupler:
    """F3: merges attempts one upon another, in their order, and writes the commits that would land them."""

    def __init__(self, bench: Workbench, guard: Guard) -> None:
        self._git = bench.git
        self._bench = bench
        self._guard = guard

    def couple(self, tickets: Sequence[MergeTicket], tip: str) -> Train:
        """The train of these attempts on that tip.

        Whoever does not fit the tip, or leaves its scope, is refused. Whoever has something against it only
        because of another car is left standing for a later train: that one has not landed yet, and may never.
        """
        train = Train(tip)
        for ticket in tickets:
            try:
                train.cars.append(self._merged(ticket, train.head))
                crashpoint("merge.after_commit")
            except NotLandingError as verdict:
                if alone := self._verdict_alone(ticket, train, verdict):
                    train.refused.append((ticket, alone))
                else:
                    train.left_standing.append(ticket)
        return train

    def _verdict_alone(
        self, ticket: MergeTicket, train: Train, verdict: NotLandingError
    ) -> NotLandingError | None:
        """What is wrong with it on what has landed; None when that is nothing: a car is in its way."""
        if train.head == train.tip:
            return verdict
        try:
            self._merged(ticket, train.tip)
        except NotLandingError as alone:
            return alone
        return None

    def _merged(self, ticket: MergeTicket, head: str) -> Car:
        """The attempt on that commit, and the commit that would land it.

        Raises:
            NotLandingError: they conflict, or it changes what it may not, or the merge does not add up.
        """
        bench = self._bench
        # Who had nothing to do hands in what it began with, which may have no parent.
        began = ticket.base if ticket.commit == ticket.base else f"{ticket.commit}^"
        merged = merge_moved(bench, head, ticket.commit, base=began)
        if isinstance(merged, Conflict):
            raise self._conflicting(ticket, merged, head)
        ours = bench.tree_of(head)
        changes = bench.changes(ours, merged.tree)
        if violations := self._violations(ticket, changes, began=began, ours=ours, result=merged.tree):
            raise out_of_scope(violations)
        faults = find_unaccounted(
            self._git,
            bench,
            base=bench.tree_of(began),
            theirs=bench.tree_of(ticket.commit),
            ours=ours,
            result=merged.tree,
            merged=changes,
        )
        if faults:
            raise unaccounted(faults)
        approver = self._guard.approver(ticket, changes)
        if not changes:
            return Car(ticket, merged.tree, head, changes_something=False)
        message = landing_message(ticket.run, ticket.task, ticket.attempt, ticket.merge_token, approver)
        commit = bench.commit(merged.tree, head, message.encode("utf-8", "replace"))
        return Car(ticket, merged.tree, commit, changes_something=True)

    def _violations(
        self, ticket: MergeTicket, changes: Sequence[TreeChange], *, began: str, ours: str, result: str
    ) -> list[Violation]:
        """What it may not change. An edit of a file that has got another name since is one of that name's."""
        find = partial(find_violations, self._git, old=ours, new=result, scope=WriteScope(ticket.task.files))
        if not (violations := find(changes)):
            return violations
        done = self._bench.changes(self._bench.tree_of(began), self._bench.tree_of(ticket.commit))
        own = {change.path for change in done}
        return find([change for change in changes if change.path in own or change.old_mode == ABSENT])

    def _conflicting(self, ticket: MergeTicket, conflict: Conflict, tip: str) -> NotLandingError:
        """The verdict on an attempt that does not fit what has landed; the next one is told of both sides."""
        reason = f"conflicts with what has landed: {', '.join(map(spelled_out, conflict.paths))}"
        sides = read_sides(self._git, conflict, base=f"{ticket.commit}^", tip=tip, attempt=ticket.commit)
        failure = Failure(FailureKind.CONFLICT, reason, sides.render(ticket.task))
        return NotLandingError(Outcome.CONFLICT, failure)


@dataclass(frozen=True)
class Verdict:
    """How far a train is green, and why no further."""

    green: tuple[Car, ...] = ()
    culprit: Car | None = None  # the first that turns it red
    failed: GateReport = field(default_factory=GateReport)  # on the culprit's tree, with all before it


def find_green(cars: Sequence[Car], judge: Callable[[Sequence[Car]], GateReport]) -> Verdict:
    """F4: the longest part from the front that passes its gates, found by halving what is red.

    What `judge` is given always begins with the first car. The culprit is condemned on a tree that was judged
    itself: the same tree without it has passed. For n cars of which some are bad that takes 1 + log2 n runs.
    """
    if not cars:
        return Verdict()
    passed, red, failed = 0, len(cars), judge(cars)
    if failed.passed:
        return Verdict(tuple(cars))
    while red - passed > 1:
        middle = (passed + red) // 2
        judged = judge(cars[:middle])
        if judged.passed:
            passed = middle
        else:
            red, failed = middle, judged
    return Verdict(tuple(cars[:passed]), cars[passed], failed)
