"""How a tool host is started, and what becomes of it when the other side is gone."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from watching import DAEMON, dies_soon, is_alive, wait_for_text

import swarm.sandbox
from swarm.fleet.process import ProcessLauncher

CANARY = "sk-ant-canary-0123456789"

PARENT = """
import sys, pathlib
from swarm.fleet.process import ProcessLauncher
sandbox = ProcessLauncher().open(pathlib.Path(sys.argv[1]), labels={})
print(sandbox.run(["sh", "-c", sys.argv[2]], timeout_s=600).output)
"""
"""A process that opens a sandbox and runs a script in it."""


def start_parent(tree: Path, script: str, **environ: str) -> "subprocess.Popen[str]":
    """The parent process above, with its own environment."""
    root = str(Path(swarm.sandbox.__file__).parents[2])
    return subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tree), script],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": root, **environ},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_no_credential_reaches_the_environment_of_a_command(tree: Path) -> None:
    """An API key and a Redis password in the worker's environment are not in the agent's."""
    parent = start_parent(
        tree,
        "env; cat /proc/$PPID/environ",
        ANTHROPIC_API_KEY=CANARY,
        REDIS_URL=f"redis://:{CANARY}@localhost",
        AWS_SECRET_ACCESS_KEY=CANARY,
        HOME="/home/somebody",
    )

    output, _ = parent.communicate(timeout=30)

    assert "SWARM_ATTEMPT=" in output
    assert CANARY not in output
    assert "/home/somebody" not in output


def test_home_and_tmpdir_are_private_and_removed(tree: Path) -> None:
    """What a command leaves in its HOME or TMPDIR is gone with the sandbox, even without permissions."""
    sandbox = ProcessLauncher().open(tree, labels={})
    script = "mkdir $HOME/d && touch $HOME/d/f $TMPDIR/f && chmod 0 $HOME/d && echo $HOME $TMPDIR"

    finished = sandbox.run(["sh", "-c", script], timeout_s=10)
    sandbox.close()

    assert finished.output.split() == [f"{tree}.home", f"{tree}.tmp"]
    assert sorted(path.name for path in tree.parent.iterdir()) == ["secret.txt", "tree"]


def test_closing_removes_folders_nested_without_end(tree: Path) -> None:
    """A command that nests deeper than the interpreter recurses does not break closing its sandbox."""
    sandbox = ProcessLauncher().open(tree, labels={})
    nest = "import os\nos.chdir(os.environ['TMPDIR'])\nfor _ in range(1500): os.mkdir('d'); os.chdir('d')"

    finished = sandbox.run([sys.executable, "-c", nest], timeout_s=30)
    sandbox.close()

    assert finished.exit_code == 0, finished.output
    assert sorted(path.name for path in tree.parent.iterdir()) == ["secret.txt", "tree"]


def test_a_killed_worker_leaves_no_process_behind(tree: Path) -> None:
    """SIGKILL of the trusted side: the tool host sees its stdin close and ends everything, daemons too."""
    (tree / "daemon.py").write_text(DAEMON)
    parent = start_parent(tree, f"exec {sys.executable} daemon.py 600")
    daemon = int(wait_for_text(tree / "pid"))
    was_alive = is_alive(daemon)

    parent.send_signal(signal.SIGKILL)
    parent.communicate()

    assert was_alive
    assert dies_soon(daemon)


def test_the_folder_works_alone(tree: Path, tmp_path: Path) -> None:
    """Mounted without the rest of swarm, and under -I, it still serves; stray prints stay out of replies."""
    alone = tmp_path / "mounted"
    shutil.copytree(Path(swarm.sandbox.__file__).parent, alone)
    requests = [
        {"id": 1, "tool": "write_file", "arguments": {"path": "f", "content": "x"}},
        {"id": 2, "tool": "run_command", "arguments": {"argv": ["cat", "f"]}},
    ]

    host = subprocess.run(
        [sys.executable, "-I", str(alone / "tool_host.py"), "--tree", str(tree)],
        input="".join(json.dumps(request) + "\n" for request in requests),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )

    replies = [json.loads(line) for line in host.stdout.splitlines()]
    assert replies[0] == {"id": 1, "result": "wrote 1 bytes to f"}
    assert host.stderr == ""


def test_it_starts_as_a_module_too(tree: Path) -> None:
    """`python -m swarm.sandbox.tool_host` is the same program."""
    root = str(Path(swarm.sandbox.__file__).parents[2])

    host = subprocess.run(
        [sys.executable, "-m", "swarm.sandbox.tool_host", "--tree", str(tree)],
        input='{"id": 7, "tool": "list_files"}\n',
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        env={"PYTHONPATH": root},
    )

    assert json.loads(host.stdout) == {"id": 7, "result": "[no files]"}


def test_a_tree_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Exit 2 with the folder."""
    tool_host = Path(swarm.sandbox.__file__).parent / "tool_host.py"

    host = subprocess.run(
        [sys.executable, "-I", str(tool_host), "--tree", str(tmp_path / "nowhere")],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert host.returncode == 2
    assert "nowhere' is not a folder" in host.stderr
