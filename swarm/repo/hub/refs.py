"""The hub's refs: what each is called, and the one way they are written.

::

    refs/heads/<branch>                       integration branch; the trailers on it are the truth
    refs/swarm/base/<commit>                  keeps an imported commit
    refs/swarm/attempt/<run>/<task>/<n>       a durable attempt that waits for its merge
    refs/swarm/rejected/<run>/<task>/<n>      an attempt that was sent back
    refs/swarm/candidate/<run>/<task>/<n>.<k> made by the k-th agent of attempt n, and not yet judged
    refs/swarm/passed/<run>/<task>/<n>.<k>    the same when it has passed; none was chosen yet
    refs/swarm/approved/<run>/<task>          tag of the attempt that a person approved: who, when and why
    refs/swarm/fence/<branch>                 blob: the highest merge token that has begun
    refs/swarm/done/<run>/<task>              the landed commit; guards against a second landing
    refs/swarm/unchanged/<run>/<task>         the tip that already held what the attempt wanted

`<task>` is a hash: task ids never become file names. Every writer holds one flock and passes it to
the git child, so that a git that outlives its killed starter still excludes the next writer; whoever
holds it knows that any `.lock` file it meets is stale.
"""

import contextlib
import fcntl
import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from swarm.errors import UnreachableError
from swarm.repo.git.command import Answer, Git

LOCK_NAME = "swarm.lock"
PATIENCE_S = 30.0
"""How long to wait for the lock: a transaction takes milliseconds, a fetch of a large history seconds."""
POLL_S = 0.01


class RefsBusyError(UnreachableError):
    """Somebody else, stopped perhaps, holds the right to write refs; trying again later is safe."""


def branch_ref(branch: str) -> str:
    """The full name of an integration branch."""
    return f"refs/heads/{branch}"


def base_ref(commit: str) -> str:
    """The ref that keeps an imported commit."""
    return f"refs/swarm/base/{commit}"


def fence_ref(branch: str) -> str:
    """The ref that holds a branch's highest merge token."""
    return f"refs/swarm/fence/{branch}"


def task_ref(kind: str, run: str, task: str) -> str:
    """A task's ref of one kind: `approved`, `done` or `unchanged`; the others are folders."""
    return f"refs/swarm/{kind}/{run}/{hash_task(task)}"


def attempt_ref(run: str, task: str, attempt: int) -> str:
    """The ref of one attempt."""
    return f"{task_ref('attempt', run, task)}/{attempt}"


def hash_task(task: str) -> str:
    """A task id as a name that is safe in any ref."""
    return hashlib.sha256(task.encode()).hexdigest()[:24]


@dataclass(frozen=True)
class RefChange:
    """One line of a transaction. `old` None: any; "" in `create`: must not exist."""

    verb: str  # update, create, delete or verify
    ref: str
    new: str = ""
    old: str = ""

    def encoded(self) -> bytes:
        """The line, as `git update-ref --stdin -z` reads it."""
        parts = {
            "update": [self.new, self.old],
            "create": [self.new],
            "delete": [self.old],
            "verify": [self.old],
        }[self.verb]
        return "\0".join([f"{self.verb} {self.ref}", *parts, ""]).encode()


class RefWriter:
    """The exclusive right to write refs; valid inside `writing_refs`."""

    def __init__(self, git: Git, git_dir: Path, lock_fd: int) -> None:
        self.git = git
        self.lock_fd = lock_fd
        self._git_dir = git_dir

    def transact(self, changes: Sequence[RefChange]) -> Answer:
        """Apply all changes or none. git renames in input order: put the one that is the truth first."""
        self.clear_stale_locks(change.ref for change in changes)
        stdin = b"".join(change.encoded() for change in changes)
        return self.git.ask("update-ref", "-z", "--stdin", stdin=stdin, keep_fds=[self.lock_fd])

    def clear_stale_locks(self, refs: Iterable[str]) -> None:
        """Unlink what a killed git left beside these refs; we hold the flock, so nobody else is writing."""
        for name in (*refs, "packed-refs", "shallow"):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                (self._git_dir / f"{name}.lock").unlink()


@contextlib.contextmanager
def writing_refs(git: Git, git_dir: Path, *, patience_s: float = PATIENCE_S) -> Iterator[RefWriter]:
    """Hold the flock of all ref writers.

    Raises:
        RefsBusyError: somebody else held it for all of `patience_s`.
    """
    path = git_dir / LOCK_NAME
    lock_fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _lock(lock_fd, path, patience_s=patience_s)
        os.pwrite(lock_fd, f"{os.getpid():<10}\n".encode(), 0)  # for people, and for the error below
        yield RefWriter(git, git_dir, lock_fd)
    finally:
        os.close(lock_fd)


def _lock(lock_fd: int, path: Path, *, patience_s: float) -> None:
    deadline_s = time.monotonic() + patience_s
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        if time.monotonic() > deadline_s:
            holder = os.pread(lock_fd, 10, 0).decode("ascii", "replace").strip()
            raise RefsBusyError(
                f"{path}: process {holder or 'unknown'} has held the lock of all ref writers"
                f" for {patience_s:g} s",
                hint=f"if it is stopped, `kill -CONT {holder}` lets it go on; work goes on by itself then",
            )
        time.sleep(POLL_S)
