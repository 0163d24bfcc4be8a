"""Claims whose leases tests let end."""

from swarm.engine.claims import Claim, WorkerProfile
from swarm.engine.engine import Engine


def claimed(engine: Engine, worker: WorkerProfile, name: str = "claim") -> Claim:
    """A claim that must succeed."""
    claim = engine.claim(worker, name)
    assert claim is not None
    return claim
