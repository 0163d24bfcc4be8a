"""What a report says, as values; how it is measured is in `report`, how it looks in `report_*`."""

from dataclasses import dataclass

from swarm.engine.records import FailedAttempt
from swarm.observe.red_verdicts import RedVerdicts
from swarm.observe.wording import WAITS_FOR_APPROVAL, plural


@dataclass(frozen=True)
class Tokens:
    """Model tokens of all attempts."""

    input: int = 0
    output: int = 0
    cache_read: int = 0


@dataclass(frozen=True)
class ScopeFit:
    """How what was declared fits what was touched; both shares are None where one of them is nothing."""

    declared: int  # patterns that the plan gave as `files`
    matched: int  # those of them that a touched path matches
    touched: int  # paths that landings changed
    inside: int  # those of them that the declared patterns cover
    precision: float | None  # matched / declared
    recall: float | None  # inside / touched


@dataclass(frozen=True)
class TaskRow:
    """One task of the report."""

    id: str
    type: str
    state: str
    waits_for_approval: bool  # of a failed one: nothing was found wrong, a person has to say yes
    description: str
    files: tuple[str, ...]
    attempts: int
    failures: int  # charged against max_attempts
    crashes: int
    worker: str
    duration_s: float  # last attempt's work and landing
    lock_wait_s: float
    commit: str  # landed, empty when nothing did
    failure_kind: str
    failure_reason: str
    history: tuple[FailedAttempt, ...]  # the last attempts that did not land
    evidence: tuple[str, ...]  # the last lines of a red gate's output, a conflict, a review: of the last one
    review: tuple[str, ...]  # the verdict on the attempt that was handed in last, and its findings
    tokens: Tokens
    cost_usd: float
    priced: bool  # False: a model without a known price was used, and counts as 0
    wasted_cost_usd: float
    widened: tuple[str, ...]  # what the write scope grew by while it was worked on; `files` holds it too
    scope: ScopeFit | None  # None: nothing landed, or what did is not known here
    red_advisory: tuple[
        str, ...
    ]  # how advisory gates ended that were red when it landed, as far as known here
    gates_not_run: tuple[str, ...]  # gates that their sample left out of its landing, as far as known here
    gates_hollow: tuple[str, ...]  # what green ones said that compared nothing, as far as known here
    landed_nothing: bool  # it is done, might have changed files, and nothing of it is on the branch
    left_out: str  # paths that it wrote inside its scope and that were not taken, as far as known here

    @property
    def state_said(self) -> str:
        """The state in the word that a person reads."""
        return WAITS_FOR_APPROVAL if self.waits_for_approval else self.state


@dataclass(frozen=True)
class Report:
    """How a run went; field names are the keys of its JSON."""

    run: str
    state: str
    goal: str
    branch: str
    base: str
    tip: str
    unpublished: str  # why the branch does not hold the tip in this repository, once the run has ended
    tasks_by_state: dict[str, int]
    attempts: int
    makespan_s: float
    lower_bound_s: float
    critical_path: tuple[str, ...]
    workers: int
    utilisation: float  # 0 to 1
    lock_wait_s: float
    merges: int
    conflicts: int
    gate_failures: int
    acceptance_failures: int  # of tasks' own commands, in a workspace or on the merged tree
    review_rejections: int
    red_on_base: str  # the gate that was red before any work, and how; empty when none was
    human_interventions: int
    clean: bool
    tokens: Tokens
    cost_usd: float
    priced: bool  # every task is
    wasted_cost_usd: float
    scope: ScopeFit  # of all tasks whose landing is known
    tasks: tuple[TaskRow, ...]

    @property
    def sent_back(self) -> str:
        """Attempts that met what others had done, or did not please, in words."""
        red = RedVerdicts(self.gate_failures, self.acceptance_failures, self.review_rejections)
        return f"{plural(self.conflicts, 'conflict')}, {red}"
