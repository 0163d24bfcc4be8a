"""A git that speaks to somebody else, for so long: whoever says nothing holds nobody up for ever."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence

from swarm.repo.git.command import Answer, Git

LINGER_S = 1.0
"""What is waited for words of a git that has ended."""
GRACE_S = 5.0
"""What git gets to take its locks away, here and at its other end if that is on this host."""


def ask_within(
    limit_s: float,
    git: Git,
    arguments: Sequence[str],
    *,
    env: Mapping[str, str],
    keep_fds: Sequence[int],
) -> Answer | None:
    """Run a verb; None: it took longer, and it and what it started are ended.

    In a session of its own: nothing of it asks a question at a terminal, where nobody may answer it.
    """
    with git.start(arguments, env=env, keep_fds=keep_fds, has_own_session=True) as process:
        try:
            answer = _hear(process, time.monotonic() + limit_s)
            if answer is None:
                _end_group(process)
        except BaseException:  # it no longer hears a Ctrl-C by itself
            _end_group(process)
            raise
    return answer


def _hear(process: "subprocess.Popen[bytes]", deadline_s: float) -> Answer | None:
    """What it says until it ends; what it has started, such as ssh's master, may keep its pipes open."""
    while (left_s := deadline_s - time.monotonic()) > 0:
        has_ended = process.poll() is not None
        try:
            stdout, stderr = process.communicate(timeout=min(LINGER_S, left_s))
        except subprocess.TimeoutExpired as late:
            if has_ended:
                return Answer(process.returncode, late.stdout or b"", late.stderr or b"")
        else:
            return Answer(process.returncode, stdout, stderr)
    return None


def _end_group(process: "subprocess.Popen[bytes]") -> None:
    """End the leader and all that it started and that stayed in its group, once they have tidied up."""
    with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=GRACE_S)  # not only the leader: the other end holds its stderr
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
