"""What Linux offers for keeping a family of processes together; elsewhere these do nothing.

The tool host is a *subreaper*: whatever a command starts, even with setsid and a double fork, stays
its descendant, so one walk of /proc finds everything there is to end.
"""

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36

FERTILE = 5
"""So many times all were killed, and there are more: they fork faster than they die."""

OOM_SCORE = 500
"""Added to a command's own badness, so that the kernel ends it before the tool host or a worker."""


def adopt_orphans() -> None:
    """Become the parent of every orphaned descendant."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with(parent: int) -> None:
    """Be killed when the process `parent`, which has forked this one, has ended; at once where it has."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def leave_pid_1() -> None:
    """When this is a container's first process, go on as its child and leave a reaper behind.

    A reaper from outside (`docker run --init`) would keep the container's environment, credentials
    and all, in a /proc entry that agents of the same user can read; this one hides it.
    """
    if os.getpid() != 1:
        return
    child = os.fork()
    if child == 0:
        return
    hide_from_own_user()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: os.kill(child, number))
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def hide_from_own_user() -> None:
    """Close this process's environment and memory to other processes of the same user, such as agents.

    Root with CAP_SYS_PTRACE or CAP_PERFMON still reads them: agents run without these.
    """
    _prctl(PR_SET_DUMPABLE, 0)


def before_exec(env: Mapping[str, str], restrict: Callable[[], None] | None = None) -> Callable[[], None]:
    """What a new child calls before exec: die with the parent's thread, go first without memory, take `env`.

    `restrict` comes last, because what it forbids we may still need. The library is loaded here, in the
    parent: between fork and exec as little as possible happens.
    """
    prctl = _library_prctl()
    parent = os.getpid()

    def prepare() -> None:
        if prctl is not None:
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)  # it died before it was asked after: no signal will tell us
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE), encoding="ascii")
        for name, value in env.items():
            os.putenv(name, value)
        if restrict is not None:
            restrict()

    return prepare


def descendants(pid: int) -> list[int]:
    """Every process below `pid` in the tree, zombies included; empty where /proc is not Linux's."""
    below: dict[int, list[int]] = {}
    for child, parent in _parents():
        below.setdefault(parent, []).append(child)
    found: list[int] = []
    todo = [pid]
    while todo:
        children = below.get(todo.pop(), [])
        found += children
        todo += children
    return found


def end_descendants(*, within_s: float = 5.0) -> bool:
    """Kill and reap every descendant of this process; False when some were left after `within_s`.

    A family that forks faster than it dies is stopped before it is killed. Others are not: who is killed
    in between leaves what it has stopped, and a child that was stopped before it could ask for our death
    would stand there for ever.
    """
    deadline = time.monotonic() + within_s
    rounds = 0
    while True:
        family = descendants(os.getpid())
        if not family:
            reap_orphans(except_pid=0)
            return True
        for sign in (signal.SIGSTOP, signal.SIGKILL) if rounds >= FERTILE else (signal.SIGKILL,):
            for pid in family:
                with contextlib.suppress(OSError):
                    os.kill(pid, sign)
        reap_orphans(except_pid=0)
        if time.monotonic() > deadline:
            return False
        rounds += 1
        time.sleep(0.005)


def reap_orphans(*, except_pid: int) -> None:
    """Collect ended children, but leave `except_pid` to whoever waits for it."""
    with contextlib.suppress(ChildProcessError):
        while True:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None or ended.si_pid == except_pid:
                return
            os.waitpid(ended.si_pid, os.WNOHANG)


def _parents() -> list[tuple[int, int]]:
    """(pid, parent's pid) of every process that can be seen."""
    pairs: list[tuple[int, int]] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            # The second field is the command in brackets; it may hold anything, brackets too.
            after_command = stat.read_bytes().rpartition(b")")[2]
            pairs.append((int(stat.parent.name), int(after_command.split()[1])))
    return pairs


def _library_prctl() -> Callable[..., int] | None:
    if not sys.platform.startswith("linux"):
        return None
    prctl: Callable[..., int] = ctypes.CDLL(None, use_errno=True).prctl
    return prctl


def _prctl(option: int, value: int) -> None:
    prctl = _library_prctl()
    if prctl is not None:
        prctl(option, value, 0, 0, 0)
