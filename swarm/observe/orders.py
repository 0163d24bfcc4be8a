"""What keeps queues from moving, in words: pauses, limits, and that nobody serves them; with what to do."""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from swarm.engine.records import AgentRecord, Controls, RunRecord, Unserved
from swarm.observe.wording import duration, plural
from swarm.plan.model import COMMAND_WITH_MODEL

SUBMIT = "swarm submit FILE"
"""What goes on with a run that is not stored whole, given the same plan."""


class Pause(NamedTuple):
    """One pause: what is so, and the command that takes it back."""

    said: str
    undo: str


def orders_in_force(run: RunRecord, controls: Controls) -> tuple[str, ...]:
    """Everything that keeps tasks of this run from being given out, or may."""
    limits = (_limit(name, most) for name, most in controls.limits.items())
    return (*(pause.said for pause in pauses(run, controls.paused)), *limits)


def pauses_of(run: RunRecord, controls: Controls, *, kind: str) -> tuple[str, ...]:
    """What keeps tasks of a type in this run from being given out, each with what takes it back."""
    return tuple(
        pause.said for pause in pauses(run, [name for name in controls.paused if name in {"*", kind}])
    )


def pauses(run: RunRecord, types: Iterable[str]) -> Iterator[Pause]:
    """The run's own pause, and those of these types."""
    if run.is_paused:
        undo = f"swarm resume {run.run}"
        yield Pause(f"run {run.run} is paused: `{undo}` goes on with it", undo)
    for kind in types:
        if kind == "*":
            undo = "swarm resume --all"
            yield Pause(f"everything is paused: `{undo}` goes on", undo)
        else:
            undo = f"swarm resume --type {shlex.quote(kind)}"
            yield Pause(f"type {kind!r} is paused: `{undo}` goes on with it", undo)


def reached_limits(
    controls: Controls, holders: Mapping[str, tuple[str, ...]], kind: str
) -> list[tuple[str, tuple[str, ...]]]:
    """The limits that leave no room for one more of a type, each with the tasks that fill it."""
    return [
        (_limit(name, most), holders.get(name, ()))
        for name, most in controls.limits.items()
        if name in {"*", kind} and len(holders.get(name, ())) >= most
    ]


def unserved_queues(unserved: Mapping[str, Unserved], now_ms: int) -> tuple[str, ...]:
    """The queues with tasks that nobody can do, each with what to start."""
    return tuple(
        f"no worker has {_done_what(name, one.executor)} for {duration((now_ms - one.since_ms) / 1000)}: "
        + (equip_for(one.executor, name) if one.executor else f"`{start_for(name)}`")
        for name, one in unserved.items()
    )


def missing_tags(queues: Iterable[str], alive: Iterable[AgentRecord]) -> dict[str, str]:
    """Those of the queues whose tags no worker alive has, each with what to start, in words."""
    workers = [agent for agent in alive if agent.kind == "worker"]
    return {
        name: f"no worker alive has the tags of queue {name!r}: `{start_for(name)}` starts one"
        for name in queues
        if not any(_has_tags(agent, name) for agent in workers)
    }


def _has_tags(agent: AgentRecord, queue: str) -> bool:
    kind, *tags = queue.split("+")
    return bool({"*", kind} & set(agent.types)) and set(tags) <= set(agent.tags)


def equip_for(executor: str, queue: str) -> str:
    """What makes workers of a queue run an executor: those that call a model need its key."""
    if executor in {"messages", COMMAND_WITH_MODEL}:
        return "set ANTHROPIC_API_KEY where workers start"
    return f"`{start_for(queue)}` starts one that does"


def start_for(queue: str) -> str:
    """The command that starts a worker for a queue, such as `docs+gpu`."""
    kind, *tags = queue.split("+")
    return f"swarm worker --types {kind}" + (f" --tags {','.join(tags)}" if tags else "")


def _done_what(queue: str, executor: str) -> str:
    return f"run executor {executor!r} (queue {queue!r})" if executor else f"served {queue!r}"


def _limit(kind: str, most: int) -> str:
    what = "all types together are" if kind == "*" else f"type {kind!r} is"
    return f"{what} limited to {plural(most, 'task')} at once"
