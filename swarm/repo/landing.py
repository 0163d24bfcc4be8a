"""Whether one attempt may land: the vocabulary of verdicts, the merged tree, and the gates on it."""

import shlex
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path

from swarm.crashpoints import crashpoint
from swarm.engine.claims import Failure, MergeTicket
from swarm.errors import StaleTokenError
from swarm.plan.scope import WriteScope
from swarm.repo.checkout import clean_checkout
from swarm.repo.gates import GateReport, GateResult, load_gates, run_gates
from swarm.repo.hub import Hub
from swarm.repo.merge import MAX_EVIDENCE, Conflict, Violation, commit_landing, find_violations, merge_trees
from swarm.repo.slot import LeashedLauncher
from swarm.settings import attempt_log
from swarm.states import FailureKind


class Outcome(StrEnum):
    """What became of an attempt."""

    LANDED = "landed"
    UNCHANGED = "unchanged"  # the branch already held everything; done without a commit
    CONFLICT = "conflict"
    GATE_FAILED = "gate_failed"
    OUT_OF_SCOPE = "out_of_scope"
    REFUSED = "refused"  # by policy; a person has to look
    FROZEN = "frozen"  # the branch's records contradict each other; a person has to look
    STALE = "stale"  # the right to merge was lost; whoever has it now goes on
    INFRASTRUCTURE = "infrastructure"  # git, the disk or the sandbox; not charged


@dataclass(frozen=True)
class Landing:
    """The verdict on one attempt."""

    run: str
    task: str
    attempt: int
    branch: str
    outcome: Outcome
    commit: str = ""  # the branch's tip that holds it, when landed or unchanged
    reason: str = ""
    newly_queued: tuple[str, ...] = ()
    requeued: bool = False  # sent back, and will be tried again
    gates: GateReport = field(default_factory=GateReport)
    duration_s: float = 0.0


class NotLandingError(Exception):
    """Carries a verdict out of the steps: why the attempt does not land, and what the engine is told."""

    def __init__(
        self,
        outcome: Outcome,
        failure: Failure,
        *,
        gates: GateReport | None = None,
        keeps_attempt: bool = False,
    ) -> None:
        super().__init__(failure.reason)
        self.outcome = outcome
        self.failure = failure
        self.gates = gates or GateReport()
        self.keeps_attempt = keeps_attempt  # the same commit may be handed in again


def merge_onto(hub: Hub, ticket: MergeTicket, tip: str) -> tuple[str, str]:
    """F3: the merged tree and the commit that lands it; that is the tip itself when nothing changes."""
    git = hub.git
    merged = merge_trees(git, tip, ticket.commit)
    if isinstance(merged, Conflict):
        paths = ", ".join(merged.paths)
        failure = Failure(FailureKind.CONFLICT, f"conflicts with what has landed: {paths}", merged.evidence)
        raise NotLandingError(Outcome.CONFLICT, failure)
    violations = find_violations(git, tip, merged.tree, WriteScope(ticket.task.files))
    if violations:
        raise _out_of_scope(violations)
    if merged.tree == git.one_line("rev-parse", f"{tip}^{{tree}}"):
        return merged.tree, tip
    commit = commit_landing(
        git,
        tree=merged.tree,
        parent=tip,
        run=ticket.run,
        task=ticket.task,
        attempt=ticket.attempt,
        merge_token=ticket.merge_token,
    )
    crashpoint("merge.after_commit")
    return merged.tree, commit


def judge(
    hub: Hub,
    ticket: MergeTicket,
    tree: str,
    *,
    base: str,
    leash: LeashedLauncher,
    home: Path,
) -> GateReport:
    """F4: the task's acceptance and the project's gates, each on nothing but that tree."""
    gates = load_gates(hub, base)
    if not gates and not ticket.task.acceptance:
        return GateReport()
    log = attempt_log(home, ticket.run, ticket.task.id, ticket.attempt, gate=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    name = f"{ticket.run}/{ticket.task.id}/{ticket.attempt}"
    labels = {"swarm.run": ticket.run, "swarm.task": ticket.task.id, "swarm.attempt": name}
    checkout = partial(clean_checkout, hub, tree)
    report = run_gates(gates, ticket.task.acceptance, checkout, leash, labels=labels, log=log)
    if leash.is_cut:
        raise StaleTokenError(f"the merge slot of branch {ticket.branch!r} was lost while gates ran")
    if report.failure:
        failure = Failure(FailureKind.GATE_FAILED, str(report.failure), _evidence_of(report.failure))
        raise NotLandingError(Outcome.GATE_FAILED, failure, gates=report)
    return report


def _out_of_scope(violations: list[Violation]) -> NotLandingError:
    is_policy = any(violation.is_policy for violation in violations)
    kind = FailureKind.POLICY if is_policy else FailureKind.OUT_OF_SCOPE
    outcome = Outcome.REFUSED if is_policy else Outcome.OUT_OF_SCOPE
    lines = [str(violation) for violation in violations]
    more = f" and {len(lines) - 1} more" if len(lines) > 1 else ""
    return NotLandingError(outcome, Failure(kind, lines[0] + more, "\n".join(lines)[:MAX_EVIDENCE]))


def _evidence_of(failure: GateResult) -> str:
    """The command, how it ended, and the end of what it printed."""
    head = f"{failure}\n$ {shlex.join(failure.argv)}\n"
    return head + failure.output[-(MAX_EVIDENCE - len(head)) :]
