"""How swarm runs git: argument lists, bytes, and an environment that nothing in a repository can bend.

No hook, no fsmonitor, no user or system configuration and no prompt ever takes part. The verbs
themselves live beside what they are for: `hub.py`, `merge.py`, `template.py`, `workspace.py`.
"""

import contextlib
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, ClassVar

from swarm.errors import SwarmError
from swarm.settings import scrubbed_environment

OLDEST_GIT = (2, 39)  # the first with `merge-tree --stdin`

ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "LC_ALL": "C",
}
"""Added to the allow-list of `scrubbed_environment`; no other GIT_* variable reaches git."""

OPTIONS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "protocol.ext.allow=never",
    "submodule.recurse=false",
    "safe.directory=*",  # the supervisor may run as another user than the repository's owner
    "gc.auto=0",
    "maintenance.auto=false",
)
"""Given as `-c` to every git, where no file can override them."""

UPLOAD_PACK = "git -c safe.directory='*' -c uploadpack.allowAnySHA1InWant=true upload-pack"
"""git drops its own `-c` options when it starts the other end of a local fetch: these are repeated there."""

FETCH_ONLY = (
    "fetch",
    "--quiet",
    "--no-tags",
    "--no-prune",
    "--no-write-fetch-head",
    "--no-auto-maintenance",
    "--no-recurse-submodules",
    f"--upload-pack={UPLOAD_PACK}",
)
"""A fetch that brings objects and the named refs, and leaves nothing else behind."""

_STDERR_KEPT = 4096


class GitError(SwarmError):
    """A git command failed; `argv`, `status` (its exit code) and `stderr` say which and how."""

    code: ClassVar[str] = "SW090"
    next_step = "`swarm doctor` checks git and the disk; then `swarm run --resume RUN`."

    def __init__(self, argv: Sequence[str | bytes], status: int, stderr: bytes) -> None:
        self.argv = tuple(os.fsdecode(argument) for argument in argv)
        self.status = status
        self.stderr = stderr[-_STDERR_KEPT:].decode("utf-8", "replace").strip()
        shown = " ".join(self.argv)
        super().__init__(f"{shown!r} failed with exit code {status}: {self.stderr or 'it printed no reason'}")


@dataclass(frozen=True)
class Answer:
    """What a git command left behind, whether or not it succeeded."""

    exit_code: int
    stdout: bytes
    stderr: bytes

    @property
    def succeeded(self) -> bool:
        """The exit code was 0."""
        return self.exit_code == 0


class Git:
    """git, bound to one repository."""

    def __init__(
        self,
        *location: str,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._location = location
        self._env = dict(env or {})
        self._environment = environment
        self._prefix = ("git", *(part for option in OPTIONS for part in ("-c", option)), *location)
        self._cwd = cwd

    @classmethod
    def at(
        cls,
        git_dir: Path,
        *,
        work_tree: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> "Git":
        """Address a repository by its git folder; nothing is discovered."""
        if work_tree is None:
            return cls(f"--git-dir={git_dir}", cwd=git_dir, environment=environment)
        return cls(f"--git-dir={git_dir}", f"--work-tree={work_tree}", cwd=work_tree)

    @classmethod
    def around(cls, folder: Path) -> "Git":
        """Address the repository that `folder` is in, as a person standing there would."""
        return cls("-C", str(folder))

    def with_environment(self, env: Mapping[str, str]) -> "Git":
        """The same, with these variables for whatever is run."""
        more = {**self._env, **env}
        return Git(*self._location, cwd=self._cwd, env=more, environment=self._environment)

    def run(
        self,
        *arguments: str | bytes,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        keep_fds: Sequence[int] = (),
    ) -> bytes:
        """Run a verb and return its stdout.

        Raises:
            GitError: it did not exit with 0, or git is not installed.
        """
        answer = self.ask(*arguments, stdin=stdin, env=env, keep_fds=keep_fds)
        if not answer.succeeded:
            raise GitError(("git", *arguments), answer.exit_code, answer.stderr)
        return answer.stdout

    def ask(
        self,
        *arguments: str | bytes,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        keep_fds: Sequence[int] = (),
    ) -> Answer:
        """Run a verb whose exit code is part of the answer."""
        with self.start(arguments, env=env, keep_fds=keep_fds) as process:
            stdout, stderr = process.communicate(stdin)
        return Answer(process.returncode, stdout, stderr)

    def feed(self, *arguments: str | bytes, stdin: Iterable[bytes], keep_fds: Sequence[int] = ()) -> bytes:
        """Run a verb that reads more than fits in memory and answers briefly; return its stdout.

        Raises:
            GitError: it did not exit with 0. What `stdin` raises comes through, once git has ended.
        """
        with self.start(arguments, keep_fds=keep_fds) as process:
            with contextlib.suppress(BrokenPipeError):  # git's own words, below, say more
                for part in stdin:
                    process.stdin.write(part)  # type: ignore[union-attr]  # all three streams are pipes
            stdout, stderr = process.communicate()
        if process.returncode:
            raise GitError(("git", *arguments), process.returncode, stderr)
        return stdout

    def one_line(self, *arguments: str | bytes) -> str:
        """The single line that a verb prints, such as an object id."""
        return self.run(*arguments).decode("utf-8", "surrogateescape").rstrip("\n")

    def look_up(self, *arguments: str | bytes) -> str | None:
        """The single line that a verb prints, or None where it ends with 1: there is no such thing.

        Raises:
            GitError: it ended in another way, and has said nothing about that.
        """
        answer = self.ask(*arguments)
        if answer.exit_code not in {0, 1}:
            raise GitError(("git", *arguments), answer.exit_code, answer.stderr)
        return answer.stdout.decode("utf-8", "surrogateescape").rstrip("\n") if answer.succeeded else None

    def start(
        self,
        arguments: Sequence[str | bytes],
        *,
        env: Mapping[str, str] | None = None,
        keep_fds: Sequence[int] = (),
        stderr: IO[bytes] | int = subprocess.PIPE,
        wrapper: Sequence[str] = (),
        has_own_session: bool = False,
    ) -> subprocess.Popen[bytes]:
        """Start a verb on pipes; whoever calls sees it end. `wrapper` is a command that execs the rest."""
        argv = (*wrapper, *self._prefix, *arguments)
        environment = self._environment or scrubbed_environment(ENVIRONMENT)
        try:
            return subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                cwd=self._cwd,
                env={**environment, **self._env, **(env or {})},
                pass_fds=tuple(keep_fds),
                start_new_session=has_own_session,
            )
        except FileNotFoundError as error:
            raise GitError(
                ("git", *arguments), 127, os.fsencode(f"{error.filename!r} was not found")
            ) from error


def git_version() -> tuple[int, ...]:
    """The installed git's version, such as (2, 39, 5).

    Raises:
        GitError: git is not installed.
    """
    words = Git().one_line("version").split()
    return tuple(int(part) for part in words[2].split(".") if part.isdigit())
