"""Claim-and-complete throughput and hop latency of the engine, beside a hand-written loop in the same run.

    python benchmarks/engine.py [--reps 5] [--only chain,fan] [--scale 1.0] [--out results.json]

Tasks are no-ops in two real worker processes; a task's body appends (id, process, monotonic time) to
one file, about 2 µs, the same for both. The engine's path is claim → start → finish, three round trips
with leases, fencing, types, counts and events on; tasks have no write scope. Floor and engine alternate,
on one private server over a unix socket, without persistence. Enqueueing counts for `independent` and
`layered`; `chain` and `fan` start when all is stored, because a hop is what they measure.
"""

import argparse
import json
import multiprocessing
import os
import random
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count, pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import floor

from swarm.engine.claims import Finish, WorkerProfile
from swarm.engine.connect import open_store
from swarm.engine.engine import Engine
from swarm.plan.model import Plan, TaskSpec
from swarm.testing.server import RedisServer

WORKERS = 2
RECORD = struct.Struct("<IId")
PROJECT = "bench"
LIMIT_S = 120.0

Graph = floor.Graph


def independent(n: int) -> Graph:
    """Tasks that depend on nothing."""
    return [(task, []) for task in range(n)]


def chain(n: int) -> Graph:
    """Each task depends on the one before."""
    return [(task, [task - 1] if task else []) for task in range(n)]


def fan(n: int) -> Graph:
    """One task, then n, then one that needs all of them."""
    return [(0, []), *((task, [0]) for task in range(1, n + 1)), (n + 1, list(range(1, n + 1)))]


def layered(n: int, depth: int = 40) -> Graph:
    """Layers in which each task needs one of the layer above and two of anywhere above; seeded."""
    chance, width = random.Random(7), max(1, n // depth)
    graph: Graph = []
    for task in range(n):
        layer = task // width
        if layer == 0:
            graph.append((task, []))
            continue
        above = chance.randrange((layer - 1) * width, layer * width)
        graph.append((task, sorted({above, *(chance.randrange(layer * width) for _ in range(2))})))
    return graph


WORKLOADS: dict[str, tuple[Callable[[int], Graph], int]] = {
    "independent": (independent, 5000),
    "chain": (chain, 300),
    "fan": (fan, 1000),
    "layered": (layered, 2000),
}
STARTS_WHEN_STORED = {"chain", "fan"}


@dataclass(frozen=True)
class Bench:
    """Where one measurement happens."""

    url: str
    log: Path
    stop: Path  # exists when workers shall end

    def is_over(self) -> bool:
        """The workers were told to end."""
        return self.stop.exists()


def recorder(log: Path) -> Callable[[int], None]:
    """The body of a task: append when and where it ran."""
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    process = os.getpid()

    def body(task: int) -> None:
        os.write(descriptor, RECORD.pack(task, process, time.monotonic()))

    return body


def floor_worker(bench: Bench) -> None:
    """One process of the hand-written loop."""
    floor.work(open_store(bench.url), recorder(bench.log), bench.is_over)


def engine_worker(bench: Bench) -> None:
    """One process of the engine: claim, start, body, finish."""
    engine = Engine(open_store(bench.url), PROJECT)
    worker = WorkerProfile(f"w{os.getpid()}", executors=("command",))
    body, numbers = recorder(bench.log), count()
    claim = None
    while True:
        if claim is None:
            claim = engine.claim(worker, str(next(numbers)))
        if claim is None:
            if bench.is_over():
                return
            engine.wait(worker, timeout_s=0.2)
            continue
        body(int(claim.task.id))
        claim = engine.end_and_claim(claim, Finish(), worker, str(next(numbers)))


def submit_floor(bench: Bench, graph: Graph) -> None:
    """Hand the graph to the loop."""
    floor.load(open_store(bench.url), graph)


def submit_engine(bench: Bench, graph: Graph) -> None:
    """Hand the graph to the engine."""
    tasks = tuple(
        TaskSpec(
            str(task), "no-op", dependencies=tuple(map(str, needs)), executor="command", command=("true",)
        )
        for task, needs in graph
    )
    Engine(open_store(bench.url), PROJECT).submit(Plan(tasks), base="0" * 40, key=str(time.time_ns()))


CONTESTANTS: dict[str, tuple[Callable[[Bench], None], Callable[[Bench, Graph], None]]] = {
    "floor": (floor_worker, submit_floor),
    "engine": (engine_worker, submit_engine),
}


def server_usage(url: str) -> tuple[int, int, float]:
    """Commands, socket reads and CPU seconds of the server so far."""
    reply = open_store(url).call("INFO", "all")
    assert isinstance(reply, bytes)
    fields = dict(line.split(":", 1) for line in reply.decode().split("\r\n") if ":" in line)
    cpu_s = float(fields["used_cpu_user"]) + float(fields["used_cpu_sys"])
    return int(fields["total_commands_processed"]), int(fields["total_reads_processed"]), cpu_s


def measure(server: RedisServer, folder: Path, name: str, workload: str, graph: Graph) -> dict[str, float]:
    """One run of one contestant; checks that each task ran once and after its dependencies."""
    worker, submit = CONTESTANTS[name]
    open_store(server.url).call("FLUSHALL")
    bench = Bench(server.url, folder / "log", folder / "stop")
    for path in (bench.log, bench.stop):
        path.unlink(missing_ok=True)
    bench.log.touch()
    # Neither import nor fork is measured: the workers are waiting when the first task is stored.
    processes = [multiprocessing.Process(target=worker, args=(bench,)) for _ in range(WORKERS)]
    if workload in STARTS_WHEN_STORED:
        submit(bench, graph)
    else:
        for process in processes:
            process.start()
        time.sleep(0.3)
    before, started_s = server_usage(server.url), time.monotonic()
    if workload in STARTS_WHEN_STORED:
        for process in processes:
            process.start()
    else:
        submit(bench, graph)
    enqueued_s = time.monotonic() - started_s
    while bench.log.stat().st_size < RECORD.size * len(graph) and time.monotonic() - started_s < LIMIT_S:
        time.sleep(0.005)
    time.sleep(0.05)
    after = server_usage(server.url)
    bench.stop.touch()
    for process in processes:
        process.join()
    return figures(bench.log, workload, graph, started_s, enqueued_s) | {
        "redis_commands_per_task": (after[0] - before[0]) / len(graph),
        "redis_reads_per_task": (after[1] - before[1]) / len(graph),
        "redis_cpu_us_per_task": (after[2] - before[2]) / len(graph) * 1e6,
    }


def figures(log: Path, workload: str, graph: Graph, started_s: float, enqueued_s: float) -> dict[str, float]:
    """What a log says: throughput, and for a chain the time from one body to the next."""
    records = sorted(RECORD.iter_unpack(log.read_bytes()), key=lambda record: record[2])
    at_s = {task: moment for task, _, moment in records}
    assert len(records) == len(at_s) == len(graph), f"{len(records)} runs of {len(graph)} tasks"
    assert all(at_s[need] < at_s[task] for task, needs in graph for need in needs), "order violated"
    first_s = records[0][2] if workload in STARTS_WHEN_STORED else started_s
    makespan_s = records[-1][2] - first_s
    found = {"makespan_s": makespan_s, "tasks_per_s": len(graph) / makespan_s}
    if workload not in STARTS_WHEN_STORED:
        found["enqueue_s"] = enqueued_s
    if workload == "chain":
        hops_ms = sorted((b[2] - a[2]) * 1000 for a, b in pairwise(records))
        found["hop_p50_ms"] = statistics.median(hops_ms)
        found["hop_p99_ms"] = hops_ms[int(len(hops_ms) * 0.99)]
    return found


def run(workloads: list[str], reps: int, scale: float) -> dict[str, object]:
    """All workloads; medians of `reps`, floor and engine in turns."""
    results: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as name:
        server = RedisServer(Path(name))
        server.start()
        try:
            for workload in workloads:
                make, size = WORKLOADS[workload]
                graph = make(max(10, int(size * scale)))
                runs: dict[str, list[dict[str, float]]] = {contestant: [] for contestant in CONTESTANTS}
                for _ in range(reps):
                    for contestant in CONTESTANTS:
                        runs[contestant].append(measure(server, Path(name), contestant, workload, graph))
                results[workload] = summary(runs, len(graph))
                print(json.dumps({workload: results[workload]}), file=sys.stderr)
        finally:
            server.stop()
    return results


def summary(runs: dict[str, list[dict[str, float]]], tasks: int) -> dict[str, object]:
    """Medians by contestant, and the engine's throughput as a share of the floor's."""
    medians = {
        contestant: {name: statistics.median(rep[name] for rep in reps) for name in reps[0]}
        for contestant, reps in runs.items()
    }
    ratio = medians["engine"]["tasks_per_s"] / medians["floor"]["tasks_per_s"]
    return {"tasks": tasks, **medians, "engine_over_floor": ratio}


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description="engine against a hand-written loop")
    parser.add_argument("--reps", type=int, default=5)
    parser.add_argument("--only", default=",".join(WORKLOADS), help="comma-separated workloads")
    parser.add_argument("--scale", type=float, default=1.0, help="factor on the number of tasks")
    parser.add_argument("--out", type=Path, help="also write the JSON to this file")
    options = parser.parse_args()
    results = {
        "workers": WORKERS,
        "reps": options.reps,
        "workloads": run(options.only.split(","), options.reps, options.scale),
    }
    text = json.dumps(results, indent=1)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
