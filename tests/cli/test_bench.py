"""`swarm bench engine` as a user calls it."""

import json
import subprocess
import sys
from pathlib import Path

FIGURES = {
    "workload",
    "reps",
    "aof",
    "tasks",
    "workers",
    "enqueue_s",
    "makespan_s",
    "tasks_per_s",
    "hop_p50_ms",
    "hop_p99_ms",
    "redis_commands_per_task",
    "redis_reads_per_task",
    "redis_bytes_per_task",
    "redis_cpu_us_per_task",
}


def swarm(*argv: str) -> "subprocess.CompletedProcess[str]":
    """The command, in a process of its own: it starts a server and workers."""
    return subprocess.run([sys.executable, "-m", "swarm", *argv], capture_output=True, text=True, check=False)


def test_a_made_graph_is_measured() -> None:
    """Real workers, real locks; every figure is there, and a task costs about one round trip."""
    call = swarm("bench", "engine", "--workload", "layered", "--tasks", "300", "--files", "2", "--json")

    figures = json.loads(call.stdout)
    assert set(figures) == FIGURES
    assert figures["tasks"] == 300
    assert figures["redis_reads_per_task"] < 2


def test_a_graph_from_a_file_is_measured(tmp_path: Path) -> None:
    """In any order, with any ids."""
    graph = tmp_path / "graph.json"
    graph.write_text('[["join", ["left", "right"]], ["left", []], ["right", []]]')

    call = swarm("bench", "engine", "--dag", str(graph), "--workers", "1")

    assert "tasks_per_s" in call.stdout
    assert call.stdout.endswith("checked: each task ran once, and after its dependencies\n")
    assert call.returncode == 0


def test_a_graph_that_cannot_run_is_refused(tmp_path: Path) -> None:
    """A cycle, an unknown task, another form: exit 2, and what to do."""
    for text, said in (
        ('[["a", ["b"]], ["b", ["a"]]]', "cycle"),
        ('[["a", ["b"]]]', "unknown task 'b'"),
        ('{"a": []}', 'an array is wanted, not {"a": []}'),
        ('{"ab": 1, "cd": 2}', "an array is wanted"),
        ('[["a", []], ["b", "a"]]', '$[1] is no [id, [dependencies]]: ["b", "a"]'),
        ("[[", "not JSON: "),
        ('[["a", []], ["a", []]]', "twice"),
        ("[]", "no task"),
    ):
        graph = tmp_path / "graph.json"
        graph.write_text(text)

        call = swarm("bench", "engine", "--dag", str(graph))

        assert (call.returncode, said in call.stderr) == (2, True), call.stderr


def test_a_graph_that_is_not_there_or_not_alone_is_refused(tmp_path: Path) -> None:
    """Which file, which option."""
    graph = tmp_path / "graph.json"

    missing = swarm("bench", "engine", "--dag", str(graph))
    graph.write_text('[["a", []]]')
    beside = [
        swarm("bench", "engine", "--dag", str(graph), *words)
        for words in (("--workload", "layered"), ("--tasks", "7"))
    ]

    assert (missing.returncode, *(call.returncode for call in beside)) == (2, 2, 2)
    assert f"{graph}: No such file or directory" in missing.stderr
    assert ["--dag and --workload" in beside[0].stderr, "--dag and --tasks" in beside[1].stderr] == [
        True,
        True,
    ]
