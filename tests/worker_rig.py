"""A real repository, hub and queue, and workers on them: in this process, or as processes of their own."""

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import workers
from swarm.engine.claims import WorkerProfile
from swarm.engine.connect import open_store
from swarm.engine.engine import Engine
from swarm.engine.records import TaskRecord
from swarm.errors import SwarmError
from swarm.fleet.process import ProcessLauncher
from swarm.plan.model import Plan, TaskSpec
from swarm.repo.hub.hub import Hub
from swarm.sandbox.protocol import Sandbox
from swarm.settings import Settings, scrubbed_environment
from swarm.testing.repository import UserRepository
from workers.agents import known_agents
from workers.agents.agent import Agent, AgentContext, AgentResult
from workers.worker import Worker

PUT_AWAY_S = 10.0
"""How long a worker may take over removing its workspaces, seconds."""


def sh(task_id: str, script: str, *, files: tuple[str, ...] = (), **rest: object) -> TaskSpec:
    """A command task that runs a shell script."""
    spec = TaskSpec(task_id, task_id, files=files, executor="command", command=("sh", "-c", script))
    return TaskSpec(**{**vars(spec), **rest})


class HandClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic_s(self) -> float:
        """Where the test has moved it."""
        return self.now_s

    def sleep_s(self, seconds: float) -> None:
        """Jump."""
        self.now_s += seconds


@dataclass(frozen=True)
class Doing:
    """An agent that does what a test says."""

    act: Callable[[TaskSpec, Sandbox, AgentContext], AgentResult]

    def run(self, task: TaskSpec, sandbox: Sandbox, context: AgentContext) -> AgentResult:
        """Do it."""
        return self.act(task, sandbox, context)


@dataclass
class Rig:
    """Everything that a worker needs, on one project."""

    user: UserRepository
    url: str
    lease_s: float = 30.0
    drain_s: float = 120.0
    patience_s: float = 2.0
    project: str = "rig"
    scope: str = "widen"
    model_url: str = ""
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    engines: list[Engine] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.home = self.user.path / ".swarm"
        self.shared = self.user.path.parent / "shared"  # where agents may write beside their workspace
        self.shared.mkdir(exist_ok=True)
        self.hub = Hub.open_or_create(self.home / "repo.git")
        self.engine = self.make_engine()
        self.engines.append(self.engine)
        self.base = self.hub.import_base(self.user.path)

    @property
    def settings(self) -> Settings:
        """The settings that a worker in this process gets."""
        return Settings(
            root=self.user.path,
            home=self.home,
            project=self.project,
            redis_url=self.url,
            lease_s=self.lease_s,
            drain_s=self.drain_s,
            scope=self.scope,
            anthropic_api_key="scripted" if self.model_url else "",
            anthropic_base_url=self.model_url,
        )

    def make_engine(self) -> Engine:
        """An engine with a connection of its own."""
        return Engine(
            open_store(self.url),
            self.project,
            lease_ms=int(self.lease_s * 1000),
            patience_s=self.patience_s,
            retry_base_ms=1,
            retry_cap_ms=1,
        )

    def submit(self, *tasks: TaskSpec) -> str:
        """Submit a plan on the repository's first commit; return the run."""
        run = self.engine.submit(Plan(tasks), base=self.base)
        self.hub.start_branch(self.engine.run(run).branch, self.base)
        return run

    def task(self, run: str, task: str) -> TaskRecord:
        """A task as it is now."""
        return self.engine.task(run, task)

    def worker(self, agent: Agent | None = None) -> Worker:
        """A worker in this process; call its `work_once`."""
        engine = self.make_engine()
        self.engines.append(engine)
        return Worker(
            engine=engine,
            hub=self.hub,
            launcher=ProcessLauncher(),
            agents={"command": lambda: agent} if agent else known_agents(self.settings),
            settings=self.settings,
            profile=WorkerProfile("here-1-abcd"),
        )

    def start_worker(self, *options: str, **environ: str) -> "subprocess.Popen[bytes]":
        """A worker process; its stdin is its lifeline if `--lifeline` is given."""
        root = Path(workers.__file__).parents[1]
        with (self.user.path.parent / "worker.log").open("ab") as log:
            process = self._spawn(options, environ, root, log)
        self.processes.append(process)
        return process

    def _spawn(
        self, options: tuple[str, ...], environ: dict[str, str], root: Path, log: IO[bytes]
    ) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-m", "workers", "-C", str(self.user.path), *options],
            env=scrubbed_environment(
                {
                    "REDIS_URL": self.url,
                    "SWARM_PROJECT": self.project,
                    "SWARM_LEASE_S": str(self.lease_s),
                    "SWARM_DRAIN_S": str(self.drain_s),
                    "SWARM_WRITABLE": str(self.shared),
                    "SWARM_RETRY_BASE_S": "0.01",
                    "SWARM_RETRY_CAP_S": "0.01",
                    "PYTHONPATH": str(root),
                    "HOME": str(self.user.path.parent),
                    **environ,
                }
            ),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=log,
            cwd=root,
        )

    def worker_log(self) -> str:
        """What the worker processes wrote to stderr."""
        return (self.user.path.parent / "worker.log").read_text()

    def workspaces(self) -> list[str]:
        """What is left of workspaces."""
        folder = self.home / "workspaces"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    def _is_putting_away(self) -> bool:
        """Whether a worker that lives has workspaces left of runs that have all ended."""
        is_alive = any(process.poll() is None for process in self.processes)
        if not is_alive or not any((self.home / "workspaces").glob("*/*")):
            return False
        try:
            return all(self.engine.run(run).ended_ms for run in self.engine.run_ids())
        except SwarmError:  # the test has ended the server, or emptied it
            return False

    def close(self) -> None:
        """Kill the worker processes that still run, once they have put away what they ended."""
        deadline_s = time.monotonic() + PUT_AWAY_S
        while self._is_putting_away() and time.monotonic() < deadline_s:
            time.sleep(0.05)
        for process in self.processes:
            process.kill()
            process.communicate()
        for engine in self.engines:
            engine.close()
