"""From settings to the queue: which connection a URL means, and which settings the engine takes."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from swarm.engine.addresses import PLAIN, parse_address, refuse_unknown_options, scheme_of
from swarm.engine.patience import Patience, never, patient_pipeline
from swarm.engine.reads import Reads
from swarm.engine.store import Store
from swarm.engine.wire import HiredisStore
from swarm.keys import Keys
from swarm.settings import Settings

if TYPE_CHECKING:
    from swarm.engine.engine import Engine

PATIENCE_S = 20.0
"""How long a call is repeated, with the same op id, while Redis does not answer."""


def engine_for(
    settings: Settings, url: str, *, patience_s: float = PATIENCE_S, is_put_down: Callable[[], bool] = never
) -> "Engine":
    """An engine of the settings' project on this Redis; connects when first called.

    While there is no answer it asks `is_put_down`, and waits no longer when somebody has stopped the server.
    """
    from swarm.engine.engine import Engine  # noqa: PLC0415  # whoever only reads starts 15 ms sooner

    return Engine(
        open_store(url),
        settings.project,
        lease_ms=int(settings.lease_s * 1000),
        patience_s=patience_s,
        is_put_down=is_put_down,
        retry_base_ms=int(settings.retry_base_s * 1000),
        retry_cap_ms=int(settings.retry_cap_s * 1000),
    )


def reads_for(store: Store, project: str, *, patience_s: float = PATIENCE_S) -> Reads:
    """The read side of a project on this connection, for whoever changes nothing."""
    return Reads(patient_pipeline(store, Patience(patience_s)), Keys(project))


def open_store(url: str, *, timeout_s: float = 5.0) -> Store:
    """A store for a Redis URL; connects when first called.

    `redis://` and `unix://` go over our own connection, `rediss://` over redis-py. Sentinels, or a cluster,
    are asked for the server to use, and asked again when it cannot serve any more.

    Raises:
        ConfigError: the URL cannot be understood.
    """
    scheme = scheme_of(url)
    if scheme in PLAIN:
        if scheme != "rediss":  # redis-py knows more, and says what it does not know
            refuse_unknown_options(url)
        return _open_plain(url, timeout_s)
    address = parse_address(url)
    from swarm.engine.resolve import Resolver  # noqa: PLC0415  # redis-py takes 200 ms to import
    from swarm.engine.routed import RoutedStore  # noqa: PLC0415

    return RoutedStore(Resolver(address), lambda plain: _open_plain(plain, timeout_s))


def _open_plain(url: str, timeout_s: float) -> Store:
    if not url.startswith("rediss:"):
        return HiredisStore(url, timeout_s=timeout_s)
    from swarm.engine.redis_py import RedisPyStore  # noqa: PLC0415  # redis-py takes 200 ms to import

    return RedisPyStore(url, timeout_s=timeout_s)
