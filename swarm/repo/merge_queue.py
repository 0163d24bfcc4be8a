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
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote

from swarm.crashpoints import crashpoint, register
from swarm.engine.engine import Engine
from swarm.engine.records import Failure, MergeTicket, RunRecord
from swarm.errors import ConfigError, StaleTokenError, StoreUnreachableError, UnreachableError
from swarm.plan.scope import WriteScope
from swarm.repo.checkout import clean_checkout, sweep_checkouts
from swarm.repo.gates import GateReport, GateResult, load_gates, run_gates
from swarm.repo.git import GitError
from swarm.repo.hub import Hub
from swarm.repo.merge import MAX_EVIDENCE, Conflict, Violation, commit_landing, find_violations, merge_trees
from swarm.repo.reconcile import Frozen, Reconciler
from swarm.repo.refs import RefChange, branch_ref, fence_ref, task_ref
from swarm.repo.slot import LeashedLauncher, kept_slot, least_left_ms
from swarm.sandbox.protocol import Launcher, SandboxEndedError
from swarm.states import FailureKind

REDOS = 5
"""How often a landing starts over because somebody else moved the branch."""

AFTER_BEGIN = register("merge.after_begin", "F1: the merge slot and its token are ours")
AFTER_FENCE = register("merge.after_fence", "F2: the fence ref holds our token")
AFTER_COMMIT = register("merge.after_commit", "F3: the merged commit exists; no ref points to it")
AFTER_GATE = register("merge.after_gate", "F4: the gates passed on the merged tree")
BEFORE_TX = register("merge.before_tx", "F5: the slot was renewed; nothing has landed yet")
AFTER_TX = register("merge.after_tx", "F6: it has landed in git; Redis does not know")
AFTER_COMPLETE = register("merge.after_complete", "F7: Redis knows; the attempt's refs are still there")


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


@dataclass(frozen=True)
class _Verdict(Exception):  # noqa: N818  # not an error: it carries a decision out of the steps
    """The attempt does not land: why, and what the engine is told."""

    outcome: Outcome
    failure: Failure
    gates: GateReport = field(default_factory=GateReport)
    keeps_attempt: bool = False


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
        gate_owner: tuple[int, int] | None = None,
    ) -> None:
        self._engine = engine
        self._hub = hub
        self._launcher = launcher
        self._merger_id = merger_id
        self._home = home
        self._gate_owner = gate_owner
        self._reconciler = Reconciler(engine, hub)
