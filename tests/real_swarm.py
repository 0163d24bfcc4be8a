"""Real repositories, the real command, real processes: what the acceptance tests share."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from swarm.engine.connect import open_store
from swarm.engine.engine import Engine
from swarm.errors import StoreUnreachableError
from swarm.fleet.server_file import running_url
from swarm.testing.checker import check_everything

T = TypeVar("T")

LEASE_S = 4
CANARY = "canary-7f3a9c-never-to-be-seen"
"""A credential in the environment of swarm itself; agents print what they see of theirs."""

GATE = """[gate.compiles]
command = ["python3", "-m", "compileall", "-q", "."]
"""


def write_task(name: str, *dependencies: str, files: tuple[str, ...] = ()) -> dict[str, object]:
    """A `command` task that writes `out/<name>.txt`, naming what it saw of its dependencies."""
    program = (
        "import os, pathlib, sys, time; print(os.environ); time.sleep(0.15);"
        "out = pathlib.Path('out'); out.mkdir(exist_ok=True);"
        "seen = [p for p in sys.argv[2:] if (out / (p + '.txt')).exists()];"
        "(out / (sys.argv[1] + '.txt')).write_text(' '.join([sys.argv[1], *seen]) + chr(10))"
    )
    return {
        "id": name,
        "description": f"write {name}",
        "dependencies": list(dependencies),
        "files": list(files) or [f"out/{name}.txt"],
        "command": ["python3", "-c", program, name, *dependencies],
    }


DIAMOND = [
    write_task("root"),
    write_task("left", "root"),
    write_task("middle", "root"),
    write_task("right", "root"),
    write_task("join", "left", "middle", "right"),
]
"""Five tasks: one fans out to three, which fan in to one."""


@dataclass
class Swarm:
    """The `swarm` command on one repository, with an environment of its own."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    started: list["subprocess.Popen[bytes] | subprocess.Popen[str]"] = field(default_factory=list)
    hubs: tuple[Path, ...] = ()  # where hosts share a hub: that one

    def argv(self, *words: str) -> list[str]:
        """The command line of one call."""
        return [sys.executable, "-m", "swarm", "-C", str(self.root), *words]

    def call(
        self, *words: str, env: dict[str, str] | None = None, timeout_s: float = 90
    ) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        return subprocess.run(
            self.argv(*words),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            env={**self.environment, **(env or {})},
            stdin=subprocess.DEVNULL,
            check=False,
        )

    def json(self, *words: str, env: dict[str, str] | None = None, expect: int = 0) -> dict[str, object]:
        """Run one command with --json and return what it printed."""
        done = self.call(*words, "--json", env=env)
        assert done.returncode == expect, done.stderr + done.stdout
        loaded = json.loads(done.stdout)
        assert isinstance(loaded, dict)
        return loaded

    def start(self, *words: str, env: dict[str, str] | None = None) -> "subprocess.Popen[bytes]":
        """Start a command and leave it running; `told` is what it has said so far."""
        with self._told.open("ab") as told:
            process = subprocess.Popen(
                self.argv(*words),
                env={**self.environment, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=told,
            )
        self.started.append(process)
        return process

    @property
    def _told(self) -> Path:
        return self.root.parent / f"{self.root.name}.told.txt"

    def told(self) -> str:
        """What the commands that were started have written to stderr."""
        return self._told.read_text(encoding="utf-8")

    def stop_started(self) -> None:
        """End what a failed test left running."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.wait()

    def end(self) -> None:
        """The same, and the server."""
        self.stop_started()
        self.call("down")

    def check(self) -> list[str]:
        """Everything that does not hold of the repository's home and its server, while that runs."""
        home = self.root / ".swarm"
        url = running_url(home) or self.environment.get("REDIS_URL")
        if url is None:
            return []
        store = open_store(url)
        project = self.environment.get("SWARM_PROJECT", self.root.name)
        try:
            engine = Engine(store, project, patience_s=0)  # a server that the test has ended stays away
            return check_everything(engine, store, home=home, hubs=self.hubs, canary=CANARY, within_s=10)
        except StoreUnreachableError:  # the test has ended it
            return []
        finally:
            store.close()

    def git(self, *words: str) -> str:
        """Ask the user's repository."""
        return subprocess.run(
            ["git", "--no-optional-locks", "-C", str(self.root), *words],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    def plan(self, tasks: list[dict[str, object]], name: str = "plan.json") -> str:
        """Write a plan beside (not in) the repository; return its path."""
        path = self.root.parent / name
        path.write_text(json.dumps(tasks), encoding="utf-8")
        return str(path)

    def trailers(self, branch: str) -> list[str]:
        """The `Swarm-Task` values on a branch, newest first."""
        text = self.git("log", "--first-parent", "--format=%(trailers:key=Swarm-Task,valueonly)", branch)
        return [line for line in text.splitlines() if line]


def wait_for(condition: Callable[[], T], what: str, timeout_s: float = 60) -> T:
    """Poll until it holds; what it then was.

    Raises:
        AssertionError: it did not, in time.
    """
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {timeout_s} s for {what}"
        time.sleep(0.05)
    return found
