"""Where the embedded server's socket lies, and whether who answers there is to be trusted."""

import os
import socket
import stat
import struct
import tempfile
from contextlib import suppress
from pathlib import Path

from swarm.errors import RefusedError
from swarm.fleet.process_id import ProcessId

MAX_PATH = 100  # sockaddr_un holds 108 bytes
_SHORT_PLACE = Path("/tmp")  # noqa: S108  # only for a folder that none but us can enter
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid


def socket_path(folder: Path, *, temporary: Path | None = None) -> Path:
    """The socket of the server in `folder`: in it, or, where that is too long a path, in a folder of ours.

    Not in XDG_RUNTIME_DIR: that is taken away when the user logs out, and the server goes on.

    Args:
        folder: where the server keeps its data.
        temporary: where everybody may make folders; the system's by default. Where that is too long as well
            (macOS gives everyone a long one, and so do build machines), it is /tmp.

    Raises:
        RefusedError: somebody else could put a socket of theirs there.
    """
    path = folder / "redis.sock"
    if len(os.fsencode(path)) <= MAX_PATH:
        return path
    from hashlib import sha256  # noqa: PLC0415  # few paths are long, and every command comes through here

    name = f"{sha256(os.fsencode(path)).hexdigest()[:16]}.sock"
    place = _folder_in(temporary or Path(tempfile.gettempdir()))
    if len(os.fsencode(place / name)) > MAX_PATH:
        place = _folder_in(_SHORT_PLACE)
    _make_private(place)
    return place / name


def check_peer(path: Path) -> ProcessId | None:
    """Make sure that a process of this user listens on the socket; return it, where the system says which.

    Raises:
        RefusedError: another user's process does.
    """
    wanted = getattr(socket, "SO_PEERCRED", None)
    if wanted is None:
        return None  # not Linux; the folder's mode has to do
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        answer = connection.getsockopt(socket.SOL_SOCKET, wanted, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(answer)
    if uid != os.geteuid():
        raise RefusedError(
            f"{path}: user {uid} listens there, and not you (user {os.geteuid()})",
            hint="find out who; `rm` the socket if you may, or set REDIS_URL",
        )
    return ProcessId.running(pid)


def _folder_in(temporary: Path) -> Path:
    return temporary / f"swarm-{os.geteuid()}"


def _make_private(folder: Path) -> None:
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
    if not is_ours:
        raise RefusedError(
            f"{folder}: must be a folder that only you (user {os.geteuid()}) can enter;"
            f" it is {stat.filemode(found.st_mode)} of user {found.st_uid}",
            hint="remove it if it is yours, or set TMPDIR to a folder of your own",
        )
