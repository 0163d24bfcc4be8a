"""The one way the hub's refs are written.

Every writer holds one flock and passes it to the git child, so that a git that outlives its killed starter
still excludes the next writer; whoever holds it knows that any `.lock` file it meets is stale. Where hosts
share a git server, its refs are moved first, and this host's follow.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import structlog

from swarm.errors import HubUnreachableError
from swarm.repo.git.command import Answer, Git, GitError
from swarm.repo.hub.refs import RefChange
from swarm.repo.hub.remote import Remote

LOCK_NAME = "swarm.lock"
PATIENCE_S = 30.0
"""How long to wait for the lock: a transaction takes milliseconds, a fetch of a large history seconds."""
POLL_S = 0.01


class RefsBusyError(HubUnreachableError):
    """Somebody else, stopped perhaps, holds the right to write refs; trying again later is safe."""


class RefWriter:
    """The right to write refs; see `writing_refs`."""

    def __init__(self, git: Git, git_dir: Path, lock_fd: int, remote: Remote | None = None) -> None:
        self.git = git
        self.lock_fd = lock_fd
        self._git_dir = git_dir
        self._remote = remote

    def transact(self, changes: Sequence[RefChange]) -> Answer:
        """Apply all changes or none. git renames in input order: put the one that is the truth first.

        Raises:
            HubDeclinedError: the git server does not want them; none was applied.
            HubUnreachableError: it broke off; all of them, or none, may have been applied there.
        """
        if self._remote is None:
            return self._transact_here(changes)
        answer = self._remote.push(changes)
        if not answer.succeeded:
            self.mirror(f"{change.ref}*" for change in changes)  # what is there instead
            return answer
        here = self._transact_here([moved for change in changes if (moved := change.mirrored())])
        if not here.succeeded:
            # It has happened all the same: whoever mirrors next sees it.
            structlog.get_logger().warning("refs not mirrored", error=here.stderr.decode("utf-8", "replace"))
        return answer

    def share(self, ref: str) -> None:
        """Bring to the git server what was written to a ref here, if there is a server.

        Raises:
            GitError: the server did not take it.
            HubUnreachableError: it could not be asked.
        """
        if self._remote is not None:
            answer = self.transact(
                [RefChange("update", ref, new=self.git.one_line("rev-parse", "--verify", ref))]
            )
            if not answer.succeeded:
                raise self.refusal(answer)

    def refusal(self, answer: Answer) -> GitError:
        """The error for a transaction that nobody expected to be refused."""
        words = ("update-ref", "--stdin") if self._remote is None else ("push", str(self._remote))
        return GitError(("git", *words), answer.exit_code, answer.stderr)

    def mirror(self, patterns: Iterable[str]) -> None:
        """Make the refs that match what the git server has, if there is one; see `Remote.fetch`."""
        if self._remote is None:
            return
        chosen = list(patterns)
        try:
            self._remote.fetch(chosen)
        except HubUnreachableError:
            # One that was killed leaves locks beside refs whose names only the server knows.
            if not (locks := list(self._git_dir.glob("refs/**/*.lock"))):
                raise
            for lock in locks:
                lock.unlink(missing_ok=True)
            self._remote.fetch(chosen)

    def clear_stale_locks(self, refs: Iterable[str]) -> None:
        """Unlink what a killed git left beside these refs; we hold the flock, so nobody else is writing."""
        for name in (*refs, "packed-refs", "shallow"):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                (self._git_dir / f"{name}.lock").unlink()

    def _transact_here(self, changes: Sequence[RefChange]) -> Answer:
        self.clear_stale_locks(change.ref for change in changes)
        stdin = b"".join(change.encoded() for change in changes)
        return self.git.ask("update-ref", "-z", "--stdin", stdin=stdin, keep_fds=[self.lock_fd])


def apply_all(writer: RefWriter, changes: Sequence[RefChange]) -> None:
    """Make all of these changes, or none.

    Raises:
        GitError: git refused them.
        HubUnreachableError: see `RefWriter.transact`.
    """
    if not changes:
        return
    answer = writer.transact(changes)
    if not answer.succeeded:
        raise writer.refusal(answer)


@contextlib.contextmanager
def writing_refs(
    git: Git, git_dir: Path, *, remote: Remote | None = None, patience_s: float = PATIENCE_S
) -> Iterator[RefWriter]:
    """Hold the flock of all ref writers; with a `remote`, what is written moves there first.

    Raises:
        RefsBusyError: somebody else held it for all of `patience_s`.
    """
    path = git_dir / LOCK_NAME
    lock_fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _lock(lock_fd, path, patience_s=patience_s)
        os.pwrite(lock_fd, f"{os.getpid():<10}\n".encode(), 0)  # for people, and for the error below
        yield RefWriter(git, git_dir, lock_fd, remote)
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
