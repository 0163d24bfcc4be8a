"""A container's stream, taken apart."""

import io
import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from swarm.fleet.frames import KEPT_STDERR_BYTES, StdinWriter, StdoutReader

STDOUT, STDERR = 1, 2


def frame(stream: int, payload: bytes) -> bytes:
    """One frame as the engine sends it."""
    return struct.pack(">BxxxL", stream, len(payload)) + payload


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, StdoutReader]]:
    """The engine's end and the reader on ours."""
    theirs, ours = socket.socketpair()
    reader = StdoutReader(ours)
    yield theirs, reader
    theirs.close()
    reader.close()


def test_lines_come_out_whole_however_they_were_cut(ends: tuple[socket.socket, StdoutReader]) -> None:
    """Frames end anywhere in a line; stderr in between is kept apart."""
    theirs, reader = ends
    theirs.sendall(
        frame(STDOUT, b"fir") + frame(STDERR, b"oops") + frame(STDOUT, b"") + frame(STDOUT, b"st\nse")
    )
    theirs.sendall(frame(STDOUT, b"cond\n"))
    theirs.shutdown(socket.SHUT_WR)

    lines = io.BufferedReader(reader).readlines()

    assert lines == [b"first\n", b"second\n"]
    assert reader.last_stderr == "oops"
    assert reader.ended.is_set()


def test_a_stream_cut_in_a_header_or_a_payload_ends(ends: tuple[socket.socket, StdoutReader]) -> None:
    """An engine that dies looks like a container that ended."""
    theirs, reader = ends
    theirs.sendall(frame(STDOUT, b"whole") + frame(STDOUT, b"cut off")[:-3])
    theirs.shutdown(socket.SHUT_WR)

    assert io.BufferedReader(reader).read() == b"wholecut "


def test_only_the_end_of_stderr_is_kept(ends: tuple[socket.socket, StdoutReader]) -> None:
    """A container that talks for hours costs nothing."""
    theirs, reader = ends
    flood = [frame(STDERR, b"x" * 10_000) for _ in range(20)]

    def send() -> None:
        theirs.sendall(b"".join(flood) + frame(STDERR, b"last words"))
        theirs.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    rest = reader.read()
    sender.join()

    assert rest == b""
    assert len(reader.last_stderr) == KEPT_STDERR_BYTES
    assert reader.last_stderr.endswith("last words")


def test_hanging_up_ends_a_read_in_another_thread(ends: tuple[socket.socket, StdoutReader]) -> None:
    """Whoever waits for a reply of a container that was ended is let go."""
    _, reader = ends
    got: list[bytes] = []
    waiting = threading.Thread(target=lambda: got.append(io.BufferedReader(reader).readline()))
    waiting.start()

    reader.hang_up()
    waiting.join(timeout=10)

    assert got == [b""]


def test_what_is_written_arrives(ends: tuple[socket.socket, StdoutReader]) -> None:
    """The way in has no frames."""
    theirs, _ = ends
    ours, far = socket.socketpair()
    theirs.close()

    with ours, far, io.BufferedWriter(StdinWriter(ours)) as writer:
        writer.write(b'{"id": 1}\n')
        writer.flush()
        received = far.recv(100)

    assert received == b'{"id": 1}\n'
