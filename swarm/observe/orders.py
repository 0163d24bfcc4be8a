"""What people have ordered, in words: pauses and limits, each with the command that takes it back."""

from collections.abc import Iterable, Iterator

from swarm.engine.records import Controls, RunRecord
from swarm.observe.wording import plural


def orders_in_force(run: RunRecord, controls: Controls, *, kind: str = "") -> tuple[str, ...]:
    """Everything that keeps tasks of this run, or of one type in it, from being given out, or may."""
    paused = [name for name in controls.paused if not kind or name in {"*", kind}]
    limits = [(name, most) for name, most in controls.limits.items() if not kind or name in {"*", kind}]
    return (*_pauses(run, paused), *(_limit(name, most) for name, most in limits))


def _pauses(run: RunRecord, types: Iterable[str]) -> Iterator[str]:
    if run.is_paused:
        yield f"run {run.run} is paused: `swarm unpause {run.run}` goes on with it"
    for kind in types:
        if kind == "*":
            yield "everything is paused: `swarm unpause --all` goes on"
        else:
            yield f"type {kind!r} is paused: `swarm unpause --type {kind}` goes on with it"


def _limit(kind: str, most: int) -> str:
    what = "all types together are" if kind == "*" else f"type {kind!r} is"
    return f"{what} limited to {plural(most, 'task')} at once"
