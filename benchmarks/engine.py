"""The engine beside a hand-written loop in the same run: throughput, hop latency, what a task costs Redis.

    python benchmarks/engine.py [--reps 5] [--only chain,fan] [--scale 1.0] [--peers] [--out results.json]

Contestants take turns on one private server over a unix socket, two worker processes each. `loop` is the
loop of `floor.py` over the engine's own connection, `loop_redis_py` the same over redis-py, as a user would
write it. Enqueueing counts for `independent` and `layered`; `chain` and `fan` begin when all is stored,
because a hop is what they measure. `locked` is `layered` with 5 files and 3 reads a task, four folders deep,
which the loops know nothing of; `durable` is `layered` with an append-only file, where `engine_in_memory`
and `loop_in_memory` are the same on a server without one. `--peers` adds the queues of `peers.py`, which
have to be installed.
"""

import argparse
import json
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import floor
from figures import tell

from swarm.bench.engine import (
    Bench,
    Load,
    Measured,
    Worker,
    engine_worker,
    load_engine,
    measure,
    nothing_more,
    unfinished_in_engine,
)
from swarm.bench.graphs import WORKLOADS
from swarm.bench.medians import medians
from swarm.bench.server import private_server

WORKERS = 2
IN_MEMORY = ("engine", "loop")


@dataclass(frozen=True)
class Workload:
    """A graph, and how it is run."""

    graph: str
    tasks: int
    is_gated: bool = False
    files: int = 0
    reads: int = 0
    aof: bool = False


RUNS: dict[str, Workload] = {
    "independent": Workload("independent", 5000),
    "chain": Workload("chain", 300, is_gated=True),
    "fan": Workload("fan", 1002, is_gated=True),
    "layered": Workload("layered", 2000),
    "locked": Workload("layered", 2000, files=5, reads=3),
    "durable": Workload("layered", 2000, aof=True),
}


def contestants(workload: Workload, *, peers: bool) -> dict[str, tuple[Worker, Load]]:
    """Who is measured, by name; without the peers, they need not be installed."""
    load = partial(load_engine, files=workload.files, reads=workload.reads)
    known: dict[str, tuple[Worker, Load]] = {
        "engine": (engine_worker, load),
        "loop": (floor.work, floor.load),
        "loop_redis_py": (floor.work_by_redis_py, floor.load),
    }
    if peers:
        known |= import_module("peers").PEERS
    return known


def run(workload: Workload, reps: int, folder: Path, *, peers: bool) -> dict[str, object]:
    """Medians of `reps` runs of each contestant, in turns, and the engine's figures over each loop's."""
    graph = WORKLOADS[workload.graph](workload.tasks)
    measured: dict[str, list[Measured]] = {}
    with ExitStack() as servers:
        bench = Bench(servers.enter_context(private_server(folder, aof=workload.aof)), folder)
        turns = {name: (bench, *one) for name, one in contestants(workload, peers=peers).items()}
        if workload.aof:
            memory = servers.enter_context(private_server(folder / "memory"))
            turns |= {f"{name}_in_memory": (Bench(memory, folder), *turns[name][1:]) for name in IN_MEMORY}
        for _ in range(reps):
            for name, (place, worker, load) in turns.items():
                one = measure(
                    place,
                    graph,
                    workers=WORKERS,
                    worker=worker,
                    load=load,
                    is_gated=workload.is_gated,
                    unfinished=unfinished_in_engine if worker is engine_worker else nothing_more,
                )
                measured.setdefault(name, []).append(one)
    found = {name: medians(runs) for name, runs in measured.items()}
    ratios = _ratios(found)
    if workload.aof:
        durable, in_memory = found["loop"]["tasks_per_s"], found["loop_in_memory"]["tasks_per_s"]
        if durable and in_memory:
            ratios["loop_tasks_per_s_over_loop_in_memory"] = durable / in_memory
    return {"tasks": len(graph), **found, **ratios}


def _ratios(found: dict[str, dict[str, float | None]]) -> dict[str, float]:
    ratios = {}
    for other in found.keys() - {"engine", "loop_in_memory"}:
        for figure in ("tasks_per_s", "makespan_s", "hop_p50_ms"):
            mine, theirs = found["engine"][figure], found[other][figure]
            if mine and theirs:
                ratios[f"{figure}_over_{other}"] = mine / theirs
    return ratios


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description="engine against a hand-written loop")
    parser.add_argument("--reps", type=int, default=5)
    parser.add_argument("--only", default=",".join(RUNS), help="comma-separated workloads")
    parser.add_argument("--scale", type=float, default=1.0, help="factor on the number of tasks")
    parser.add_argument("--peers", action="store_true", help="measure other queues too")
    parser.add_argument("--out", type=Path, help="also write the JSON to this file")
    options = parser.parse_args()
    results: dict[str, object] = {"workers": WORKERS, "reps": options.reps}
    for name in options.only.split(","):
        workload = replace(RUNS[name], tasks=max(10, int(RUNS[name].tasks * options.scale)))
        with tempfile.TemporaryDirectory(prefix="swarm-bench-") as folder:
            results[name] = run(workload, options.reps, Path(folder), peers=options.peers)
        print(json.dumps({name: results[name]}), file=sys.stderr)
    tell(results, options.out)


if __name__ == "__main__":
    main()
