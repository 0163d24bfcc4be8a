"""`swarm demo`: the first thing a stranger runs."""

import subprocess
import sys
from pathlib import Path

from real_swarm import Swarm


def test_the_demo_ends_with_a_branch_whose_tests_pass(tmp_path: Path, swarm: Swarm) -> None:
    """No key, no Docker, no Redis of one's own: thirteen tasks, one lock to wait for, a green branch."""
    folder = tmp_path / "demo"

    report = swarm.json("demo", "--into", str(folder))

    branch = str(report["branch"])
    assert report["state"] == "done"
    assert report["clean"] is True
    assert report["merges"] == 13
    assert isinstance(report["lock_wait_s"], float)
    assert report["lock_wait_s"] > 0
    checkout = tmp_path / "branch"
    subprocess.run(["git", "clone", "-q", "-b", branch, str(folder), str(checkout)], check=True)
    tests = subprocess.run([sys.executable, "-m", "unittest", "-q"], cwd=checkout, check=False)
    assert tests.returncode == 0
    before = subprocess.run(["git", "-C", str(checkout), "checkout", "-q", str(report["base"])], check=True)
    assert before.returncode == 0
    tests = subprocess.run(
        [sys.executable, "-m", "unittest", "-q"], cwd=checkout, check=False, capture_output=True
    )
    assert tests.returncode != 0


def test_the_demo_leaves_no_process_behind(tmp_path: Path, swarm: Swarm) -> None:
    """Its server and its workers end with it, and a later command finds the run again."""
    folder = tmp_path / "demo"
    report = swarm.json("demo", "--into", str(folder))
    record = (folder / ".swarm" / "server" / "server.json").read_text(encoding="utf-8")

    there = Swarm(folder, swarm.environment)
    status = there.json("status")
    there.call("down")

    assert status["run"]["run"] == report["run"]  # type: ignore[index]
    assert record != (folder / ".swarm" / "server" / "server.json").read_text(encoding="utf-8")
