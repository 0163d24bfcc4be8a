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
        except subprocess.TimeoutExpired as late:
            if process.poll() is not None:  # what it has started, such as ssh's master, keeps its pipes open
                return Answer(process.returncode, late.stdout or b"", late.stderr or b"")
            _end_group(process)
            return None
        except BaseException:  # it no longer hears a Ctrl-C by itself
            _end_group(process)
            raise
    return Answer(process.returncode, stdout, stderr)


def _end_group(process: "subprocess.Popen[bytes]") -> None:
    """End the leader and all that it started and that stayed in its group, once they have tidied up."""
    with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=GRACE_S)  # not only the leader: the other end holds its stderr
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
