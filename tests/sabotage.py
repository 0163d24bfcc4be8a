"""Five tasks that do harm, each in another way, and somebody who commits to the branch meanwhile."""

import json
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from merge_board import NOBODY
from real_swarm import Swarm

from swarm.engine.connect import open_store
from swarm.engine.engine import Engine
from swarm.errors import SwarmError
from swarm.fleet.server_file import running_url
from swarm.repo.hub.hub import Hub
from swarm.repo.hub.refs import RefChange, branch_ref
from swarm.states import TaskState

CONTESTED = "sabotage/contested.txt"
KEY = "AKIA" + "Q3EGRZ7N2XWVT5LM"  # in two parts: this file is looked at as well
CULPRITS = {
    "sabotage-test": "gate_failed",
    "sabotage-syntax": "gate_failed",
    "sabotage-scope": "out_of_scope",
    "sabotage-secret": "gate_failed",
    "sabotage-conflict": "conflict",
}
"""Task -> what it fails with."""
WHY = {
    "sabotage-test": "tests: exit code 1",
    "sabotage-syntax": "tests: exit code",
    "sabotage-scope": ".claude/settings.json",
    "sabotage-secret": "security: sabotage/keys.py:1: looks like a secret",
    "sabotage-conflict": f"it conflicts with what landed before it: {CONTESTED}, for the second time",
}
"""Task -> what the report says of it."""
SLOW_S = 3
"""Of the attempt that is interfered with."""


def sabotaged(plan: Path, package: str, target: Path) -> Path:
    """The plan with the five, written to `target`."""
    document = json.loads(plan.read_text(encoding="utf-8"))
    harm = [
        _task("test", "tests/test_sabotage.py", "def test_it():\n    assert not 'sabotage'\n"),
        _task("syntax", f"src/{package}/__init__.py", "def (\n"),
        _task("secret", "sabotage/keys.py", f"KEY = '{KEY}'\n"),
        _task("scope", "sabotage/declared.txt", "declared\n", also=".claude/settings.json"),
        _task("conflict", CONTESTED, "by the task\n", slow=True) | {"max_attempts": 3},
    ]
    # Among the others: in the middle of the plan.
    middle = len(document["tasks"]) // 2
    document["tasks"][middle:middle] = harm
    target.write_text(json.dumps(document), encoding="utf-8")
    return target


def _task(name: str, path: str, content: str, *, also: str = "", slow: bool = False) -> dict[str, object]:
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        f"time.sleep({SLOW_S if slow else 0})\n"
        "for path in filter(None, sys.argv[2:]):\n"
        "    Path(path).parent.mkdir(parents=True, exist_ok=True)\n"
        "    Path(path).write_text(sys.argv[1])\n"
    )
    return {
        "id": f"sabotage-{name}",
        "description": f"Do harm: {name}",
        "files": [path],
        "executor": "command",
        "command": ["python3", "-c", program, content, path, also],
        "max_attempts": 1,
    }


@contextmanager
def meddling(swarm: Swarm) -> Iterator[None]:
    """Meanwhile somebody commits to the branch what each attempt of `sabotage-conflict` writes too."""
    is_over = threading.Event()
    thread = threading.Thread(target=_meddle, args=(swarm, is_over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _meddle(swarm: Swarm, is_over: threading.Event) -> None:
    home, met = swarm.root / ".swarm", 0
    while not is_over.wait(0.1):
        url = running_url(home)
        if url is None:
            continue
        with closing(Engine(open_store(url), swarm.root.name, patience_s=0.1)) as engine:
            try:
                [run] = engine.run_ids()
                record = engine.task(run, "sabotage-conflict")
            except (SwarmError, ValueError):
                continue  # it is not stored yet
            if record.state is TaskState.RUNNING and record.attempt > met:
                met = record.attempt
                _commit(Hub(home / "repo.git"), engine.run(run).branch, f"by somebody, {met}\n")


def _commit(hub: Hub, branch: str, content: str) -> None:
    """A commit of one file, as a person would make it in a clone and push it."""
    git = hub.git
    while True:
        tip = hub.tip(branch)
        assert tip is not None
        blob = git.run("hash-object", "-w", "--stdin", stdin=content.encode()).decode().strip()
        with tempfile.TemporaryDirectory() as folder:
            index = {"GIT_INDEX_FILE": str(Path(folder, "index"))}
            git.run("read-tree", tip, env=index)
            git.run("update-index", "--add", "--cacheinfo", f"100644,{blob},{CONTESTED}", env=index)
            tree = git.run("write-tree", env=index).decode().strip()
        commit = git.run("commit-tree", tree, "-p", tip, "-m", "Meddle", env=NOBODY).decode().strip()
        with hub.writing_refs() as writer:
            if writer.transact([RefChange("update", branch_ref(branch), new=commit, old=tip)]).succeeded:
                return
        time.sleep(0.01)
