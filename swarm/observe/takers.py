"""Who could claim a task that is ready, and why nobody has, in words."""

from collections.abc import Iterable, Iterator

from swarm.engine.records import AgentRecord, TaskRecord
from swarm.observe.orders import equip_for, start_for
from swarm.observe.wording import plural
from swarm.plan.model import COMMAND_WITH_MODEL, queue_of

NOBODY = "no worker is alive"
_SHOWN = 3
FOR_OTHERS_MS = 30_000
"""So long a ready task is left to workers that have not failed it; `_skills.lua` decides it."""


def takers(task: TaskRecord, agents: Iterable[AgentRecord], now_ms: int) -> Iterator[str]:
    """What of type, executor, tags and idleness is missing among those alive; one line a fact."""
    spec = task.spec
    workers = [agent for agent in agents if agent.kind == "worker"]
    if not workers:
        yield NOBODY
        if spec.needs:
            yield f"`{start_for(queue_of(spec))}` starts one with the tags it needs"
        return
    of_type = [agent for agent in workers if {"*", spec.type} & set(agent.types)]
    if not of_type:
        types = {kind for agent in workers for kind in agent.types}
        yield _lacking(f"serves type {spec.type!r}", "alive", len(workers), types)
        yield f"`{start_for(queue_of(spec))}` starts one"
        return
    # A worker of an older version does not say what it runs.
    serving = [agent for agent in of_type if not agent.executors or spec.executor_needed in agent.executors]
    if not serving:
        known = {name for agent in of_type for name in agent.executors}
        whose = "alive" if len(of_type) == len(workers) else f"of type {spec.type!r}"
        what_for = f" that {spec.model_is_for} needs" if spec.executor_needed == COMMAND_WITH_MODEL else ""
        yield _lacking(f"runs executor {spec.executor_needed!r}{what_for}", whose, len(of_type), known)
        yield equip_for(spec.executor_needed, queue_of(spec))
        return
    equipped = [agent for agent in serving if set(spec.needs) <= set(agent.tags)]
    if not equipped:
        tags = ", ".join(sorted({tag for agent in serving for tag in agent.tags})) or "none"
        yield f"no worker has all of the tags it needs ({', '.join(spec.needs)}); tags alive: {tags}"
        yield f"`{start_for(queue_of(spec))}` starts one that does"
        return
    yield from _among(task, equipped, now_ms)


def starts_taker(task: TaskRecord, agents: Iterable[AgentRecord]) -> str:
    """The command that starts a worker which could take it, when none alive could; else empty.

    A model is not a matter of workers: they need its key.
    """
    spec = task.spec
    for agent in agents:
        serves = agent.kind == "worker" and bool({"*", spec.type} & set(agent.types))
        runs = not agent.executors or spec.needs_model or spec.executor in agent.executors
        if serves and runs and set(spec.needs) <= set(agent.tags):
            return ""
    return start_for(queue_of(spec))


def _among(task: TaskRecord, able: list[AgentRecord], now_ms: int) -> Iterator[str]:
    """Whom of the able it is left to, and whether one of them has time."""
    fresh = [agent for agent in able if agent.worker_id not in task.tried_by]
    left_ms = task.queued_ms + FOR_OTHERS_MS - now_ms
    if fresh and len(fresh) < len(able) and left_ms > 0:
        failed = [agent.worker_id for agent in able if agent not in fresh]
        yield f"{_some(failed)} failed it already: it is left to others for {left_ms / 1000:.0f}s more"
        able = fresh
    idle = [agent for agent in able if not agent.task]
    if idle:
        yield f"{plural(len(idle), 'idle worker')} can take it now"
        return
    busy = _some([f"{agent.worker_id} ({agent.task})" for agent in able])
    every = (
        "the only worker that can take it is" if len(able) == 1 else f"all {len(able)} workers that can are"
    )
    yield f"{every} busy: {busy}"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _lacking(what: str, whose: str, workers: int, known: Iterable[str]) -> str:
    return f"no worker {what}; {plural(workers, 'worker')} {whose}: {', '.join(sorted(known))}"
