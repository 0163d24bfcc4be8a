"""From settings to the queue: which connection a URL means, and which settings the engine takes."""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from swarm.engine.patience import Patience, patient_pipeline
from swarm.engine.reads import Reads
from swarm.engine.store import Store
from swarm.engine.wire import HiredisStore
from swarm.errors import ConfigError
from swarm.keys import Keys
from swarm.settings import Settings

if TYPE_CHECKING:
    from swarm.engine.engine import Engine

PATIENCE_S = 20.0
"""How long a call is repeated, with the same op id, while Redis does not answer."""


def engine_for(settings: Settings, url: str, *, patience_s: float = PATIENCE_S) -> "Engine":
    """An engine of the settings' project on this Redis; connects when first called."""
    from swarm.engine.engine import Engine  # noqa: PLC0415  # whoever only reads starts 15 ms sooner

    return Engine(
        open_store(url),
        settings.project,
        lease_ms=int(settings.lease_s * 1000),
        patience_s=patience_s,
        retry_base_ms=int(settings.retry_base_s * 1000),
        retry_cap_ms=int(settings.retry_cap_s * 1000),
    )


def reads_for(store: Store, project: str, *, patience_s: float = PATIENCE_S) -> Reads:
    """The read side of a project on this connection, for whoever changes nothing."""
    return Reads(patient_pipeline(store, Patience(patience_s)), Keys(project))


def open_store(url: str, *, timeout_s: float = 5.0) -> Store:
    """A store for a Redis URL; connects when first called.

    `redis://` and `unix://` go over our own connection, any other scheme over redis-py.

    Raises:
        ConfigError: the URL cannot be understood.
    """
    scheme = urlsplit(url).scheme
    if scheme in {"redis", "unix"}:
        return HiredisStore(url, timeout_s=timeout_s)
    if not scheme:
        raise ConfigError(f"redis_url: {url!r} is not a URL", hint="for example redis://127.0.0.1:6379/0")
    from swarm.engine.redis_py import RedisPyStore  # noqa: PLC0415  # redis-py takes 200 ms to import

    return RedisPyStore(url, timeout_s=timeout_s)
