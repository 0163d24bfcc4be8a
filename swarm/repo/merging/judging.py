"""F4 for one train: what each task asks of itself, and the project's gates, on nothing but merged trees."""

import hashlib
import os
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from swarm.engine.claims import MergeTicket
from swarm.errors import StaleTokenError
from swarm.repo.gates.cache import GateCache
from swarm.repo.gates.definitions import load_gates
from swarm.repo.gates.gate import Gate, GateReport, GateResult
from swarm.repo.gates.ground import Ground
from swarm.repo.gates.running import run_acceptance, run_gates
from swarm.repo.hub.hub import Hub
from swarm.repo.merging.gate_notes import GateNotes, hollow_green, keep_notes, red_advisory
from swarm.repo.merging.slot import LeashedLauncher
from swarm.repo.merging.train import Car
from swarm.settings import attempt_log

_SHARED_BYTES = 256 * 1024
"""Of what gates print on a train each task's log gets so much: the end."""
_SHOWN = 400
"""Characters of a command in a log's heading."""


class Judge:
    """Judges parts of a train; no tree, and no task on it, twice.

    A task's acceptance commands are run on the tree in which the task itself is the last: what comes after it
    is not theirs to judge. The gates are run on the last tree of the part.
    """

    def __init__(self, hub: Hub, *, base: str, leash: LeashedLauncher, home: Path, cache: GateCache) -> None:
        self._hub = hub
        self._base = base
        self._gates = load_gates(hub, base)
        self._sampled: tuple[Gate, ...] | None = None
        self._leash = leash
        self._home = home
        self._cache = cache
        self._own: dict[tuple[str, str], GateReport] = {}
        self._of_trees: dict[str, GateReport] = {}

    @property
    def has_gates(self) -> bool:
        """There is more to ask than the tasks' own commands."""
        return bool(self._gates)

    def sampled(self, tree: str) -> tuple[Gate, ...]:
        """The gates that judge a train which ends in this tree."""
        return tuple(gate for gate in self._gates if is_sampled(gate, tree))

    def judge(self, cars: Sequence[Car], tip: str) -> GateReport:
        """The first acceptance that fails, else that of the last car, and what the gates say.

        `tip` is the commit that the first of them was merged onto.

        Raises:
            StaleTokenError: the slot was lost meanwhile; nothing that was found counts.
            SandboxEndedError: a sandbox was killed from outside.
        """
        for car in cars:
            if (own := self.own(car)).failure:
                return own
        if cars[-1].tree not in self._of_trees:
            self._of_trees[cars[-1].tree] = self._run_gates(cars, tip)
        return self.report(cars[-1], cars[-1])

    def report(self, car: Car, last: Car) -> GateReport:
        """What a task's own acceptance said, and the gates on the tree of the last of its part."""
        return GateReport(self.own(car).results + self._of_trees[last.tree].results)

    def own(self, car: Car) -> GateReport:
        """What a task's own acceptance commands say."""
        key = (car.tree, car.ticket.task.id)
        if key not in self._own:
            ground = self._ground(car, self._log_of(car.ticket))
            self._own[key] = report = run_acceptance(car.ticket.task.acceptance, ground)
            for result in report.results:  # they share a checkout, and are run in one go
                _say(self._log_of(car.ticket), _ended(result))
            self._see_that_it_counts(car.ticket)
        return self._own[key]

    def note(self, car: Car, last: Car) -> None:
        """Keep what the gates said of a task that is about to land, where they said more than that it may."""
        report = self._of_trees[last.tree]
        left_out = tuple(gate.name for gate in self._gates if gate not in self._gates_of_train(last.tree))
        keep_notes(self._log_of(car.ticket), GateNotes(red_advisory(report), left_out, hollow_green(report)))

    def _ground(self, car: Car, log: Path, *, since: str = "") -> Ground:
        return Ground(self._hub, car.tree, self._base, self._leash, _labels(car.ticket), log, since)

    def _gates_of_train(self, tree: str) -> tuple[Gate, ...]:
        """Those that judge this train: all of its parts, or halving a red one would find nothing."""
        if self._sampled is None:
            self._sampled = self.sampled(tree)
        return self._sampled

    def _run_gates(self, cars: Sequence[Car], tip: str) -> GateReport:
        if not self._gates:
            return GateReport()
        tree, ticket = cars[-1].tree, cars[0].ticket
        first, *others = [self._log_of(car.ticket) for car in cars]
        before = first.stat().st_size if first.exists() else 0
        if others:
            names = ", ".join(car.ticket.task.id for car in cars)
            _say(first, f"== gates on {tree[:12]}, the tree of {names} ==")
        ground = replace(self._ground(cars[-1], first, since=tip), labels=_labels(ticket))
        report = self._run_each(tree, ground, first)
        self._see_that_it_counts(ticket)
        for gate, result in zip(self._gates_of_train(tree), report.results, strict=False):
            self._cache.keep(tree, gate, self._base, result)
        if others:
            _say(first, f"== {report.failure or 'green'} ==")
            said = first.read_bytes()[before:][-_SHARED_BYTES:]
            for log in others:
                _append(log, said)
        return report

    def _run_each(self, tree: str, ground: Ground, log: Path) -> GateReport:
        """One gate after another; the log has name and command before what each prints, its verdict after."""
        chosen, report = self._gates_of_train(tree), GateReport()
        for gate in self._gates:
            if gate not in chosen:
                _say(log, f"== gate {gate.name}: left out by its sample, {gate.sample:g} ==")
                continue
            command = shlex.join(gate.command)
            shown = f": {command[:_SHOWN]}{'…' if command[_SHOWN:] else ''}" if command else ""
            _say(log, f"== gate {gate.name}{'' if gate.required else ' (advisory)'}{shown} ==")
            ran = run_gates([gate], ground, find=lambda gate: self._cache.find(tree, gate, self._base))
            report = GateReport(report.results + ran.results)
            for result in ran.results:
                _say(log, _ended(result))
            if not ran.passed:
                break
        return report

    def _log_of(self, ticket: MergeTicket) -> Path:
        log = attempt_log(self._home, ticket.run, ticket.task.id, ticket.attempt, gate=True)
        log.parent.mkdir(parents=True, exist_ok=True)
        return log

    def _see_that_it_counts(self, ticket: MergeTicket) -> None:
        if self._leash.is_cut:
            raise StaleTokenError(f"the merge slot of branch {ticket.branch!r} was lost while gates ran")


def is_sampled(gate: Gate, tree: str) -> bool:
    """Whether a gate judges this tree: a share of all, always the same ones."""
    draw = int.from_bytes(hashlib.sha256(f"{gate.name}/{tree}".encode()).digest()[:4], "big")
    return draw < gate.sample * 2**32


def _labels(ticket: MergeTicket) -> dict[str, str]:
    name = f"{ticket.run}/{ticket.task.id}/{ticket.attempt}"
    return {"swarm.run": ticket.run, "swarm.task": ticket.task.id, "swarm.attempt": name}


def _ended(result: GateResult) -> str:
    """The verdict on one, as a line of the log."""
    if result.is_known:
        return f"gate {result.name} has passed on this very tree before, and was not run again"
    red = "red" if result.required else "red, but advisory: it stops nothing"
    return f"== {result}: {'green' if result.passed else red}, {result.duration_s:.1f} s =="


def _say(log: Path, line: str) -> None:
    """Append a line of our own; what a gate printed last may have no end of line."""
    with log.open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            file.write(b"" if file.read() == b"\n" else b"\n")
        file.write(f"{line}\n".encode("utf-8", "replace"))


def _append(log: Path, text: bytes) -> None:
    with log.open("ab") as file:
        file.write(text)
