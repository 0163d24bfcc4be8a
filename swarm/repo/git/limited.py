"""A git that speaks to somebody else, for so long: whoever says nothing holds nobody up for ever."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence

from swarm.repo.git.command import Answer, Git

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
            stdout, stderr = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            _end_group(process)
            return None
        except BaseException:  # it no longer hears a Ctrl-C by itself
            _end_group(process)
            raise
    return Answer(process.returncode, stdout, stderr)


def _end_group(process: "subprocess.Popen[bytes]") -> None:
    """End the leader and all that it started and that stayed in its group."""
    with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(GRACE_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
