"""A Redis for one command: in a folder of its own, without files, gone with the command however that ends."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from swarm.engine.addresses import unix_url
from swarm.fleet.readiness import wait_ready
from swarm.fleet.server import find_binary
from swarm.sandbox.processes import before_exec
from swarm.settings import scrubbed_environment


@contextmanager
def temporary_server() -> Iterator[str]:
    """Start a server, give its URL, and end it.

    Raises:
        StoreUnreachableError: no server binary was found, or it did not start.
    """
    with tempfile.TemporaryDirectory(prefix="swarm-") as name:
        folder = Path(name)
        socket, log = folder / "redis.sock", folder / "server.log"
        options = ("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700", "--dir", name)
        process = subprocess.Popen(
            [find_binary(folder), *options, "--save", "", "--appendonly", "no", "--logfile", str(log)],
            cwd=folder,
            env=scrubbed_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=before_exec({}),  # noqa: PLW1509  # it must not outlive us, even when we are killed
        )
        try:
            url = unix_url(socket)
            wait_ready(process, url, log)
            yield url
        finally:
            process.kill()
            process.wait()
