"""Several runs of one measurement as one: the median of each figure."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict

from swarm.bench.engine import Measured


def medians(runs: Sequence[Measured]) -> dict[str, float | None]:
    """Figure name -> median; None where the graph has no such figure."""
    rows = [asdict(run) for run in runs]
    return {name: _median([row[name] for row in rows]) for name in rows[0]}


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
