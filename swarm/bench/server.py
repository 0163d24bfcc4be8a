"""A Redis for one measurement: found as the embedded one is, and gone afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from swarm.engine.connect import open_store
from swarm.fleet.server import ensure_server, stop_server
from swarm.settings import Settings


@contextmanager
def private_server(folder: Path, *, aof: bool = False) -> Iterator[str]:
    """The URL of a server in `folder` that nobody else uses; without `aof` it keeps nothing on disk."""
    settings = Settings(root=folder, home=folder / "home")
    try:
        url = ensure_server(settings).url
        open_store(url).call("CONFIG", "SET", "appendonly", "yes" if aof else "no")
        yield url
    finally:
        stop_server(settings.home)
