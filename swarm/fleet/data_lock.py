"""The lock on a server's files, which the server itself holds: nobody starts a second one on them.

The starter locks a file and hands it to the server. What is locked is the open file, which lives for as
long as a process has it: the server, or its child that rewrites the append-only file. So a lock that is
held says that a server lives, whatever became of its starter, and whether or not it answers.
"""

import fcntl
import os
from pathlib import Path

LOCK_FILE = "lock"


def lock_data(folder: Path) -> int | None:
    """Lock the folder's files; the descriptor to hand on, or None where a server holds the lock."""
    descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
