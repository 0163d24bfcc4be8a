"""Waiting for processes and files, for tests that start real ones."""

import time
from pathlib import Path

import psutil

DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.environ.clear()
        open("pid", "w").write(str(os.getpid()))
        os.execve(sys.executable, [sys.executable, "-c", "import time; time.sleep(600)"], {})
    os._exit(0)
while not os.path.exists("pid") or not open("pid").read():
    time.sleep(0.01)
time.sleep(float(sys.argv[1]))
"""
"""Starts a process with its own session, no living parent and an empty environment."""


def wait_until_dead(pid: int) -> None:
    """Return once a process is gone; fail after five seconds."""
    deadline = time.monotonic() + 5
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, f"process {pid} still lives"
        time.sleep(0.01)


def wait_for_text(path: Path) -> str:
    """The content of a file as soon as it has any."""
    deadline = time.monotonic() + 10
    while not path.exists() or not path.read_text():
        assert time.monotonic() < deadline, f"{path.name} was not written"
        time.sleep(0.01)
    return path.read_text()
