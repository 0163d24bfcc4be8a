"""`status`, `runs`, `tasks`, `agents`, `queue`, `locks`: where things stand, for people and programs."""

import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from swarm.plan.model import TaskSpec

# The fixtures' own types live in conftest, which tests cannot import.
Swarm = Callable[..., Any]
Bench = Any
Task = Callable[..., TaskSpec]


def test_x(swarm: Swarm, bench: Bench, task: Task) -> None:
    run = bench.submit(task("a"), task("b","a"), task("c", files=("a.py",)), task("d", type="docs"))
    bench.engine.heartbeat(bench.worker, kind="worker", state="busy", task=f"{run}/a")
    bench.claim()
    bench.engine.claim(bench.worker, "other")
    for w in (["status"],["runs"],["tasks"],["agents"],["queue"],["queue","--explain"],["locks"],["why","b"],["why","c"],["why","d"],["why","a"],["cost"],["report"],["events"],["show"],["status","--json"],["queue","--json","--explain"],["locks","--json"],["agents","--json"],["runs","--json"],["why","b","--json"],["explain","sw011"],["explain","all"],["config","show"],["tasks","--state","bogus"],["diff","a"],["logs","a"],["wait","--timeout","0"],["cancel"],["wait"],["retry"],["status"],["watch", "nope"]):
        e = swarm(*w); f=open("/tmp/see-out","a"); print("$", *w, "->", e.code, file=f); print(e.out, e.err, file=f); f.close()
    assert 0
