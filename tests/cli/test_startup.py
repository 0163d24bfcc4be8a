"""What a command imports before it can answer: the part of its start-up that we decide."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from swarm.plan.model import TaskSpec

ROOT = Path(__file__).parents[2]
HEAVY = {
    "anthropic",
    "asyncio",
    "docker",
    "networkx",
    "pathspec",
    "psutil",
    "pydantic",
    "redis",
    "rich",
    "ssl",
}
"""Each takes 20 to 250 ms to import."""

CHANGING = {
    "hashlib",
    "random",
    "swarm.engine.engine",
    "swarm.engine.scripts",
    "swarm.engine.submission",
    "swarm.plan.scope",
    "swarm.sandbox.git_names",
}
"""What only a command that changes something needs."""


def imported_by(*words: str, folder: Path) -> set[str]:
    """The top-level modules that a command line imports in a fresh interpreter."""
    answer = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "swarm", *words],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
        | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    lines = [
        line.rpartition("|")[2].strip()
        for line in answer.stderr.splitlines()
        if line.startswith("import time:")
    ]
    return {line.partition(".")[0] for line in lines} | {line for line in lines if line.startswith("swarm.")}


@pytest.mark.parametrize("words", [["--help"], ["--version"], []])
def test_the_help_imports_no_command_and_nothing_heavy(words: list[str], tmp_path: Path) -> None:
    """`swarm --help` reads one table."""
    imported = imported_by(*words, folder=tmp_path)

    assert imported & HEAVY == set()
    assert {
        name
        for name in imported
        if name.startswith(("swarm.engine", "swarm.fleet", "swarm.plan", "swarm.settings"))
    } == set()


@pytest.mark.parametrize(
    "name", ["status", "runs", "tasks", "agents", "queue", "locks", "why a", "cost", "wait --timeout 9"]
)
def test_looking_imports_nothing_heavy(
    name: str, folder: Path, bench: Any, task: Callable[..., TaskSpec]
) -> None:
    """What a person types all day answers at once."""
    bench.engine.heartbeat(bench.worker, kind="worker", state="busy")
    bench.submit(
        task("a"), *([task("b")] if name == "status" else [])
    )  # which also says how long it will take
    bench.land()

    imported = imported_by(*name.split(), folder=folder)

    assert imported & HEAVY == set()
    assert imported & CHANGING == set()


def test_the_collector_finds_nothing_to_look_through_at_the_end(tmp_path: Path) -> None:
    """It would walk over all that imports made, once more, while somebody waits for the prompt."""
    program = (
        "import atexit, gc, sys\n"
        "from swarm.cli import main\n"
        "atexit.register(lambda: print(len(gc.get_objects()), gc.get_freeze_count()))\n"
        "main()\n"
    )

    answer = subprocess.run(
        [sys.executable, "-c", program, "--version"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )

    looked_through, passed_over = map(int, answer.stdout.splitlines()[-1].split())
    assert looked_through < 100 < passed_over
