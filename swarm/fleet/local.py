"""Workers and a supervisor as child processes of this one.

Each child holds the read end of a pipe from us as its stdin: when we die, however we die, the pipe
closes and the child stops by itself. A child that dies is started again, slower each time.
"""

import subprocess
import sys
import time
from dataclasses import dataclass, field

from swarm.settings import Settings, child_environment

RESTART_BASE_S = 0.5
RESTART_CAP_S = 30.0
RUNS_WELL_AFTER_S = 60.0


@dataclass
class _Child:
    name: str
    argv: list[str]
    process: "subprocess.Popen[bytes] | None" = None
    started_at: float = 0.0
    restarts: int = 0
    not_before: float = 0.0


@dataclass(frozen=True)
class Death:
    """One child that ended although nobody asked it to."""

    name: str
    pid: int
    exit_code: int


@dataclass
class LocalFleet:
    """N workers and one supervisor on this machine."""

    settings: Settings
    url: str
    workers: int
    extra_environment: dict[str, str] = field(default_factory=dict)
    _children: list[_Child] = field(default_factory=list)

    def start(self) -> None:
        """Start every process; returns at once."""
        root = str(self.settings.root)
        supervise = [sys.executable, "-m", "swarm", "-C", root, "supervisor", "--lifeline"]
        work = [sys.executable, "-m", "workers", "-C", root, "--lifeline"]
        self._children = [_Child("supervisor", supervise)]
        self._children += [_Child(f"worker-{n + 1}", work) for n in range(self.workers)]
        for child in self._children:
            self._spawn(child)

    def check(self) -> list[Death]:
        """Start again what died; returns the deaths since the last check."""
        deaths = []
        for child in self._children:
            if child.process is not None and child.process.poll() is not None:
                deaths.append(Death(child.name, child.process.pid, child.process.returncode))
                self._schedule_restart(child)
            if child.process is None and time.monotonic() >= child.not_before:
                self._spawn(child)
        return deaths

    def drain(self) -> None:
        """Ask every worker to finish its task and claim no other (SIGTERM)."""
        for child in self._children:
            if child.process is not None and child.name != "supervisor":
                child.process.terminate()

    def stop(self, *, timeout_s: float = 15.0) -> None:
        """End every process: close the lifelines, then kill what is left."""
        for child in self._children:
            if child.process is not None and child.process.stdin is not None:
                child.process.stdin.close()
        deadline = time.monotonic() + timeout_s
        for child in self._children:
            if child.process is None:
                continue
            try:
                child.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
        self._children = []

    def workers_have_ended(self) -> bool:
        """Every worker process has ended (after `drain`)."""
        return all(
            child.process is None or child.process.poll() is not None
            for child in self._children
            if child.name != "supervisor"
        )

    def _spawn(self, child: _Child) -> None:
        folder = self.settings.home / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        environment = child_environment(
            {
                **self.settings.flags_as_environment(),
                **self.extra_environment,
                "REDIS_URL": self.url,
                "SWARM_HOME": str(self.settings.home),
                "SWARM_PROJECT": self.settings.project,
            }
        )
        if child.restarts:
            # A crash point is armed for the first life only, or nothing would ever get past it.
            environment.pop("SWARM_CRASH", None)
        with (folder / f"{child.name}.log").open("ab") as log:
            child.process = subprocess.Popen(
                child.argv,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches us, and we decide
            )
        child.started_at = time.monotonic()

    def _schedule_restart(self, child: _Child) -> None:
        lived_s = time.monotonic() - child.started_at
        child.restarts = 1 if lived_s > RUNS_WELL_AFTER_S else child.restarts + 1
        delay_s = min(RESTART_CAP_S, RESTART_BASE_S * 2 ** (child.restarts - 1))
        child.not_before = time.monotonic() + delay_s
        if child.process is not None and child.process.stdin is not None:
            child.process.stdin.close()
        child.process = None
