"""Runs gates on a merged tree, each by its kind, until one that is required has failed."""

from collections.abc import Callable, Mapping, Sequence

from swarm.repo.gates.affected import run_tests
from swarm.repo.gates.gate import DEFAULT_TIMEOUT_S, Gate, GateReport, GateResult, Kind
from swarm.repo.gates.ground import Ground, run_in
from swarm.repo.gates.markers import find_markers
from swarm.repo.gates.performance import compare_speed
from swarm.repo.gates.security import find_secrets_and_findings

_RUN: Mapping[Kind, Callable[[Gate, Ground], GateResult]] = {
    Kind.COMMAND: lambda gate, ground: ground.run(gate),
    Kind.TESTS: run_tests,
    Kind.CONFLICTS: find_markers,
    Kind.SECURITY: find_secrets_and_findings,
    Kind.PERFORMANCE: compare_speed,
}


def run_gates(
    gates: Sequence[Gate], ground: Ground, *, find: Callable[[Gate], GateResult | None] = lambda _gate: None
) -> GateReport:
    """Run the gates in their order, each in a checkout of its own: none judges what another has written.

    A command that cannot be started, or that ends its sandbox, has failed. `find` knows what a gate has said
    of this tree before, if it has.

    Raises:
        SandboxEndedError: a sandbox was killed from outside; that says nothing about the tree.
    """
    report = GateReport()
    for gate in gates:
        report = GateReport((*report.results, find(gate) or _RUN[gate.kind](gate, ground)))
        if not report.passed:
            break
    return report


def run_acceptance(
    commands: Sequence[Sequence[str]], ground: Ground, *, timeout_s: float = DEFAULT_TIMEOUT_S
) -> GateReport:
    """Run a task's own commands, one after another in one checkout, until one fails.

    Raises:
        SandboxEndedError: as `run_gates`.
    """
    results: list[GateResult] = []
    if not commands:
        return GateReport()
    with ground.checkout(ground.tree) as tree, ground.sandbox(tree) as sandbox:
        for number, argv in enumerate(commands, 1):
            gate = Gate(f"acceptance {number}", tuple(argv), timeout_s)
            results.append(run_in(sandbox, gate, ground.log))
            if not results[-1].passed:
                break
    return GateReport(tuple(results))
