"""What the benchmarks are to show, beside what they showed: no figure is looked for where none is written."""

import json
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def run(script: str, *arguments: str | Path) -> str:
    """What a benchmark prints."""
    argv = [sys.executable, BENCHMARKS / script, *arguments]
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout


def test_each_figure_of_the_engine_is_found_where_its_benchmark_writes_it(tmp_path: Path) -> None:
    run("engine.py", "--reps", "1", "--scale", "0.02", "--out", tmp_path / "engine.json")
    lines = json.loads(run("goals.py", tmp_path, "--json"))
    measured = {line["what"] for line in lines if line["measured"] is not None}
    asked = {line["what"] for line in lines if line["of"] == "engine" and "peer" not in line["what"]}
    assert asked
    assert measured == asked


def test_a_goal_is_met_at_its_bound_and_missed_beyond_it(tmp_path: Path) -> None:
    found = {"gate_1s": {"gate_s": 60}, "gate_1s_bad": {"runs_over_oracle": 8.01, "guilty": ["t"] * 20}}
    (tmp_path / "landing.json").write_text(json.dumps(found), encoding="utf-8")
    lines = json.loads(run("goals.py", tmp_path, "--json"))
    verdicts = {line["goal"]: line["is_met"] for line in lines if line["is_met"] is not None}
    assert verdicts == {"≤ 60": True, "= 20": True, "≤ 8": False}
    printed = run("goals.py", tmp_path).splitlines()
    assert len(printed) == len(lines)
    assert [line.split()[-1] for line in printed if "8.01" in line] == ["MISSED"]
