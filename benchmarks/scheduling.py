"""Makespans of measured workflows in virtual time, by the scripts that schedule real runs.

    python benchmarks/scheduling.py [--out results.json] [--page docs/benchmarks.md] [--only bwa,soykb]

Every graph of benchmarks/workflows at 4, 8, 16 and 32 workers: what swarm takes when it knows durations, and
when it learns them by type from nothing; beside plain list scheduling by critical path, submission order,
the order of readiness, and two lower bounds. Deterministic: the same table every time.
"""

import argparse
import heapq
import json
import random
import re
import statistics
import sys
from collections import deque
from pathlib import Path

from swarm.engine.bounds import lower_bound_s, tight_bound_s
from swarm.engine.connect import open_store
from swarm.engine.justify import justified_ranks_s, lock_ranks_s
from swarm.engine.schedule import TaskGraph, graph_of, list_schedule, upward_ranks_s
from swarm.engine.store import Store
from swarm.fleet.temporary_server import temporary_server
from swarm.plan.graph import topological_order
from swarm.plan.model import Plan, TaskSpec
from swarm.simulation.virtual_run import Estimates, Policy, run_virtually

WORKFLOWS = Path(__file__).resolve().parent / "workflows"
WORKERS = (4, 8, 16, 32)
BEGIN, END = "<!-- scheduling: begin -->", "<!-- scheduling: end -->"
LOCKS = "| `lock-aware` to `critical-path` | least | mean | most |\n|---|--:|--:|--:|"
PLANS = 40
COLUMNS = ("tight_bound", "swarm", "learnt", "list", "submitted", "ready")

Row = dict[str, float | int | str]


def read_workflow(path: Path) -> Plan:
    """A workflow as a plan; what a task took is its estimate, and its id without the number its type."""
    rows = {task: (seconds, before) for task, seconds, before in json.loads(path.read_text(encoding="utf-8"))}
    tasks = [
        TaskSpec(
            id=task,
            description=task,
            type=re.sub(r"_(ID)?\d+$", "", task),
            dependencies=tuple(rows[task][1]),
            executor="command",
            command=("true",),
            estimate_s=rows[task][0],
        )
        for task in topological_order({task: before for task, (_, before) in rows.items()})
    ]
    return Plan(tuple(tasks), goal=path.stem)


def ready_order_s(graph: TaskGraph, workers: int) -> float:
    """What a plain queue takes: whoever becomes ready first goes first."""
    waiting = [len(before) for before in graph.before]
    queue = deque(place for place, count in enumerate(waiting) if not count)
    running: list[tuple[float, int]] = []
    now = 0.0
    while queue or running:
        while queue and len(running) < workers:
            place = queue.popleft()
            heapq.heappush(running, (now + graph.durations_s[place], place))
        now, place = heapq.heappop(running)
        for later in graph.after[place]:
            waiting[later] -= 1
            if not waiting[later]:
                queue.append(later)
    return now


def measure(store: Store, plan: Plan, workers: int) -> Row:
    """One line of the table: seconds, and everything else in parts of the simple bound."""
    durations_ms = {task.id: round(task.estimate_s * 1000) for task in plan.tasks}
    graph = graph_of(plan, [durations_ms[task.id] / 1000 for task in plan.tasks])
    bound_s = lower_bound_s(graph, workers)

    def virtual_s(policy: Policy, estimates: Estimates) -> float:
        ran = run_virtually(store, plan, durations_ms, workers=workers, policy=policy, estimates=estimates)
        return ran.makespan_s

    found_s = {
        "tight_bound": tight_bound_s(graph, workers),
        "swarm": virtual_s(Policy.LOCK_AWARE, Estimates.PLAN),
        "learnt": virtual_s(Policy.LOCK_AWARE, Estimates.LEARNT),
        "list": list_schedule(graph, workers, upward_ranks_s(graph)).makespan_s,
        "submitted": virtual_s(Policy.FIFO, Estimates.NONE),
        "ready": ready_order_s(graph, workers),
    }
    named: Row = {"workflow": plan.goal.split("-")[0], "tasks": len(plan.tasks), "workers": workers}
    return named | {"bound_s": round(bound_s, 3)} | {k: round(s / bound_s, 4) for k, s in found_s.items()}


def contended(seed: int) -> TaskGraph:
    """A seeded plan of 60 tasks of which 30 to 100 % write one of 2 to 8 files."""
    chance, tasks = random.Random(seed), list[TaskSpec]()
    files, share = chance.choice((2, 4, 8)), chance.choice((0.3, 0.6, 1.0))
    before = chance.choice(((0, 0, 1), (0, 1, 1, 2), (1, 1, 2)))
    for number in range(60):
        after = chance.sample([task.id for task in tasks], min(len(tasks), chance.choice(before)))
        scope = (f"f{chance.randrange(files)}.py",) if chance.random() < share else ()
        seconds = round(chance.lognormvariate(3, 1), 1)
        tasks.append(TaskSpec(f"t{number}", "", dependencies=tuple(after), files=scope, estimate_s=seconds))
    return graph_of(Plan(tuple(tasks)))


def measure_locks() -> str:
    """Lock-aware against critical-path on plans that share files, in memory; as a line of Markdown."""
    searched, taken = list[float](), list[float]()
    for seed in range(PLANS):
        graph = contended(seed)
        for workers in WORKERS[:3]:

            def takes_s(ranks: list[float], graph: TaskGraph = graph, workers: int = workers) -> float:
                return list_schedule(graph, workers, ranks).makespan_s

            path_s = takes_s(justified_ranks_s(graph, workers, lock_aware=False))
            searched.append(takes_s(justified_ranks_s(graph, workers)) / path_s)
            taken.append(takes_s(lock_ranks_s(graph)) / takes_s(upward_ranks_s(graph)))
    return "\n".join(
        f"| {name} | {min(found):.4f} | {statistics.mean(found):.4f} | {max(found):.4f} |"
        for name, found in (("with the search", searched), ("ranks alone", taken))
    )


def table(rows: list[Row]) -> str:
    """The rows and their medians as Markdown."""
    lines = [
        "| workflow | tasks | workers | bound, s | tighter | **swarm** | learnt | list | submitted | ready |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        cells = " | ".join(f"{row[name]:.4f}" for name in COLUMNS)
        lines.append(
            f"| {row['workflow']} | {row['tasks']} | {row['workers']} | {row['bound_s']:.1f} | {cells} |"
        )
    medians = " | ".join(f"**{one:.4f}**" for one in median(rows).values())
    return "\n".join([*lines, f"| **median** | | | | {medians} |"])


def median(rows: list[Row]) -> dict[str, float]:
    """The median of each column."""
    return {name: statistics.median(float(row[name]) for row in rows) for name in COLUMNS}


def fill_page(path: Path, begin: str, end: str, text: str) -> None:
    """Put the text between two marks of a page."""
    before, _, rest = path.read_text(encoding="utf-8").partition(begin)
    after = rest.partition(end)[2]
    path.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def main() -> int:
    """Measure, write JSON and the page; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--page", type=Path)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    wanted = tuple(filter(None, given.only.split(",")))
    rows: list[Row] = []
    with temporary_server() as url:
        store = open_store(url, timeout_s=60.0)
        for path in sorted(WORKFLOWS.glob("*.json")):
            if not wanted or path.name.startswith(wanted):
                plan = read_workflow(path)
                rows += [measure(store, plan, workers) for workers in WORKERS]
    page = f"{table(rows)}\n\n{LOCKS}\n{measure_locks()}"
    print(page)
    missed = [row for row in rows if row["swarm"] > 1.005 * min(row["list"], row["submitted"], row["ready"])]
    if given.out:
        text = json.dumps({"rows": rows, "median": median(rows), "missed": len(missed)}, indent=2)
        given.out.write_text(text + "\n", encoding="utf-8")
    if given.page:
        fill_page(given.page, BEGIN, END, page)
    return int(bool(missed) or (not wanted and median(rows)["swarm"] > 1.022))


if __name__ == "__main__":
    sys.exit(main())
