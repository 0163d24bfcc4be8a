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


def is_alive(pid: int) -> bool:
    """The process runs; one that has ended and was not waited for does not."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def dies_soon(pid: int) -> bool:
    """Whether a process is gone within five seconds; returns once it is."""
    deadline = time.monotonic() + 5
    while is_alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def wait_for_text(path: Path) -> str:
    """The content of a file as soon as it has any."""
    deadline = time.monotonic() + 10
    while not path.exists() or not path.read_text():
        assert time.monotonic() < deadline, f"{path.name} was not written"
        time.sleep(0.01)
    return path.read_text()
