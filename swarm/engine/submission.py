"""Turns a plan into what the submit script stores: the run's id and its tasks in chunks."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import fields

from swarm.engine.locks import compile_locks, lock_text
from swarm.engine.ranks import urgency
from swarm.plan.model import Plan, TaskSpec

CHUNK = 150
"""Tasks a script stores; more would keep the server from others for over a millisecond."""

_LISTS = ("dependencies", "files", "reads")
_DEFAULTS = {f.name: f.default for f in fields(TaskSpec)}


def run_id(project: str, plan: Plan, *, base: str, key: str) -> str:
    """Ten hex digits that the same project, plan, base and key always give."""
    content = {"goal": plan.goal, "version": plan.version, "tasks": [_spec_fields(t) for t in plan.tasks]}
    text = json.dumps([project, content, base, key], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def chunk_arguments(plan: Plan, ranks: dict[str, float], start: int) -> list[str]:
    """Arguments of one submit call: the tasks from place `start` on."""
    arguments: list[str] = []
    for task in plan.tasks[start : start + CHUNK]:
        arguments += [
            task.id,
            encode_spec(task),
            task.type,
            task.executor,
            str(urgency(ranks[task.id], task.priority)),
            lock_text(compile_locks(task)),
            str(task.max_attempts),
            "\n".join(dict.fromkeys(task.dependencies)),
        ]
    return arguments


def encode_spec(spec: TaskSpec) -> str:
    """A task as JSON, without the fields that have their default."""
    return json.dumps(_spec_fields(spec), separators=(",", ":"), ensure_ascii=False)


def decode_spec(text: str | bytes) -> TaskSpec:
    """The task that `encode_spec` wrote."""
    values = json.loads(text)
    for name in _LISTS:
        if name in values:
            values[name] = tuple(values[name])
    if "acceptance" in values:
        values["acceptance"] = tuple(map(tuple, values["acceptance"]))
    if values.get("command") is not None:
        values["command"] = tuple(values["command"])
    return TaskSpec(**values)


def _spec_fields(spec: TaskSpec) -> dict[str, object]:
    return dict(_changed(spec))


def _changed(spec: TaskSpec) -> Iterator[tuple[str, object]]:
    for name, default in _DEFAULTS.items():
        value = getattr(spec, name)
        if value != default:
            yield name, value
