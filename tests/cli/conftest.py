"""A folder, a project on a real server, and the command line run in this process."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from swarm.cli.app import run_cli
from swarm.engine.claims import Claim, WorkerProfile
from swarm.engine.connect import open_store
from swarm.engine.engine import Engine
from swarm.plan.model import Plan, TaskSpec

PROJECT = "shop"
BASE = "b" * 40
FOREIGN = ("REDIS_URL", "SWARM_", "ANTHROPIC_", "NO_COLOR")


@dataclass(frozen=True)
class Ended:
    """How a command line ended."""

    code: int
    out: str
    err: str

    def json(self) -> object:
        """What it printed, which is JSON and nothing else."""
        return json.loads(self.out)


@dataclass
class Workbench:
    """A project with work in it, as one worker sees it."""

    engine: Engine
    worker: WorkerProfile
    claims: int = 0

    def submit(self, *tasks: TaskSpec, key: str = "") -> str:
        """Queue these tasks as a run."""
        return self.engine.submit(Plan(tasks, goal="Open the shop"), base=BASE, key=key)

    def claim(self) -> Claim:
        """Claim and start the best task."""
        self.claims += 1
        claim = self.engine.claim(self.worker, f"claim-{self.claims}")
        assert claim is not None
        self.engine.start(claim)
        return claim

    def land(self, commit: str = "c" * 40) -> str:
        """Claim a task, hand it in and land it; return its id."""
        claim = self.claim()
        self.engine.hand_in(claim, commit="a" * 40)
        [ticket] = self.engine.begin_merge("supervisor-1")
        self.engine.complete(ticket, commit=commit)
        return claim.task.id


def command(
    task_id: str, *after: str, kind: str = "general", files: tuple[str, ...] | None = None
) -> TaskSpec:
    """A `command` task that writes its own file."""
    return TaskSpec(
        id=task_id,
        description=f"Do {task_id}",
        type=kind,
        dependencies=after,
        files=(f"{task_id}.py",) if files is None else files,
        executor="command",
        command=("true",),
    )


@pytest.fixture(autouse=True)
def _own_environment() -> Iterator[None]:
    """What the developer's shell sets decides nothing here."""
    foreign = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(FOREIGN)}
    yield
    os.environ.update(foreign)


@pytest.fixture
def task() -> Callable[..., TaskSpec]:
    """Builds a `command` task that writes its own file."""
    return command


@pytest.fixture
def folder(tmp_path: Path, redis_url: str) -> Path:
    """A folder whose settings name the test's server."""
    (tmp_path / "swarm.toml").write_text(f'redis_url = "{redis_url}"\nproject = "{PROJECT}"\n')
    return tmp_path


@pytest.fixture
def bench(redis_url: str) -> Iterator[Workbench]:
    """The project that `folder` names, and a worker called w-1 that can do everything."""
    engine = Engine(open_store(redis_url), PROJECT)
    yield Workbench(engine, WorkerProfile("w-1", host="box", pid=1))
    engine.close()


@pytest.fixture
def swarm(folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Runs `swarm -C folder …` in this process."""

    def run(*words: str) -> Ended:
        capsys.readouterr()
        code = run_cli(["-C", str(folder), *words])
        printed = capsys.readouterr()
        return Ended(code, printed.out, printed.err)

    return run
