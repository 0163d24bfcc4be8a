"""Real packages, modernised by the checked-in plans of `examples/modernize`; some of it sabotaged."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from real_swarm import Swarm
from sabotage import CONTESTED, CULPRITS, WHY, meddling, sabotaged

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "modernize"
TESTS = {"click": 628, "mistune": 948}
Packages = Callable[[str], Path]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@dataclass(frozen=True)
class ByHand:
    """What the plan's commands make of a plain checkout, one after another, without swarm."""

    checkout: Path
    tree: str
    changed: list[str]  # ids of the tasks that changed something


Hands = Callable[[str], ByHand]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Finds this interpreter's `python3` and `ruff` first, and holds nothing of the person's."""
    # Nobody traces it: what its processes do is counted elsewhere, and takes half as long again so.
    keep = {name: os.environ[name] for name in ("LANG",) if name in os.environ}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**keep, "PATH": path, "HOME": str(tmp_path_factory.mktemp("home")), "NO_COLOR": "1"}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """Prepares the source of a package, once; it is copied, never changed."""

    @cache
    def prepare(package: str) -> Path:
        target = tmp_path_factory.mktemp("prepared") / package
        subprocess.run([sys.executable, str(EXAMPLE / "prepare.py"), str(target), package], check=True)
        return target

    return prepare


@pytest.fixture(scope="module")
def by_hand(
    packages: Packages, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Hands:
    """Does a package's tasks in the order of the file, which is topological; once."""

    @cache
    def do(package: str) -> ByHand:
        checkout = tmp_path_factory.mktemp("by-hand") / package
        shutil.copytree(packages(package), checkout)
        changed = []
        for task in json.loads(plan_of(package).read_text(encoding="utf-8"))["tasks"]:
            run_in(checkout, task["command"], environment)
            if run_in(checkout, ["git", "status", "--porcelain"], environment):
                changed.append(task["id"])
                commit_all(checkout, environment)
        tree = run_in(checkout, ["git", "rev-parse", "HEAD^{tree}"], environment)
        return ByHand(checkout, tree, changed)

    return do


def plan_of(package: str) -> Path:
    """The checked-in plan."""
    return EXAMPLE / f"plan-{package}.json"


@contextmanager
def swarm_on(repository: Path, environment: dict[str, str], folder: Path) -> Iterator[Swarm]:
    """The `swarm` command on a copy of a repository."""
    root = folder / repository.name
    shutil.copytree(repository, root)
    one = Swarm(root, environment)
    try:
        yield one
    finally:
        one.call("down")


def test_the_plan_lands_once_and_alike(
    packages: Packages, environment: dict[str, str], by_hand: Hands, tmp_path: Path
) -> None:
    """One commit per task that changed something, and the tree that the commands make by hand."""
    hand = by_hand("click")
    with swarm_on(packages("click"), environment, tmp_path) as swarm:
        before = snapshot(swarm)

        report = run_plan(swarm, plan_of("click"), workers=1)

        assert_landed_once(swarm, report, hand)
        assert snapshot(swarm, without=str(report["branch"])) == before


@pytest.mark.parametrize("package", ["click", "mistune"])
def test_sabotage_is_found_out_and_keeps_nobody_else_from_landing(
    packages: Packages,
    environment: dict[str, str],
    by_hand: Hands,
    tmp_path: Path,
    package: str,
) -> None:
    """Five tasks do harm among those of the plan; the branch holds what the good ones make by hand.

    What one of the five conflicts with is committed to the branch by somebody else, each time it is tried.
    """
    hand = by_hand(package)
    with swarm_on(packages(package), environment, tmp_path) as swarm:
        before = snapshot(swarm)
        plan = sabotaged(plan_of(package), package, tmp_path / "plan.json")

        with meddling(swarm):
            report = run_plan(swarm, plan, workers=4, expect=1)

        branch = str(report["branch"])
        rows = {row["id"]: row for row in rows_of(report)}
        failed = {name: row["failure_kind"] for name, row in rows.items() if row["state"] != "done"}
        assert failed == CULPRITS
        assert sorted(value.split("/")[1] for value in swarm.trailers(branch)) == sorted(hand.changed)
        swarm.git("fetch", "--quiet", str(hand.checkout))
        differing = swarm.git("diff", "--name-only", "FETCH_HEAD", branch).splitlines()
        assert differing == [CONTESTED]
        assert snapshot(swarm, without=branch) == before
        said = swarm.call("report", "--format", "md").stdout
        for name, why in WHY.items():
            [line] = [
                line for line in said.splitlines() if line.startswith(f"- `{name}` ({CULPRITS[name]}): ")
            ]
            assert why in line
        assert_tests_pass(swarm.root, branch, environment, tmp_path / "result")


def rows_of(report: dict[str, object]) -> list[dict[str, object]]:
    """The report's tasks."""
    rows = report["tasks"]
    assert isinstance(rows, list)
    return rows


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


def run_plan(swarm: Swarm, plan: Path, *, workers: int, expect: int = 0) -> dict[str, object]:
    """`swarm run` to its end; the JSON report."""
    done = swarm.call("run", str(plan), "-y", "--workers", str(workers), "--json", timeout_s=800)
    assert done.returncode == expect, done.stderr + done.stdout
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


def assert_tests_pass(repository: Path, branch: str, environment: dict[str, str], checkout: Path) -> None:
    """The package's own tests are green in a clean checkout of the branch."""
    definition = (EXAMPLE / f"swarm-{repository.name}.toml").read_text(encoding="utf-8")
    gate = tomllib.loads(definition)["gate"]["tests"]
    clone = ["git", "clone", "--quiet", "--branch", branch, ".", str(checkout)]
    run_in(repository, clone, environment)

    # pytest's own folder is one for all that a user runs at a time, and they clear it up for each other.
    scratch = checkout.parent / f"{checkout.name}.tmp"
    scratch.mkdir()
    passed = run_in(checkout, gate["command"], {**environment, **gate["env"], "TMPDIR": str(scratch)})

    assert f"{TESTS[repository.name]} passed" in passed


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
