"""Confining what a command may read and change with Landlock, which needs no privilege (Linux >= 5.19).

Landlock can only allow, and what a rule allows it allows for everything below; nothing can be taken out
again. Tools and interpreters lie anywhere on a machine, so a list of what may be read would break most
users. So the rule is made the other way round: to close a folder, every *neighbour* on the way down to it
is opened instead: to close /srv/shop/.swarm, each entry of / but `srv`, each of /srv but `shop`, each of
/srv/shop but `.swarm`. What appears in one of those three folders afterwards stays closed until the next
tool host starts, and they cannot be listed themselves; names and sizes (`stat`) are not hidden.

Writing is the short list that it should be: the workspace, its private HOME and TMPDIR, and devices.

Landlock does not see `connect` on a unix socket: a closed folder's sockets can still be reached. So the
embedded server asks for a password, which lies in a closed folder.
"""

import contextlib
import ctypes
import os
import stat
import struct
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

OLDEST_ABI = 2
"""The first without which every rename from one folder into another would fail."""

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_VERSION_FLAG = 1
_PATH_BENEATH = 1
_NO_NEW_PRIVS = 38
_CAPBSET_DROP = 24
_LOOKING = (19, 21, 38)
"""CAP_SYS_PTRACE, CAP_SYS_ADMIN, CAP_PERFMON: with one of them root reads the environment of any process, on
newer kernels whatever Landlock says."""

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_CHANGE_FOLDER = sum(1 << bit for bit in range(4, 13))  # remove and make entries of every kind
_REFER, _TRUNCATE = 1 << 13, 1 << 14
_SCOPE_SIGNAL = 1 << 1

_READ = _EXECUTE | _READ_FILE | _READ_DIR
_ON_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE

_TRUNCATE_ABI = 3
_SIGNAL_ABI = 6

SHARED = tuple(
    f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm")
)
"""What every program may expect to be able to write to."""


class Confinement(NamedTuple):
    """What commands may do: change `writable`, read all but `hidden`; `readable` are islands in `hidden`."""

    writable: tuple[str, ...]
    hidden: tuple[str, ...]
    readable: tuple[str, ...] = ()


def landlock_abi() -> int:
    """The version that this kernel offers; 0 where there is none, or a container's filter forbids it."""
    if not sys.platform.startswith("linux"):
        return 0
    return max(0, int(_libc().syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION_FLAG)))


def describe_landlock() -> tuple[bool, str]:
    """Whether commands can be confined here, and in words how far."""
    abi = landlock_abi()
    if abi < OLDEST_ABI:
        why = f"has version {abi} of it" if abi else "offers none"
        return False, f"not confined: Landlock {OLDEST_ABI} is needed (Linux 5.19), and this kernel {why}"
    lacks = [
        what
        for since, what in ((_TRUNCATE_ABI, "truncating files elsewhere"), (_SIGNAL_ABI, "signals to others"))
        if abi < since
    ]
    return True, f"confined by Landlock {abi}" + (
        f", which cannot stop {' and '.join(lacks)}" if lacks else ""
    )


def make_restriction(confinement: Confinement) -> Callable[[], None]:
    """Build the rules now; the result, called between fork and exec, puts the calling process under them.

    Raises:
        OSError: the kernel refuses; nothing may then be run as if it were confined.
    """
    abi = landlock_abi()
    if abi < OLDEST_ABI:
        raise OSError(describe_landlock()[1])
    change = _WRITE_FILE | _CHANGE_FOLDER | _REFER | (_TRUNCATE if abi >= _TRUNCATE_ABI else 0)
    scoped = _SCOPE_SIGNAL if abi >= _SIGNAL_ABI else 0
    attributes = struct.pack("=QQQ", _READ | change, 0, scoped)
    ruleset_fd = _checked(_libc().syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0))
    for path in open_paths(hidden=confinement.hidden, readable=confinement.readable):
        _allow(ruleset_fd, path, _READ)
    for writable in (*confinement.writable, *SHARED):
        _allow(ruleset_fd, Path(writable), _READ | change)
    libc = _libc()

    def restrict() -> None:
        for capability in _LOOKING:  # refused to who is not root, and has none of them
            libc.prctl(_CAPBSET_DROP, capability, 0, 0, 0)
        # Without it a set-user-id program would run under our rules; the kernel insists.
        _checked(libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0))
        _checked(libc.syscall(_RESTRICT_SELF, ruleset_fd, 0))

    return restrict


def open_paths(*, hidden: Iterable[str], readable: Iterable[str] = ()) -> list[Path]:
    """The fewest paths which, each with all below it, make up everything but `hidden`, plus `readable`."""
    closed = [Path(path).resolve() for path in hidden]
    found = _around(Path("/"), closed)
    for path in readable:
        island = Path(path).resolve()
        found += _around(island, [each for each in closed if island in each.parents])
    return found


def _around(top: Path, closed: Sequence[Path]) -> list[Path]:
    if top in closed:
        return []
    if not any(top in each.parents for each in closed):
        return [top]
    found: list[Path] = []
    with contextlib.suppress(OSError), os.scandir(top) as entries:
        for entry in entries:
            # A link is no way in: what it leads to is judged where it lies.
            if not entry.is_symlink():
                found += _around(Path(entry.path), closed)
    return found


def _allow(ruleset_fd: int, path: Path, access: int) -> None:
    """Add a rule; what is not there needs none."""
    try:
        path_fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(path_fd).st_mode):
            access &= _ON_FILES
        rule = struct.pack("=Qi", access, path_fd)
        _checked(_libc().syscall(_ADD_RULE, ruleset_fd, _PATH_BENEATH, rule, 0))
    finally:
        os.close(path_fd)


def _checked(answer: int) -> int:
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"Landlock: {os.strerror(number)}")
    return answer


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
