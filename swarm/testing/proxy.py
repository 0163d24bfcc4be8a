"""A proxy before a Redis server that loses, repeats, delays, cuts or swallows what passes through it.

It speaks no more of the protocol than where a command or a reply ends, and passes one at a time. It listens
on a unix socket or on a TCP port of its own, in a thread of its own.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import hiredis

from swarm.engine.addresses import socket_of, unix_url

Mode = Literal["drop-request", "drop-reply", "duplicate", "delay", "cut-request", "cut-reply", "blackhole"]
MODES: tuple[Mode, ...] = (
    "drop-request",  # it never arrives, and nobody says so
    "drop-reply",  # it takes effect, and nobody says so
    "duplicate",  # it arrives twice; the second reply is passed on
    "delay",  # it arrives when its caller has long asked again
    "cut-request",  # the connection ends within the request
    "cut-reply",  # the connection ends within the reply
    "blackhole",  # for a while nothing passes on any connection, old or new, in either direction
)
_QUIET_TURNS = 3
_CHUNK = 65_536


@dataclass
class _Armed:
    mode: Mode
    at: float  # where to cut: 0 before the first byte, 1 before the last
    seconds: float  # of a delay or a black hole
    skipped: int  # script calls that pass unharmed first


class Proxy:
    """Passes everything on, but for the script call that a fault is armed for.

    Args:
        server_url: `unix://` or `redis://`, without a path for the database.
        folder: where the proxy's own socket is to be; None for a TCP port of 127.0.0.1.
    """

    def __init__(self, server_url: str, folder: Path | None = None) -> None:
        parts = urlsplit(server_url)
        self._upstream = socket_of(server_url) or (parts.hostname or "127.0.0.1", parts.port or 6379)
        self._socket = folder / "proxy.sock" if folder else None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._armed: _Armed | None = None
        self._hole_until = 0.0
        self._late: set[asyncio.Task[None]] = set()
        self.url = ""
        self.harm: Counter[str] = Counter()
        """How often each fault was done."""

    def start(self) -> None:
        """Listen."""
        self._thread.start()
        self._server = self._run(self._listen())

    def stop(self) -> None:
        """End every connection and the thread."""
        self._run(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def arm(self, mode: Mode, *, at: float = 0.5, seconds: float = 0.1, skipped: int = 0) -> None:
        """Harm the next script call, or the one after so many others."""
        self._armed = _Armed(mode, at, seconds, skipped)

    def settle(self) -> None:
        """Wait for what was delayed to have arrived."""
        self._run(self._settle())

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _listen(self) -> asyncio.Server:
        if self._socket:
            server = await asyncio.start_unix_server(self._serve, self._socket)
            self.url = unix_url(self._socket)
        else:
            server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
            self.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return server

    async def _shut(self) -> None:
        self._server.close()
        quiet_turns = 0
        while quiet_turns < _QUIET_TURNS:  # who was accepted in this moment gets a task of its own later
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(0)
            quiet_turns = 0 if tasks else quiet_turns + 1

    async def _settle(self) -> None:
        while self._late:
            await asyncio.gather(*self._late, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link: _Link | None = None
        try:
            link = await _Link.open(self._upstream, writer)
            parser = hiredis.Reader()
            while data := await reader.read(_CHUNK):
                parser.feed(data)
                while (command := parser.gets()) is not False:
                    if not await self._pass(link, command):
                        return
        except (OSError, asyncio.CancelledError):
            return  # one side has gone; the other is told by the end of its connection
        finally:
            writer.close()
            if link:
                link.close()

    async def _pass(self, link: "_Link", command: list[bytes]) -> bool:
        """Pass one command and its reply, or do what is armed; False ends the connection."""
        packed = hiredis.pack_command(tuple(command))  # type: ignore[arg-type]  # its stub wants one element
        armed = self._armed_for(command)
        if self._loop.time() < self._hole_until:
            return True
        if armed is None:
            link.to_client(await link.exchange(packed))
            return True
        self.harm[armed.mode] += 1
        return await self._harm(link, packed, armed)

    async def _harm(self, link: "_Link", packed: bytes, armed: _Armed) -> bool:
        match armed.mode:
            case "drop-request":
                return True
            case "drop-reply":
                await link.exchange(packed)
                return True
            case "duplicate":
                await link.exchange(packed)
                link.to_client(await link.exchange(packed))
                return True
            case "delay":
                self._deliver_late(packed, armed.seconds)
                return True
            case "blackhole":
                self._hole_until = self._loop.time() + armed.seconds
                return True
            case "cut-request":
                link.to_server(packed[: int((len(packed) - 1) * armed.at)])
            case "cut-reply":
                reply = await link.exchange(packed)
                link.to_client(reply[: int((len(reply) - 1) * armed.at)])
        return False

    def _armed_for(self, command: list[bytes]) -> _Armed | None:
        if self._armed is None or command[0].upper() != b"FCALL":
            return None
        if self._armed.skipped:
            self._armed.skipped -= 1
            return None
        armed, self._armed = self._armed, None
        return armed

    def _deliver_late(self, packed: bytes, seconds: float) -> None:
        async def deliver() -> None:
            await asyncio.sleep(seconds)
            with suppress(OSError):  # the server may have gone by then
                link = await _Link.open(self._upstream, None)
                await link.exchange(packed)
                link.close()

        late = self._loop.create_task(deliver())
        self._late.add(late)
        late.add_done_callback(self._late.discard)


class _Link:
    """One connection to the server, for one client."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        server: asyncio.StreamWriter,
        client: asyncio.StreamWriter | None,
    ) -> None:
        self._reader = reader
        self._server = server
        self._client = client

    @classmethod
    async def open(cls, address: str | tuple[str, int], client: asyncio.StreamWriter | None) -> "_Link":
        """Connect to the server."""
        if isinstance(address, str):
            return cls(*await asyncio.open_unix_connection(address), client)
        return cls(*await asyncio.open_connection(*address), client)

    def to_server(self, data: bytes) -> None:
        """Send without waiting for a reply."""
        self._server.write(data)

    def to_client(self, data: bytes) -> None:
        """Answer the client."""
        if self._client:
            self._client.write(data)

    async def exchange(self, packed: bytes) -> bytes:
        """Send one command; its whole reply as bytes."""
        self._server.write(packed)
        parser, reply = hiredis.Reader(), b""
        while parser.gets() is False:
            data = await self._reader.read(_CHUNK)
            if not data:
                raise ConnectionResetError("the server closed the connection")
            parser.feed(data)
            reply += data
        return reply

    def close(self) -> None:
        """End the connection."""
        self._server.close()
