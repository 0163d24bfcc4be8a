"""F4 for one train: what each task asks of itself, and the project's gates, on nothing but merged trees."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from swarm.engine.claims import MergeTicket
from swarm.errors import StaleTokenError
from swarm.repo.checkout import clean_checkout
from swarm.repo.gate_cache import GateCache
from swarm.repo.gates import GateReport, load_gates, run_gates
from swarm.repo.hub import Hub
from swarm.repo.slot import LeashedLauncher
from swarm.repo.train import Car
from swarm.settings import attempt_log

_SHARED_BYTES = 256 * 1024
"""Of what gates print on a train each task's log gets so much: the end."""


class Judge:
    """Judges parts of a train; no tree, and no task on it, twice.

    A task's acceptance commands are run on the tree in which the task itself is the last: what comes after it
    is not theirs to judge. The gates are run on the last tree of the part.
    """

    def __init__(self, hub: Hub, *, base: str, leash: LeashedLauncher, home: Path, cache: GateCache) -> None:
        self._hub = hub
        self._base = base
        self._gates = load_gates(hub, base)
        self._leash = leash
        self._home = home
        self._cache = cache
        self._own: dict[tuple[str, str], GateReport] = {}
        self._of_trees: dict[str, GateReport] = {}

    def judge(self, cars: Sequence[Car]) -> GateReport:
        """The first acceptance that fails, else that of the last car, and what the gates say.

        Raises:
            StaleTokenError: the slot was lost meanwhile; nothing that was found counts.
            SandboxEndedError: a sandbox was killed from outside.
        """
        for car in cars:
            if (own := self.own(car)).failure:
                return own
        if cars[-1].tree not in self._of_trees:
            self._of_trees[cars[-1].tree] = self._run_gates(cars)
        return self.report(cars[-1], cars[-1])

    def report(self, car: Car, last: Car) -> GateReport:
        """What a task's own acceptance said, and the gates on the tree of the last of its part."""
        return GateReport(self.own(car).results + self._of_trees[last.tree].results)

    def own(self, car: Car) -> GateReport:
        """What a task's own acceptance commands say."""
        key = (car.tree, car.ticket.task.id)
        if key not in self._own:
            commands = {
                f"acceptance {n}": tuple(argv) for n, argv in enumerate(car.ticket.task.acceptance, 1)
            }
            log = self._log_of(car.ticket)
            self._own[key] = run_gates(
                (), commands, self._checkout(car.tree), self._leash, labels=_labels(car.ticket), log=log
            )
            self._see_that_it_counts(car.ticket)
        return self._own[key]

    def _run_gates(self, cars: Sequence[Car]) -> GateReport:
        if not self._gates:
            return GateReport()
        tree, ticket = cars[-1].tree, cars[0].ticket
        first, *others = [self._log_of(car.ticket) for car in cars]
        before = first.stat().st_size if first.exists() else 0
        if others:
            names = ", ".join(car.ticket.task.id for car in cars)
            _append(first, f"== gates on {tree[:12]}, the tree of {names} ==\n".encode())
        report = run_gates(
            self._gates,
            {},
            self._checkout(tree),
            self._leash,
            labels=_labels(ticket),
            log=first,
            find=partial(self._cache.find, tree),
        )
        self._see_that_it_counts(ticket)
        for gate, result in zip(self._gates, report.results, strict=False):
            self._cache.keep(tree, gate, result)
            if result.is_known:
                note = f"gate {gate.name} has passed on this very tree before, and was not run again\n"
                _append(first, note.encode())
        if others:
            _append(first, f"== {report.failure or 'green'} ==\n".encode())
            said = first.read_bytes()[before:][-_SHARED_BYTES:]
            for log in others:
                _append(log, said)
        return report

    def _checkout(self, tree: str) -> Callable[[], AbstractContextManager[Path]]:
        may_mount = self._leash.sees_mounts
        return partial(clean_checkout, self._hub, tree, base=self._base, may_mount=may_mount)

    def _log_of(self, ticket: MergeTicket) -> Path:
        log = attempt_log(self._home, ticket.run, ticket.task.id, ticket.attempt, gate=True)
        log.parent.mkdir(parents=True, exist_ok=True)
        return log

    def _see_that_it_counts(self, ticket: MergeTicket) -> None:
        if self._leash.is_cut:
            raise StaleTokenError(f"the merge slot of branch {ticket.branch!r} was lost while gates ran")


def _labels(ticket: MergeTicket) -> dict[str, str]:
    name = f"{ticket.run}/{ticket.task.id}/{ticket.attempt}"
    return {"swarm.run": ticket.run, "swarm.task": ticket.task.id, "swarm.attempt": name}


def _append(log: Path, text: bytes) -> None:
    with log.open("ab") as file:
        file.write(text)
