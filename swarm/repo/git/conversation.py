"""A git process that is kept and asked many times: starting one costs more than most of what it is asked."""

import contextlib
import os
import select
import subprocess
import tempfile
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from swarm.repo.git.command import Git, GitError

SILENCE_S = 600.0
"""A merge of large trees takes seconds."""
_CHUNK = 65536
_PATIENCE_S = 5.0
"""How long a process may take to end once nothing more is asked."""


class Conversation:
    """One kept process: lines go in, fields come out. Not for several threads.

    Args:
        git: the repository.
        arguments: a verb that reads from stdin and answers each line before it reads the next.
        is_buffered: the verb flushes its answers only when it ends, which `stdbuf` then prevents.
        keep_fds: descriptors that the process is to have as well.
        silence_s: an answer that does not go on for so long is none.
    """

    def __init__(
        self,
        git: Git,
        *arguments: str,
        is_buffered: bool = False,
        keep_fds: Sequence[int] = (),
        silence_s: float = SILENCE_S,
    ) -> None:
        self._arguments = arguments
        self._silence_s = silence_s
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the process
        self._process = git.start(
            arguments,
            keep_fds=keep_fds,
            stderr=self._stderr,
            wrapper=("stdbuf", "-o0") if is_buffered else (),
        )
        self._buffer = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def tell(self, line: bytes) -> None:
        """Ask, with a whole line.

        Raises:
            GitError: the process has ended.
        """
        assert self._process.stdin is not None  # noqa: S101  # all streams are pipes
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._error() from error

    def read_to(self, end: bytes) -> bytes:
        """What the process says next, up to and without this one byte.

        Raises:
            GitError: it ended before it said that.
        """
        start = 0
        while (found := self._buffer.find(end, start)) < 0:
            start = len(self._buffer)
            self._fill()
        said = bytes(self._buffer[:found])
        del self._buffer[: found + 1]
        return said

    def peek(self) -> bytes:
        """The next byte that the process says, which stays to be read."""
        if not self._buffer:
            self._fill()
        return bytes(self._buffer[:1])

    def close(self) -> None:
        """Ask nothing more, and see the process end."""
        try:
            if self._process.stdin is not None:
                with contextlib.suppress(BrokenPipeError):  # it ended before it had read all
                    self._process.stdin.close()
            self._process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        finally:
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._stderr.close()

    def _fill(self) -> None:
        assert self._process.stdout is not None  # noqa: S101  # all streams are pipes
        pipe = self._process.stdout.fileno()
        if not select.select([pipe], [], [], self._silence_s)[0]:
            self._process.kill()
            raise GitError(("git", *self._arguments), -9, b"it said nothing for %g s" % self._silence_s)
        chunk = os.read(pipe, _CHUNK)
        if not chunk:
            raise self._error()
        self._buffer += chunk

    def _error(self) -> GitError:
        status = self._process.wait()
        self._stderr.seek(0)
        return GitError(("git", *self._arguments), status, self._stderr.read())
