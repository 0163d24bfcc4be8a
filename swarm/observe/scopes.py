"""How well write scopes were declared: what was planned against what landings touched."""

from collections.abc import Iterable, Sequence

from swarm.observe.report_data import ScopeFit
from swarm.plan.scope import WriteScope

RECALL = "the share of touched paths that are inside the declared scope"
PRECISION = "the share of declared patterns that at least one touched path matches"


def fit_of(declared: Sequence[str], touched: Sequence[str]) -> ScopeFit:
    """Compare the patterns that a plan gave to a task with the paths that its landing changed."""
    scope = WriteScope(declared)
    matched = sum(any(map(WriteScope([pattern]).covers, touched)) for pattern in declared)
    return _fit(len(declared), matched, len(touched), sum(map(scope.covers, touched)))


def sum_of(fits: Iterable[ScopeFit]) -> ScopeFit:
    """All of them as one: a task with many paths counts for more."""
    rows = [(fit.declared, fit.matched, fit.touched, fit.inside) for fit in fits]
    return _fit(*(sum(column) for column in zip(*rows, strict=True))) if rows else _fit(0, 0, 0, 0)


def _fit(declared: int, matched: int, touched: int, inside: int) -> ScopeFit:
    return ScopeFit(
        declared=declared,
        matched=matched,
        touched=touched,
        inside=inside,
        precision=round(matched / declared, 4) if declared and touched else None,
        recall=round(inside / touched, 4) if declared and touched else None,
    )
