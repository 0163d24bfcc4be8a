"""How long commands take to start, and plans of 10,000 tasks to read, beside Python's own start-up.

    python benchmarks/commands.py [--reps 9] [--out results.json]

Each command runs as a process of its own, in turn with `python -c pass`; figures are medians of wall
time, and `beyond_python_ms` is the median of the pairwise differences.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from figures import tell

from swarm.testing.repository import make_repository

TASKS = 10_000


def big_plan(tasks: int) -> str:
    """Tasks in layers of 100, each after two of the layer before, each with a file of its own."""
    return json.dumps(
        [
            {
                "id": f"t{n}",
                "description": f"task {n}",
                "dependencies": [f"t{n - 100}", f"t{n - 100 - n % 100}"][: 2 if n % 100 else 1]
                if n >= 100
                else [],
                "files": [f"src/{n % 97}/module_{n}.py"],
                "command": ["true"],
            }
            for n in range(tasks)
        ]
    )


def wall_ms(argv: list[str]) -> float:
    """One run of one command."""
    started = time.perf_counter()
    subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - started) * 1e3


def main() -> None:
    """Measure, print JSON, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reps", type=int, default=9)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = make_repository(Path(folder) / "repo", {"README.md": "bench\n"}).path
        plan = Path(folder) / "plan.json"
        plan.write_text(big_plan(TASKS), encoding="utf-8")
        small = Path(folder) / "small.json"
        small.write_text(big_plan(3), encoding="utf-8")
        swarm = [sys.executable, "-m", "swarm", "-C", str(root)]
        subprocess.run([*swarm, "run", str(small), "-y", "--workers", "1"], check=True, capture_output=True)
        commands = {
            "swarm --help": [*swarm, "--help"],
            "swarm status": [*swarm, "status"],
            "swarm validate, 10,000 tasks": [*swarm, "validate", str(plan)],
            "swarm show --format json, 10,000 tasks": [*swarm, "show", str(plan), "--format", "json"],
        }
        try:
            result = {name: measure(argv, arguments.reps) for name, argv in commands.items()}
        finally:
            subprocess.run([*swarm, "down"], check=True, capture_output=True)
    tell(result, arguments.out)


def measure(argv: list[str], reps: int) -> dict[str, float]:
    """Medians over `reps` runs, after one that warms the caches."""
    wall_ms(argv)
    pairs = [(wall_ms([sys.executable, "-c", "pass"]), wall_ms(argv)) for _ in range(reps)]
    return {
        "wall_ms": round(statistics.median(own for _, own in pairs), 1),
        "beyond_python_ms": round(statistics.median(own - bare for bare, own in pairs), 1),
    }


if __name__ == "__main__":
    main()
