"""Judging the next train while the gates of this one run, as if this one will pass whole.

What it finds out is kept by tree (`gates/cache.py`): when the next train comes to the very tree, its gates
have passed already, or nearly. When this train is red, or others are handed in meanwhile, the work was in
vain, and nothing else: a speculation lands nothing, holds no slot and tells the engine nothing.
"""

import threading
from collections.abc import Callable, Sequence

import structlog

from swarm.engine.claims import MergeTicket
from swarm.engine.engine import Engine
from swarm.errors import SwarmError
from swarm.repo.gates.cache import GateCache
from swarm.repo.gates.gate import Gate
from swarm.repo.gates.ground import Ground
from swarm.repo.gates.running import run_gates
from swarm.repo.git.workbench import Workbench
from swarm.repo.hub.hub import Hub
from swarm.repo.merging.approvals import Guard
from swarm.repo.merging.slot import LeashedLauncher
from swarm.repo.merging.train import Coupler
from swarm.sandbox.protocol import Launcher, SandboxEndedError

LOOK_EVERY_S = 0.1


class Speculation:
    """One look ahead, in a thread of its own; each is begun once.

    Args:
        engine: only read from, by a connection of its own.
        choose: the gates that judge a tree.
        base: the commit that the gates are defined in.
    """

    def __init__(
        self,
        engine: Engine,
        hub: Hub,
        launcher: Launcher,
        cache: GateCache,
        guard: Guard,
        *,
        choose: Callable[[str], Sequence[Gate]],
        base: str,
    ) -> None:
        self._engine = engine.clone()
        self._hub = hub
        self._leash = LeashedLauncher(launcher)
        self._cache = cache
        self._guard = guard
        self._choose = choose
        self._base = base
        self._tree = ""
        self._is_coupled = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, train: Sequence[MergeTicket], head: str, *, most: int) -> None:
        """Judge, from now on, who comes after this train on the commit that it would move the branch to."""
        self._thread = threading.Thread(
            target=self._look_ahead, args=(tuple(train), head, most), name="next train", daemon=True
        )
        self._thread.start()

    def await_verdict_on(self, tree: str, *, counts: Callable[[], bool]) -> None:
        """Wait for the gates, if they run on this tree, for as long as that counts; else end them."""
        self._is_coupled.wait()
        while self._tree == tree and counts() and self._thread is not None and self._thread.is_alive():
            self._thread.join(LOOK_EVERY_S)
        self.drop()

    def drop(self) -> None:
        """End what still runs: the train before it did not pass."""
        self._leash.cut()
        if self._thread is not None:
            self._thread.join()

    def _look_ahead(self, train: tuple[MergeTicket, ...], head: str, most: int) -> None:
        try:
            self._judge(train, head, most)
        except (SwarmError, OSError, SandboxEndedError) as error:
            structlog.get_logger().debug("the next train was not judged ahead", error=str(error))
        finally:
            self._engine.close()
            self._is_coupled.set()

    def _judge(self, train: tuple[MergeTicket, ...], head: str, most: int) -> None:
        waiting = self._engine.next_attempts(train, most=most)
        if waiting:  # handed in meanwhile, by other hosts perhaps
            self._hub.mirror_run(waiting[0].run, waiting[0].branch)
        with Workbench(self._hub.path) as bench:
            cars = Coupler(bench, self._guard).couple(waiting, head).cars
        if not cars or self._has_ended():
            return
        self._tree = cars[-1].tree
        self._is_coupled.set()
        gates = self._choose(self._tree)
        log = self._hub.home / "logs" / "ahead.gate.log"
        log.parent.mkdir(exist_ok=True)
        log.unlink(missing_ok=True)
        labels = {"swarm.run": cars[0].ticket.run, "swarm.attempt": f"{cars[0].ticket.run}/ahead"}
        ground = Ground(self._hub, self._tree, self._base, self._leash, labels, log, since=head)
        report = run_gates(gates, ground, find=lambda gate: self._cache.find(ground.tree, gate, self._base))
        if self._has_ended():
            return
        for gate, result in zip(gates, report.results, strict=False):
            self._cache.keep(ground.tree, gate, self._base, result)

    def _has_ended(self) -> bool:
        """Somebody has dropped it meanwhile: what was cut short says nothing."""
        return self._leash.is_cut
