"""A container's attached stream as files: stdin as it is, stdout and stderr taken apart.

The engine sends frames of an 8-byte header (stream, three zeros, length, big-endian) and a payload.
"""

import io
import socket
import struct
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

STDERR = 2
KEPT_STDERR_BYTES = 4096
_HEADER = struct.Struct(">BxxxL")


class StdoutReader(io.RawIOBase):
    """The stdout of a container, read from its attach socket; remembers the end of stderr.

    Its end is the container's end: the engine closes the stream then, or `hang_up` does.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._payload_left = 0
        self._stderr = bytearray()
        self.ended = threading.Event()

    def readable(self) -> bool:
        """It is for reading only."""
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Fill `buffer` with the next bytes of stdout; 0 at the end."""
        view = memoryview(buffer).cast("B")
        while self._payload_left or self._next_frame():
            count = self._receive_into(view[: self._payload_left])
            self._payload_left -= count
            if count == 0:
                self._payload_left = 0
            return count
        return 0

    def hang_up(self) -> None:
        """Make every reader see the end; callable from any thread."""
        self.ended.set()
        try:
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the other side was faster

    def close(self) -> None:
        """Give the socket back."""
        self._connection.close()
        super().close()

    @property
    def last_stderr(self) -> str:
        """The last words on stderr."""
        return self._stderr.decode("utf-8", errors="replace").strip()

    def _next_frame(self) -> bool:
        """Read headers up to the next piece of stdout, keeping stderr on the way; False at the end."""
        while header := self._receive_exactly(_HEADER.size):
            stream, length = _HEADER.unpack(header)
            if stream != STDERR:
                self._payload_left = length
                if length:
                    return True
                continue
            self._stderr += self._receive_exactly(length)
            del self._stderr[:-KEPT_STDERR_BYTES]
        return False

    def _receive_exactly(self, count: int) -> bytes:
        """`count` bytes, or none when the stream ends before them."""
        received = bytearray(count)
        view = memoryview(received)
        while view:
            size = self._receive_into(view)
            if size == 0:
                return b""
            view = view[size:]
        return bytes(received)

    def _receive_into(self, view: memoryview) -> int:
        try:
            count = self._connection.recv_into(view)
        except OSError:
            count = 0
        if count == 0:
            self.ended.set()
        return count


class StdinWriter(io.RawIOBase):
    """The stdin of a container, written to its attach socket."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def writable(self) -> bool:
        """It is for writing only."""
        return True

    def write(self, data: "ReadableBuffer", /) -> int:
        """Send all of `data`."""
        view = memoryview(data).cast("B")
        self._connection.sendall(view)
        return len(view)
