"""The chain that `swarm why` prints."""

from collections.abc import Callable
from typing import Any

from swarm.engine.claims import WorkerProfile
from swarm.plan.model import TaskSpec

# Any: these are the fixtures' own types, and a test cannot import from its conftest.
Swarm = Callable[..., Any]
Bench = Any
Task = Callable[..., TaskSpec]


def chain(swarm: Swarm, task: str) -> list[tuple[str, str]]:
    return [(link["task"], link["text"]) for link in swarm("why", task, "--json").json()["chain"]]


def starts(links: list[tuple[str, str]], *expected: tuple[str, str]) -> bool:
    return len(links) == len(expected) and all(
        task == wanted and text.startswith(beginning)
        for (task, text), (wanted, beginning) in zip(links, expected, strict=True)
    )


def alive(
    bench: Bench,
    kind: str = "worker",
    types: tuple[str, ...] = ("*",),
    executors: tuple[str, ...] = WorkerProfile.executors,
    number: int = 1,
) -> None:
    worker = WorkerProfile(f"{kind}-{number}", types=types, executors=executors, host="box", pid=1)
    bench.engine.heartbeat(worker, kind=kind, state="idle")
