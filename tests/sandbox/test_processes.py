"""Families of processes: nothing of them is left, whoever is killed in the middle."""

import subprocess
import sys

HEAD = """
import os, signal, subprocess, sys, time
from swarm.sandbox import processes
"""


def printed(program: str) -> str:
    """What a program prints that runs in a process of its own."""
    argv = [sys.executable, "-c", HEAD + program]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


def test_a_child_whose_parent_is_gone_does_not_begin() -> None:
    """It asks to die with its parent, which has died before: nobody would ever end it."""
    said = printed("""
reader, writer = os.pipe()
if os.fork() == 0:
    prepare, parent = processes.before_exec({}), os.getpid()
    if os.fork() == 0:
        while os.getppid() == parent:
            time.sleep(0.01)
        prepare()
        os.write(writer, b"begun")
    os._exit(0)
os.close(writer)
os.wait()
print(os.read(reader, 9))
""")

    assert said == "b''"


def test_a_family_is_killed_and_not_stopped_first() -> None:
    """Who is killed between the two would leave what is stopped for ever."""
    said = printed("""
sent, kill = [], os.kill
os.kill = lambda pid, sign: (sent.append(sign), kill(pid, sign))
for _ in range(3):
    subprocess.Popen(["sleep", "60"])
print(processes.end_descendants(), {int(sign) for sign in sent})
""")

    assert said == "True {9}"


def test_a_family_that_runs_away_is_caught() -> None:
    """Each is gone before it is killed, and has left a child: they are stopped, then."""
    said = printed("""
processes.adopt_orphans()
if os.fork() == 0:
    while True:
        if os.fork():
            os._exit(0)
time.sleep(0.2)
print(processes.end_descendants(within_s=30), processes.descendants(os.getpid()))
""")

    assert said == "True []"
