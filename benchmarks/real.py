"""Measured workflows by real worker processes beside what `swarm simulate` says of them.

    python benchmarks/real.py [--seconds 8] [--workers 4,8,16,32] [--only bwa] [--out real.json] [--page PAGE]

Durations are scaled so that a run takes some seconds, and the simulation is given the scaled ones; a task
sleeps. What differs is what the simulation leaves out: round trips, wake-ups, and the machine.
"""

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from dataclasses import replace
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from scheduling import WORKFLOWS, fill_page, read_workflow

from swarm.bench.server import private_server
from swarm.engine.bounds import lower_bound_s
from swarm.engine.claims import Finish, WorkerProfile
from swarm.engine.connect import open_store
from swarm.engine.engine import Engine
from swarm.engine.ranking import Ranking
from swarm.engine.schedule import graph_of
from swarm.plan.model import Plan
from swarm.simulation.virtual_run import run_virtually

PROJECT = "real"
BEGIN, END = "<!-- real: begin -->", "<!-- real: end -->"


def scaled(plan: Plan, workers: int, seconds: float) -> tuple[Plan, dict[str, int]]:
    """The plan with durations so short that it takes about so long, and these in whole milliseconds."""
    factor = seconds / lower_bound_s(graph_of(plan), workers)
    durations_ms = {task.id: max(1, round(task.estimate_s * factor * 1000)) for task in plan.tasks}
    tasks = [replace(task, estimate_s=durations_ms[task.id] / 1000) for task in plan.tasks]
    return replace(plan, tasks=tuple(tasks)), durations_ms


def work(url: str, gate: Path, log: Path, durations_ms: dict[str, int]) -> None:
    """One worker process: sleeps as long as a task is said to last, then ends it and claims the next."""
    engine = Engine(open_store(url), PROJECT)
    profile, numbers = WorkerProfile(f"real-{os.getpid()}", executors=("command",)), count()
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    while gate.exists():
        time.sleep(0.001)
    claim = None
    while True:
        claim = claim or engine.claim(profile, str(next(numbers)))
        if claim is None:
            engine.wait(profile)
            continue
        began_s = time.monotonic()
        time.sleep(durations_ms[claim.task.id] / 1000)
        os.write(descriptor, f"{claim.task.id} {began_s} {time.monotonic()}\n".encode())
        claim = engine.end_and_claim(claim, Finish(), profile, str(next(numbers)))


def real_s(url: str, folder: Path, plan: Plan, durations_ms: dict[str, int], workers: int) -> float:
    """The makespan by real processes: from the first body to the end of the last."""
    gate, log = folder / "gate", folder / "log"
    open_store(url).call("FLUSHALL")
    gate.touch()
    log.write_bytes(b"")
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=work, args=(url, gate, log, durations_ms)) for _ in range(workers)]
    engine = Engine(open_store(url), PROJECT)
    run = engine.submit(plan, base="0" * 40)
    ranking = Ranking(engine)
    ranking.refresh(workers=workers, now_ms=time.time_ns() // 1_000_000)
    try:
        for process in processes:
            process.start()
        time.sleep(0.3)  # all of them are connected and wait
        gate.unlink()
        while not engine.run(run).state.is_terminal:
            time.sleep(1.0)
            ranking.refresh(workers=workers, now_ms=time.time_ns() // 1_000_000)
    finally:
        for process in processes:
            process.kill()
            process.join()
    rows = [line.split() for line in log.read_text(encoding="utf-8").splitlines()]
    if sorted(row[0] for row in rows) != sorted(durations_ms):
        raise RuntimeError(f"{plan.goal}: {len(rows)} bodies ran for {len(durations_ms)} tasks")
    return max(float(row[2]) for row in rows) - min(float(row[1]) for row in rows)


def main() -> int:
    """Measure what the command line asks for; 1 when a run is more than 3 % from its simulation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0, help="about how long each run takes")
    parser.add_argument("--workers", default="4,8,16,32")
    parser.add_argument("--only", default="")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--page", type=Path)
    given = parser.parse_args()
    rows: list[dict[str, str | int | float]] = []
    with tempfile.TemporaryDirectory(prefix="swarm-bench-") as folder, private_server(Path(folder)) as url:
        for path in sorted(WORKFLOWS.glob("*.json")):
            if not path.name.startswith(tuple(given.only.split(","))):
                continue
            for workers in map(int, given.workers.split(",")):
                plan, durations_ms = scaled(read_workflow(path), workers, given.seconds)
                virtual_s = run_virtually(open_store(url), plan, durations_ms, workers=workers).makespan_s
                took_s = real_s(url, Path(folder), plan, durations_ms, workers)
                name = plan.goal.split("-")[0]
                rows.append(
                    {
                        "workflow": name,
                        "tasks": len(plan.tasks),
                        "workers": workers,
                        "simulated_s": virtual_s,
                        "real_s": took_s,
                        "ratio": took_s / virtual_s,
                    }
                )
                print(rows[-1], file=sys.stderr)
    lines = [
        "| workflow | tasks | workers | simulated, s | real, s | real ÷ simulated |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        figures = f"{row['simulated_s']:.3f} | {row['real_s']:.3f} | {row['ratio']:.4f}"
        lines.append(f"| {row['workflow']} | {row['tasks']} | {row['workers']} | {figures} |")
    print("\n".join(lines))
    if given.out:
        given.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    if given.page:
        fill_page(given.page, BEGIN, END, "\n".join(lines))
    return int(any(abs(float(row["ratio"]) - 1) > 0.03 for row in rows))


if __name__ == "__main__":
    sys.exit(main())
