"""From settings to an engine: the one place that knows which settings the queue takes."""

from swarm.engine.engine import Engine
from swarm.engine.store import open_store
from swarm.settings import Settings

PATIENCE_S = 20.0
"""How long a call is repeated, with the same op id, while Redis does not answer."""


def engine_for(settings: Settings, url: str, *, patience_s: float = PATIENCE_S) -> Engine:
    """An engine of the settings' project on this Redis; connects when first called."""
    return Engine(
        open_store(url),
        settings.project,
        lease_ms=int(settings.lease_s * 1000),
        patience_s=patience_s,
        retry_base_ms=int(settings.retry_base_s * 1000),
        retry_cap_ms=int(settings.retry_cap_s * 1000),
    )
