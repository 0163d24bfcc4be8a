"""One process, named so that it can be told from every other, and whether it has ended.

The only place that decides "is this process dead". A number alone does not say: it is used again, and
a container numbers its processes anew. So a name is `<host>-<pid>-<mark>`, the mark being four
hexadecimal digits of the space that the number counts in and four of the moment at which it started.
"""

import os
import socket
import zlib
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_DIGITS = 4
_UNKNOWN = "0" * _DIGITS


class ProcessId(NamedTuple):
    """A process of any host, running or not."""

    host: str
    pid: int
    mark: str

    def __str__(self) -> str:
        return f"{self.host}-{self.pid}-{self.mark}"

    @classmethod
    def mine(cls) -> "ProcessId":
        """This process."""
        return cls(socket.gethostname(), os.getpid(), _space() + (_start_of(os.getpid()) or _UNKNOWN))

    @classmethod
    def running(cls, pid: int) -> "ProcessId | None":
        """The process that has this number here and now; None when none has."""
        start = _start_of(pid)
        return cls(socket.gethostname(), pid, _space() + start) if start else None

    @classmethod
    def parse(cls, text: str) -> "ProcessId | None":
        """Read a name, or None when the text is not one; host names may hold dashes."""
        host, pid, mark = ["", "", *text.rsplit("-", 2)][-3:]
        is_name = bool(host) and pid.isdecimal() and len(mark) == 2 * _DIGITS
        return cls(host, int(pid), mark) if is_name else None

    def is_here(self) -> bool:
        """Its number counts where ours does, so that it can be judged from here."""
        return self.host == socket.gethostname() and self.mark[:_DIGITS] == _space()

    def is_dead(self) -> bool:
        """It ran here and has ended, as a zombie too; False when that cannot be told from here."""
        start = _start_of(self.pid)
        # Where /proc does not show when it started, the number alone has to do.
        is_other = start not in {self.mark[_DIGITS:], _UNKNOWN} and self.mark[_DIGITS:] != _UNKNOWN
        return self.is_here() and (start is None or is_other)

    def is_alive(self) -> bool:
        """It runs here; False when that cannot be told from here."""
        return self.is_here() and not self.is_dead()


def _space() -> str:
    """What numbers of processes count in: on Linux, the process id namespace of this machine."""
    # The first namespace has the same number on every machine, and machines may have one name.
    machine = ""
    with suppress(OSError):
        machine = Path("/etc/machine-id").read_text(encoding="ascii")
    with suppress(OSError):
        return _digest(f"{machine}{Path('/proc/self/ns/pid').readlink()}")
    return _UNKNOWN


def _start_of(pid: int) -> str | None:
    """When the process with this number started, `_UNKNOWN` if hidden; None for none, or only a zombie."""
    with suppress(OSError):
        # The command in brackets may hold anything, brackets too.
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return None if fields[0] in {b"Z", b"X"} else _digest(fields[19].decode("ascii"))
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return _UNKNOWN
    return _UNKNOWN


def _digest(text: str) -> str:
    # A checksum is enough to tell apart what one machine has, and every command comes through here.
    return f"{zlib.crc32(text.encode()):08x}"[:_DIGITS]
