"""By which paths an attempt's write scope may grow after the fact: what it changed beyond what was planned.

Whether their locks are free is the engine's to say; here is what no attempt gets, free or not.
"""

from collections.abc import Sequence
from contextlib import suppress

from swarm.plan.scope import PatternError, WriteScope, literal_pattern, normalise_pattern
from swarm.repo.gates.guarded import GUARDED, folded

MOST_PATHS = 64
"""An attempt that strays further has misunderstood its task, and would lock out everybody else."""

NEVER = ("defines gates", "is an agent's settings")
"""Of what is guarded: who may not be asked afterwards. The rest is widened, and then waits for approval."""


def why_not_widened(scope: Sequence[str], extra: Sequence[str]) -> str:
    """Why a write scope may not grow by these paths; empty when it may.

    Args:
        scope: the patterns that the task has now.
        extra: paths outside of them.
    """
    if not scope:
        return "the task has no write scope to widen"
    if len(extra) > MOST_PATHS:
        return f"a scope is widened by {MOST_PATHS} paths at most, not by {len(extra)}"
    for path in extra:
        if is_never_widened(path):
            return f"only a plan puts {path!r} into a scope"
        try:
            literal_pattern(path)
        except PatternError as error:
            return f"no pattern can name {path!r}: {error}"
    return ""


def is_never_widened(pattern: str) -> bool:
    """Only a plan may give this path, or a glob in such a folder, to a task; nothing else decides so."""
    with suppress(PatternError):  # which nobody gets anyway
        pattern = normalise_pattern(pattern)
    return _never.covers(folded(pattern.removesuffix("/**")))


# A file or link in place of the folder stands for all below it.
_never = WriteScope(pattern.removesuffix("/**") for kind in NEVER for pattern in GUARDED[kind])
