"""A real package, modernised by the checked-in plan of `examples/modernize`."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from real_swarm import Swarm

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "modernize"
PLAN = EXAMPLE / "plan.json"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@dataclass(frozen=True)
class ByHand:
    """What the plan's commands make of a plain checkout, one after another, without swarm."""

    checkout: Path
    tree: str
    changed: list[str]  # ids of the tasks that changed something


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Finds this interpreter's `python3` and `ruff` first, and holds nothing of the person's."""
    # Nobody traces it: what its processes do is counted elsewhere, and takes half as long again so.
    keep = {name: os.environ[name] for name in ("LANG",) if name in os.environ}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**keep, "PATH": path, "HOME": str(tmp_path_factory.mktemp("home")), "NO_COLOR": "1"}


@pytest.fixture(scope="module")
def click_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source of click 8.1.8 as `prepare.py` makes it; copied, never changed."""
    target = tmp_path_factory.mktemp("prepared") / "click"
    subprocess.run([sys.executable, str(EXAMPLE / "prepare.py"), str(target)], check=True)
    return target


@pytest.fixture(scope="module")
def by_hand(
    click_repository: Path, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> ByHand:
    """The tasks in the order of the file, which is topological."""
    checkout = tmp_path_factory.mktemp("by-hand") / "click"
    shutil.copytree(click_repository, checkout)
    changed = []
    for task in json.loads(PLAN.read_text(encoding="utf-8"))["tasks"]:
        run_in(checkout, task["command"], environment)
        if run_in(checkout, ["git", "status", "--porcelain"], environment):
            changed.append(task["id"])
            commit_all(checkout, environment)
    return ByHand(checkout, run_in(checkout, ["git", "rev-parse", "HEAD^{tree}"], environment), changed)


@contextmanager
def click_with_swarm(click_repository: Path, environment: dict[str, str], folder: Path) -> Iterator[Swarm]:
    """The `swarm` command on a repository of its own."""
    root = folder / "click"
    shutil.copytree(click_repository, root)
    one = Swarm(root, environment)
    try:
        yield one
    finally:
        one.call("down")


def test_the_plan_lands_once_and_alike_whatever_the_number_of_workers(
    click_repository: Path, environment: dict[str, str], by_hand: ByHand, tmp_path: Path
) -> None:
    """One commit per task that changed something, and the tree that the commands make by hand.

    One test for one worker and four: both are compared with what is made by hand once, and the tests of click
    pass on the tree that all of them end in.
    """
    for workers in (1, 4):
        with click_with_swarm(click_repository, environment, tmp_path / str(workers)) as swarm:
            before = snapshot(swarm)

            report = run_plan(swarm, workers)

            assert_landed_once(swarm, report, by_hand)
            assert snapshot(swarm, without=str(report["branch"])) == before
    assert_tests_pass(by_hand.checkout, environment, tmp_path / "result")


def assert_landed_once(swarm: Swarm, report: dict[str, object], by_hand: ByHand) -> None:
    """A clean run: a commit for each task that changed something, and the tree that is made by hand."""
    branch = str(report["branch"])
    tasks = [value.split("/")[1] for value in swarm.trailers(branch)]
    assert (report["state"], report["conflicts"], report["gate_failures"], report["clean"]) == (
        "done",
        0,
        0,
        True,
    )
    assert len(by_hand.changed) >= 20
    assert sorted(tasks) == sorted(by_hand.changed)
    assert int(swarm.git("rev-list", "--count", f"HEAD..{branch}")) == len(by_hand.changed)
    assert swarm.git("rev-parse", f"{branch}^{{tree}}") == by_hand.tree


def run_plan(swarm: Swarm, workers: int) -> dict[str, object]:
    """`swarm run` to its end; the JSON report."""
    done = swarm.call("run", str(PLAN), "-y", "--workers", str(workers), "--json", timeout_s=800)
    assert done.returncode == 0, done.stderr + done.stdout
    report = json.loads(done.stdout)
    assert isinstance(report, dict)
    return report


def snapshot(swarm: Swarm, *, without: str = "") -> tuple[str, str, str, list[str]]:
    """Everything of the person's that a run must leave alone; `without` is the one branch it may add."""
    refs = swarm.git("for-each-ref", "--format=%(refname:short) %(objectname)").splitlines()
    return (
        swarm.git("symbolic-ref", "HEAD"),
        swarm.git("status", "--porcelain"),
        swarm.git("ls-files", "--stage", "--debug"),  # index entries with the times of their files
        [line for line in refs if line.split()[0] != without],
    )


def assert_tests_pass(repository: Path, environment: dict[str, str], checkout: Path) -> None:
    """The tests of click itself are green in a clean checkout of the commit that the repository is on."""
    gate = tomllib.loads((EXAMPLE / "swarm.toml").read_text(encoding="utf-8"))["gate"]["tests"]
    run_in(repository, ["git", "clone", "--quiet", ".", str(checkout)], environment)

    passed = run_in(checkout, gate["command"], {**environment, **gate["env"]})

    assert "628 passed" in passed


def commit_all(checkout: Path, environment: dict[str, str]) -> None:
    """Commit what the last task changed."""
    run_in(checkout, ["git", "add", "--all"], environment)
    identity = ["-c", "user.name=hand", "-c", "user.email=hand@example.invalid"]
    run_in(checkout, ["git", *identity, "commit", "--quiet", "-m", "One task"], environment)


def run_in(folder: Path, argv: list[str], environment: dict[str, str]) -> str:
    """Run a command without writing bytecode; what it printed."""
    done = subprocess.run(
        argv,
        cwd=folder,
        env={**environment, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{argv}\n{done.stdout}\n{done.stderr}"
    return done.stdout.strip()
