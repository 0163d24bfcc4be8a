"""Whether attempts may land: the vocabulary of verdicts, and the gates on a merged tree."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from swarm.engine.claims import Failure, MergeTicket
from swarm.repo.gates.gate import GateReport, GateResult
from swarm.repo.gates.guarded import GuardedPath
from swarm.repo.git.merge import MAX_EVIDENCE, Violation
from swarm.states import FailureKind

_SHOWN = 4_000
"""Characters of a command in its evidence: one may name hundreds of test files."""


class Outcome(StrEnum):
    """What became of an attempt."""

    LANDED = "landed"
    UNCHANGED = "unchanged"  # the branch already held everything; done without a commit
    CONFLICT = "conflict"
    GATE_FAILED = "gate_failed"
    OUT_OF_SCOPE = "out_of_scope"
    UNAPPROVED = "unapproved"  # a person has to approve what it changes
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


def condemned(report: GateReport, before: Sequence[str]) -> NotLandingError:
    """The verdict on an attempt whose gates failed, on top of what passed without it."""
    assert report.failure is not None  # noqa: S101  # only a report that failed condemns
    evidence = _evidence_of(report.failure, before)
    failure = Failure(FailureKind.GATE_FAILED, str(report.failure), evidence)
    return NotLandingError(Outcome.GATE_FAILED, failure, gates=report)


def not_its_fault(reason: str) -> NotLandingError:
    """The verdict that charges nobody and keeps the attempt for another try."""
    failure = Failure(FailureKind.INFRASTRUCTURE, reason)
    return NotLandingError(Outcome.INFRASTRUCTURE, failure, keeps_attempt=True)


def out_of_scope(violations: list[Violation]) -> NotLandingError:
    """The verdict on an attempt that changed what it may not."""
    is_policy = any(violation.is_policy for violation in violations)
    kind = FailureKind.POLICY if is_policy else FailureKind.OUT_OF_SCOPE
    outcome = Outcome.REFUSED if is_policy else Outcome.OUT_OF_SCOPE
    lines = [str(violation) for violation in violations]
    more = f" and {len(lines) - 1} more" if len(lines) > 1 else ""
    return NotLandingError(outcome, Failure(kind, lines[0] + more, "\n".join(lines)[:MAX_EVIDENCE]))


def unapproved(guarded: Sequence[GuardedPath]) -> NotLandingError:
    """The verdict on an attempt that changes what a person has to approve first; it is kept as it is."""
    more = f" and {len(guarded) - 1} more" if len(guarded) > 1 else ""
    reason = f"changes {guarded[0].path}, which {guarded[0].why}{more}"
    evidence = "\n".join(map(str, guarded))[:MAX_EVIDENCE]
    failure = Failure(FailureKind.APPROVAL, reason, evidence, retryable=False)
    return NotLandingError(Outcome.UNAPPROVED, failure, keeps_attempt=True)


def unaccounted(faults: list[str]) -> NotLandingError:
    """The verdict on an attempt whose merge is not what both sides make of it: a person has to look."""
    reason = f"the merge does not add up: {faults[0]}"
    failure = Failure(FailureKind.POLICY, reason, "\n".join(faults), retryable=False)
    return NotLandingError(Outcome.REFUSED, failure)


def _evidence_of(failure: GateResult, before: Sequence[str]) -> str:
    """The command, how it ended, and the end of what it printed."""
    command = shlex.join(failure.argv)
    more = "" if len(command) <= _SHOWN else f" … ({len(command) - _SHOWN} characters more)"
    head = f"{failure}\n$ {command[:_SHOWN]}{more}\n"
    if before:
        head += f"(it passes without this task, on the same tree with {', '.join(before)})\n"
    return head + failure.output[-(MAX_EVIDENCE - len(head)) :]


def verdict_on(
    ticket: MergeTicket,
    outcome: Outcome,
    *,
    commit: str = "",
    reason: str = "",
    newly_queued: tuple[str, ...] = (),
    requeued: bool = False,
    gates: GateReport | None = None,
) -> Landing:
    """What became of a ticket."""
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
