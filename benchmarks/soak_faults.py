"""What a soak does to a run, and how long the run took to get over it."""

import os
import random
import signal
import time
from collections import Counter, defaultdict
from contextlib import suppress
from pathlib import Path

import psutil

from swarm.engine.engine import Engine
from swarm.errors import SwarmError
from swarm.keys import member
from swarm.states import TaskState
from swarm.testing.proxy import MODES, Proxy
from swarm.testing.server import RedisServer

RATES = {
    "kill worker": 6,
    "kill supervisor": 2,
    "stop worker": 3,
    "stop supervisor": 1,
    "kill server": 2,
    "cut append-only file": 1,
    "network": 2,
}
"""In percent a tick: 8 of SIGKILL, 4 of SIGSTOP for longer than a lease, and so on."""
MOST_CUT = 2_000
"""Bytes of the append-only file's end: some tenths of a second of a busy run."""
MOVES = frozenset({"task_claimed", "task_handed_in", "task_done"})


class Recovery:
    """Notes faults, and by the event stream when what they hit went on."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, list[float]] = defaultdict(list)
        self._open: list[tuple[str, float, str]] = []
        self._after = ""

    def begin(self, engine: Engine) -> None:
        """Look at a new stream."""
        self._open, self._after = [], engine.last_event_id()

    def hit(self, kind: str, task: str = "") -> None:
        """A fault happened now, to whoever held this task, or to all."""
        self._open.append((kind, time.monotonic(), task))

    def look(self, engine: Engine) -> None:
        """Read what has happened since; quiet while the server is away."""
        with suppress(SwarmError):
            for event in engine.events(after=self._after):
                self._after = event.id
                if event.kind in MOVES:
                    self._close(member(event.run, event.task))

    def _close(self, moved: str) -> None:
        now_s = time.monotonic()
        for kind, since_s, task in self._open:
            if task in {"", moved}:
                self.seconds[kind].append(now_s - since_s)
        self._open = [one for one in self._open if one[2] not in {"", moved}]

    def summary(self) -> dict[str, dict[str, float]]:
        """By kind: how many, and after how many seconds half of them and nearly all had been got over."""
        return {
            kind: {"measured": len(each), "p50_s": percentile(each, 50), "p99_s": percentile(each, 99)}
            for kind, each in sorted(self.seconds.items())
        }


def percentile(values: list[float], percent: int) -> float:
    """The least value that so many percent do not exceed."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) * percent // 100, len(ordered) - 1)], 2)


class Harm:
    """Does faults to the processes of one run, its server and the way between them."""

    def __init__(
        self, rng: random.Random, server: RedisServer, proxy: Proxy, *, lease_s: float, recovery: Recovery
    ) -> None:
        self.done: Counter[str] = Counter()
        self._rng = rng
        self._server = server
        self._proxy = proxy
        self._lease_s = lease_s
        self._recovery = recovery
        self._frozen: list[tuple[float, psutil.Process]] = []

    def tick(self, run_pid: int, engine: Engine) -> None:
        """Perhaps one fault, at the rates above."""
        self.thaw()
        kinds, rates = zip(*RATES.items(), strict=True)
        kind = self._rng.choices([*kinds, ""], [*rates, 100 - sum(rates)])[0]
        if kind in {"kill server", "cut append-only file"}:
            self._restart_server(kind)
        elif kind == "network":
            self._proxy.arm(self._rng.choice(MODES), at=self._rng.random(), seconds=self._rng.uniform(0.2, 8))
            self._note(kind)
        elif kind:
            self._hurt_process(kind, run_pid, engine)

    def _note(self, kind: str, task: str = "") -> None:
        self.done[kind] += 1
        self._recovery.hit(kind, task)

    def _hurt_process(self, kind: str, run_pid: int, engine: Engine) -> None:
        action, _, who = kind.partition(" ")
        try:
            children = psutil.Process(run_pid).children()
        except psutil.NoSuchProcess:
            return
        frozen = {process.pid for _, process in self._frozen}
        victims = [one for one in children if runs(one, f"{who}s" if who == "worker" else who)]
        victims = [one for one in victims if one.pid not in frozen]
        if not victims:
            return
        victim = self._rng.choice(victims)
        task = held_task(engine, victim.pid) if who == "worker" else ""
        with suppress(psutil.NoSuchProcess):
            if action == "stop":
                victim.send_signal(signal.SIGSTOP)
                self._frozen.append((time.monotonic() + self._lease_s * 1.5, victim))
            else:
                victim.kill()
            if who == "supervisor" or task:
                self._note(kind, task)
            else:
                self.done[kind] += 1  # it was idle: there is nothing to get over

    def _restart_server(self, kind: str) -> None:
        """SIGKILL, now and then with the end of what it had written cut off, as a power cut does."""
        self._server.stop()
        if kind.startswith("cut"):
            newest = max((self._server.folder / "appendonlydir").glob("*.incr.aof"), key=os.path.getmtime)
            size = newest.stat().st_size
            os.truncate(newest, size - min(size // 10, self._rng.randrange(MOST_CUT)))
        self._note(kind)
        down_until_s = time.monotonic() + self._rng.choice((0.0, 0.5, self._lease_s * 1.2))
        while time.monotonic() < down_until_s:
            time.sleep(0.05)
        self._server.start()

    def thaw(self, *, everything: bool = False) -> None:
        """Wake what has been frozen for longer than its lease."""
        now_s = time.monotonic()
        for due_s, process in list(self._frozen):
            if everything or now_s >= due_s:
                self._frozen.remove((due_s, process))
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGCONT)


def runs(process: psutil.Process, module: str) -> bool:
    """The process lives, and this module is on its command line."""
    try:
        return module in process.cmdline()
    except psutil.Error:
        return False


def held_task(engine: Engine, pid: int) -> str:
    """The member that the worker of this process holds; empty when it holds none, or nobody can say."""
    with suppress(SwarmError):
        names = {agent.worker_id for agent in engine.agents() if agent.pid == pid}
        for run in engine.run_ids():
            for task in engine.tasks(run):
                if task.worker_id in names and task.state in {TaskState.ACKED, TaskState.RUNNING}:
                    return member(run, task.spec.id)
    return ""


def server_settings(folder: Path) -> RedisServer:
    """A server that appends what it does to a file, as the embedded one does."""
    return RedisServer(folder, settings=("--appendonly", "yes", "--appendfsync", "everysec"))
