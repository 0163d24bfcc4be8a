"""The embedded server: where its socket lies, whom it is taken over from, and that it comes back."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from real_swarm import wait_for

from swarm.engine.connect import open_store
from swarm.errors import RefusedError, StoreUnreachableError
from swarm.fleet.process_id import ProcessId
from swarm.fleet.server import ensure_server, stop_server
from swarm.fleet.server_file import ServerRecord, read_server_file, running_url, write_server_file
from swarm.fleet.socket_place import check_peer, socket_path
from swarm.settings import Settings

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="another user's process needs root to be started")


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    """A repository without a configured Redis."""
    settings = Settings(root=tmp_path, home=tmp_path / ".swarm", project="served")
    yield settings
    stop_server(settings.home)


START = """
import sys, pathlib
from swarm.fleet.server import ensure_server
from swarm.settings import Settings
home = pathlib.Path(sys.argv[1])
ensure_server(Settings(root=home.parent, home=home, project="served"))
"""


def start_server(home: Path) -> ServerRecord:
    """Have a process start the server, and end; returns the note that it left."""
    subprocess.run([sys.executable, "-c", START, str(home)], check=True, timeout=60)
    record = read_server_file(home)
    assert record is not None
    return record


def end(pid: int) -> None:
    """Kill a server, and collect it if it is our child."""
    process = ProcessId.running(pid)
    assert process is not None
    os.kill(pid, signal.SIGKILL)
    wait_for(process.is_dead, "the server's end")


def test_a_server_whose_note_was_lost_is_taken_over(settings: Settings) -> None:
    """Its starter died before it could leave the note; a second server would corrupt the files."""
    started = start_server(settings.home)
    (settings.home / "server" / "server.json").unlink()

    adopted = ensure_server(settings)

    assert (adopted.url, adopted.pid) == (started.url, started.pid)
    record = read_server_file(settings.home)
    assert record is not None
    assert record.is_running()
    assert record.process == started.process


@pytest.mark.parametrize("is_noted", [True, False])
def test_no_second_server_is_started_on_the_files_of_one_that_is_silent(
    settings: Settings, *, is_noted: bool
) -> None:
    """Both would append to the same file. It may be loading, swapped out or stopped, its note lost."""
    started = start_server(settings.home)
    if not is_noted:
        (settings.home / "server" / "server.json").unlink()
    os.kill(started.pid, signal.SIGSTOP)
    try:
        with pytest.raises(StoreUnreachableError, match="does not answer"):
            ensure_server(settings, patience_s=0.0)
    finally:
        os.kill(started.pid, signal.SIGCONT)

    assert ensure_server(settings).pid == started.pid


def test_a_killed_server_is_started_again_with_its_data(settings: Settings) -> None:
    """The append-only file is read; the note names the new process."""
    before = start_server(settings.home)
    store = open_store(before.url)
    store.call("SET", "kept", "yes")
    store.close()
    end(before.pid)

    lost = running_url(settings.home)
    after = start_server(settings.home)

    store = open_store(after.url)
    assert lost is None
    assert after.pid != before.pid
    assert store.call("GET", "kept") == b"yes"
    store.close()


@pytest.mark.parametrize("name", ["q?x", "h#x", "p%41x", "x*?[z", 'it\'s "$HOME" ü', "a@b:c"])
def test_a_server_in_a_folder_of_any_name_answers(short_folder: Path, name: str) -> None:
    """Its socket's path goes into a URL, and comes out of it as it was."""
    home = short_folder / name / ".swarm"
    record = start_server(home)

    store = open_store(record.url)
    answer = store.call("PING")
    server = ensure_server(Settings(root=home.parent, home=home, project="served"))

    store.close()
    assert answer == b"PONG"
    assert (server.pid, server.socket) == (record.pid, str(home / "server" / "redis.sock"))
    assert stop_server(home)


DEAF = """#!/bin/sh
exec {server} "$@" --unixsocket {socket} --pidfile {pidfile}
"""
"""A real server that comes up, but not where whoever started it waits for it."""

ENDABLE = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
"""
"""As from a terminal: a shell's background jobs, and what `nohup` starts, inherit that they are ignored."""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_starter_that_is_ended_while_it_waits_leaves_no_server(
    settings: Settings, tmp_path: Path, number: signal.Signals
) -> None:
    """There is no note of it yet, so nobody could ever stop it."""
    pidfile, binary = tmp_path / "pid", tmp_path / "bin" / "redis-server"
    binary.parent.mkdir()
    server = shutil.which("redis-server")
    binary.write_text(DEAF.format(server=server, socket=tmp_path / "s", pidfile=pidfile))
    binary.chmod(0o755)
    starter = subprocess.Popen(
        [sys.executable, "-c", ENDABLE + START, str(settings.home)],
        env={**os.environ, "PATH": f"{binary.parent}:{os.environ['PATH']}"},
        stderr=subprocess.DEVNULL,
    )
    pid = wait_for(lambda: pidfile.exists() and int(pidfile.read_text() or 0), "the server")
    started = ProcessId.running(pid)
    assert started is not None

    starter.send_signal(number)
    try:
        code = starter.wait(10)
        left = not started.is_dead()
    finally:
        starter.kill()
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    assert (code, left) == (-number, False)
    assert read_server_file(settings.home) is None


def test_a_number_that_another_process_has_now_is_not_the_server(settings: Settings) -> None:
    """A note from before a reboot may name a process that is somebody else's."""
    record = start_server(settings.home)
    note = settings.home / "server" / "server.json"
    host, pid, mark = record.process.rsplit("-", 2)
    earlier = "0001" if mark[4:] != "0001" else "0002"

    note.write_text(note.read_text().replace(record.process, f"{host}-{pid}-{mark[:4]}{earlier}"))
    found = running_url(settings.home)
    write_server_file(settings.home, record)

    assert found is None
    assert running_url(settings.home) == record.url


def test_a_short_path_keeps_its_socket_beside_the_data() -> None:
    """Where it is as private as the repository."""
    assert socket_path(Path("/srv/shop/.swarm/server")) == Path("/srv/shop/.swarm/server/redis.sock")


def test_a_long_path_has_its_socket_in_a_folder_of_ours(tmp_path: Path, short_folder: Path) -> None:
    """Nobody else can put a socket there first; one folder gives one name."""
    long = tmp_path / ("deep/" * 30)

    path = socket_path(long, temporary=short_folder)

    assert path == socket_path(long, temporary=short_folder)
    assert path.parent == short_folder / f"swarm-{os.geteuid()}"
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_temporary_folder_with_a_long_name_is_no_place_for_a_socket(tmp_path: Path) -> None:
    """TMPDIR may be as deep as the repository: then it is /tmp, and the path is one that can be bound."""
    long = tmp_path / ("deep/" * 30)

    path = socket_path(long, temporary=long)

    assert path.parent == Path(f"/tmp/swarm-{os.geteuid()}")


def test_a_server_in_a_deep_folder_answers(tmp_path: Path) -> None:
    """The kernel's limit on the length of a socket's path is no limit on that of a repository's."""
    deep = tmp_path / ("deep/" * 30)
    deep.mkdir(parents=True)

    record = start_server(deep / ".swarm")

    assert f"/swarm-{os.geteuid()}/" in record.url
    assert stop_server(deep / ".swarm")


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_a_folder_that_others_can_enter_is_refused(tmp_path: Path, short_folder: Path, mode: int) -> None:
    """Whoever may write there may listen there in our place."""
    folder = short_folder / f"swarm-{os.geteuid()}"
    folder.mkdir()
    folder.chmod(mode)

    with pytest.raises(RefusedError, match="only you"):
        socket_path(tmp_path / ("deep/" * 30), temporary=short_folder)


def test_a_link_or_a_file_in_the_folders_place_is_refused(tmp_path: Path, short_folder: Path) -> None:
    """Somebody was faster, and chose where it leads."""
    folder, long = short_folder / f"swarm-{os.geteuid()}", tmp_path / ("deep/" * 30)
    (tmp_path / "theirs").mkdir(mode=0o700)

    folder.symlink_to(tmp_path / "theirs")
    with pytest.raises(RefusedError):
        socket_path(long, temporary=short_folder)
    folder.unlink()
    folder.touch(mode=0o600)
    with pytest.raises(RefusedError):
        socket_path(long, temporary=short_folder)


@needs_root
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path, short_folder: Path) -> None:
    """Its mode looks right; its owner is not us."""
    folder = short_folder / f"swarm-{os.geteuid()}"
    folder.mkdir(mode=0o700)
    os.chown(folder, 12345, 12345)

    with pytest.raises(RefusedError, match="12345"):
        socket_path(tmp_path / ("deep/" * 30), temporary=short_folder)


def test_our_own_process_on_the_socket_is_known(tmp_path: Path) -> None:
    """The kernel says who listens, not the one who answers."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()

        assert check_peer(tmp_path / "s") == ProcessId.mine()


LISTEN = """
import os, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
os.setuid(12345)
listener.listen()
print("ready", flush=True)
while True:
    connection, _ = listener.accept()
    while connection.recv(4096):
        connection.sendall(b"+PONG\\r\\n")
"""


@needs_root
def test_a_server_of_somebody_else_is_not_taken_over(settings: Settings) -> None:
    """It answers as Redis would, where ours would listen; our plans and fences are not for it."""
    folder = settings.home / "server"
    folder.mkdir(parents=True)
    theirs = subprocess.Popen(
        [sys.executable, "-c", LISTEN, str(socket_path(folder))], stdout=subprocess.PIPE, text=True
    )
    try:
        assert theirs.stdout is not None
        assert theirs.stdout.readline() == "ready\n"
        with pytest.raises(RefusedError, match="user 12345"):
            ensure_server(settings)
    finally:
        theirs.kill()
        theirs.communicate()
