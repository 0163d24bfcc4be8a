"""What the benchmarks are to show, beside what their last runs in this folder showed.

    python benchmarks/goals.py [RESULTS] [--json]

Reads what `make bench`, `bench-scheduling`, `bench-real`, `bench-landing` and `bench-workspaces` leave in
`benchmarks/results`. It judges nothing else: a figure of a busy machine is a figure of a busy machine.
"""

import argparse
import json
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"
PEERS = ("dramatiq", "taskiq")
LOOP = "loop_redis_py"
KINDS = {"≥": operator.ge, "≤": operator.le, "=": operator.eq}


@dataclass(frozen=True)
class Goal:
    """A figure, and what it is to be at least, at most or exactly."""

    of: str  # the file of results, without `.json`
    what: str
    find: Callable[[dict], float]  # KeyError where it was not measured
    kind: str
    bound: float


def at(*names: str) -> Callable[[dict], float]:
    """The figure below these keys."""

    def find(figures: dict) -> float:
        for name in names:
            figures = figures[name]
        return figures  # type: ignore[return-value]

    return find


def of_best_peer(
    workload: str, figure: str, best: Callable[[Sequence[float]], float]
) -> Callable[[dict], float]:
    """The engine's figure over that of the better of the peers."""

    def find(figures: dict) -> float:
        found = figures[workload]
        return found["engine"][figure] / best([found[peer][figure] for peer in PEERS])

    return find


def worst(figure: str, pick: Callable[[Sequence[float]], float]) -> Callable[[dict], float]:
    """The worst of a figure of the engine's over all workloads without locks."""

    def find(figures: dict) -> float:
        return pick([each["engine"][figure] for name, each in figures.items() if _is_plain(name, each)])

    return find


def _is_plain(name: str, measured: object) -> bool:
    return isinstance(measured, Mapping) and "engine" in measured and name != "locked"


GOALS = (
    *(
        Goal("engine", f"{name}: tasks/s, of the loop", at(name, f"tasks_per_s_over_{LOOP}"), "≥", 0.8)
        for name in ("independent", "layered")
    ),
    *(
        Goal("engine", f"{name}: tasks/s, of the best peer", of_best_peer(name, "tasks_per_s", max), "≥", 2)
        for name in ("independent", "layered")
    ),
    Goal("engine", "chain: p50 of a hop, of the loop", at("chain", f"hop_p50_ms_over_{LOOP}"), "≤", 2),
    Goal(
        "engine", "chain: p50 of a hop, of the best peer", of_best_peer("chain", "hop_p50_ms", min), "≤", 0.3
    ),
    Goal("engine", "fan: makespan, of the loop", at("fan", f"makespan_s_over_{LOOP}"), "≤", 1.5),
    Goal(
        "engine",
        "5 files and 3 reads: tasks/s, of the loop",
        at("locked", f"tasks_per_s_over_{LOOP}"),
        "≥",
        0.5,
    ),
    Goal(
        "engine",
        "append-only file: tasks/s, of without",
        at("durable", "tasks_per_s_over_engine_in_memory"),
        "≥",
        0.9,
    ),
    Goal("engine", "socket reads a task, the most", worst("redis_reads_per_task", max), "≤", 1.2),
    Goal(
        "engine",
        "Redis commands a task, the most without locks",
        worst("redis_commands_per_task", max),
        "≤",
        25,
    ),
    Goal("size", "100,000 tasks submitted, s", at("loading", "submit_s"), "≤", 3),
    Goal("size", "a task among 100,000, of one among 1,000", at("one_of_many", "wall_ratio"), "≤", 1.3),
    Goal("size", "the same, the server's part of it alone", at("one_of_many", "ratio"), "≤", 1.3),
    Goal("size", "a claim beside 10,000 parked tasks, of one alone", at("parked_claims", "ratio"), "≤", 2),
    Goal("scheduling", "median makespan, of the simple bound", at("median", "swarm"), "≤", 1.022),
    Goal("scheduling", "cases 0.5 % above list scheduling or a queue", at("missed"), "=", 0),
    Goal(
        "real",
        "real processes, of the simulation, the most",
        lambda rows: max(row["ratio"] for row in rows),
        "≤",
        1.03,
    ),
    Goal("landing", "landings a second, a no-op gate, synced", at("no_op_gate", "landings_per_s"), "≥", 50),
    Goal(
        "landing",
        "landings a second, a no-op gate, not synced",
        at("no_op_gate_unsynced", "landings_per_s"),
        "≥",
        100,
    ),
    Goal("landing", "1,000 landings, a gate of 1 s: s of gates", at("gate_1s", "gate_s"), "≤", 60),
    Goal("landing", "20 bad of 1,000: sent back", lambda found: len(found["gate_1s_bad"]["guilty"]), "=", 20),
    Goal(
        "landing", "20 bad of 1,000: gate runs, of an oracle's", at("gate_1s_bad", "runs_over_oracle"), "≤", 8
    ),
    Goal("workspaces", "overlay, of git worktree add", at("of_git_worktree_add", "overlay_one"), "≤", 0.2),
    Goal("workspaces", "copy, of git worktree add", at("of_git_worktree_add", "copy_one"), "≤", 0.6),
    Goal(
        "workspaces",
        "overlay, 50 at once, of the same",
        at("of_git_worktree_add", "overlay_at_once"),
        "≤",
        0.2,
    ),
    Goal("workspaces", "copy, 50 at once, of the same", at("of_git_worktree_add", "copy_at_once"), "≤", 0.6),
    Goal("workspaces", "an attempt taken from an overlay, ms", at("taking_ms", "overlay"), "≤", 100),
    Goal("workspaces", "an attempt taken from a copy, ms", at("taking_ms", "copy"), "≤", 100),
)


@dataclass(frozen=True)
class Line:
    """One goal and what was measured; None where nothing was."""

    of: str
    what: str
    goal: str
    measured: float | None
    is_met: bool | None


def compare(folder: Path) -> list[Line]:
    """Every goal beside the figure of the last run."""
    read = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")}
    lines = []
    for goal in GOALS:
        try:
            measured = goal.find(read[goal.of])
        except (KeyError, TypeError):
            measured = None
        is_met = None if measured is None else bool(KINDS[goal.kind](measured, goal.bound))
        lines.append(Line(goal.of, goal.what, f"{goal.kind} {goal.bound:g}", measured, is_met))
    return lines


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, nargs="?", default=RESULTS)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    given = parser.parse_args()
    lines = compare(given.results)
    if given.json:
        print(json.dumps([asdict(line) for line in lines], indent=1))
        return
    for line in lines:
        measured = "not measured" if line.measured is None else f"{line.measured:.4g}"
        verdict = {None: "", True: "met", False: "MISSED"}[line.is_met]
        print(f"{line.of:11}{line.what:52}{line.goal:>8} {measured:>13}  {verdict}".rstrip())


if __name__ == "__main__":
    main()
