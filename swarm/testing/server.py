"""A Redis server of one's own: on a unix socket in a folder, no port, gone with its owner."""

import shutil
import subprocess
import time
from pathlib import Path

from swarm.engine.addresses import unix_url
from swarm.engine.connect import open_store
from swarm.errors import StoreUnreachableError
from swarm.fleet.append_only import mend_append_only_file

START_S = 10.0


class RedisServer:
    """A server process that keeps nothing on disk.

    Args:
        folder: where its socket is; a path short enough for one (about 100 characters).
        binary: `redis-server`, or the path of another server that speaks its protocol.
    """

    def __init__(self, folder: Path, *, binary: str = "redis-server", settings: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self.socket = folder / "redis.sock"
        self.url = unix_url(self.socket)
        self._argv = [
            shutil.which(binary) or binary,
            *("--port", "0", "--unixsocket", str(self.socket), "--dir", str(folder), "--save", ""),
            *("--appendonly", "no", "--logfile", str(folder / "redis.log"), *settings),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The server's process id."""
        assert self._process is not None, "the server was not started"
        return self._process.pid

    def start(self) -> None:
        """Start the process and wait until it answers."""
        mend_append_only_file(self._argv[0], self.folder)
        self._process = subprocess.Popen(self._argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        store = open_store(self.url)
        deadline_s = time.monotonic() + START_S
        while True:
            try:
                store.call("PING")
                break
            except StoreUnreachableError:
                if time.monotonic() > deadline_s or self._process.poll() is not None:
                    raise
                time.sleep(0.005)
        store.close()

    def stop(self) -> None:
        """Kill the process; safe to repeat."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
