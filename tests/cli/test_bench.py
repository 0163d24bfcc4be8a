"""`swarm bench engine` as a user calls it."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from real_swarm import wait_for

from swarm.bench.engine import PROJECT, Bench, load_engine, measure, unfinished_in_engine
from swarm.bench.graphs import independent
from swarm.engine.claims import WorkerProfile
from swarm.engine.connect import open_store
from swarm.engine.engine import Engine
from swarm.errors import NotFinishedError

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
    assert call.stdout.endswith(
        "checked: each task ran once, after its dependencies, and is done to the engine\n"
    )
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
    beside = swarm("bench", "engine", "--dag", str(graph), "--workload", "layered")

    assert (missing.returncode, beside.returncode) == (2, 2)
    assert f"{graph}: No such file or directory" in missing.stderr
    assert "--dag and --workload" in beside.stderr


@pytest.mark.parametrize(("tasks", "ran"), [(2, 2), (7, 3)])
def test_a_part_of_a_graph_is_what_comes_first_in_it(tmp_path: Path, tasks: int, ran: int) -> None:
    """All that a task of it needs is in it; a graph that is smaller is whole."""
    graph = tmp_path / "graph.json"
    graph.write_text('\ufeff[["c", ["b"]], ["b", ["a"]], ["a", []]]', encoding="utf-8")

    call = swarm("bench", "engine", "--dag", str(graph), "--tasks", str(tasks), "--workers", "1", "--json")

    assert json.loads(call.stdout)["tasks"] == ran


@pytest.mark.parametrize(("workload", "tasks", "least"), [("chain", 1, 2), ("fan", 1, 3), ("fan", 2, 3)])
def test_fewer_tasks_than_a_workload_has_are_refused(workload: str, tasks: int, least: int) -> None:
    """They were measured as more, or divided by nothing."""
    call = swarm("bench", "engine", "--workload", workload, "--tasks", str(tasks))

    assert call.returncode == 2
    assert f"{workload!r} has at least {least} tasks, got {tasks}" in call.stderr
    assert swarm("bench", "engine", "--workload", workload, "--tasks", str(least)).returncode == 0


def _killed_after_three(bench: Bench) -> None:
    """A worker that the kernel kills, as it does when memory is out."""
    body = bench.recorder()
    for task in range(3):
        body(task)
    os.kill(os.getpid(), signal.SIGKILL)


def test_workers_that_die_end_the_measurement_at_once(redis_url: str, tmp_path: Path) -> None:
    """Not after the ten minutes that are given to a measurement; it says how they ended."""
    begun_s = time.monotonic()

    with pytest.raises(
        NotFinishedError, match=r"worker processes died \(killed by signal 9\) after \d of 32"
    ):
        measure(
            Bench(redis_url, tmp_path),
            independent(5),
            workers=1,
            worker=_killed_after_three,
            load=load_engine,
            is_gated=False,
        )

    assert time.monotonic() - begun_s < 10


def test_a_run_is_finished_when_the_engine_says_so_of_every_task(redis_url: str, tmp_path: Path) -> None:
    """That the bodies ran does not make it so."""
    bench, worker = Bench(redis_url, tmp_path), WorkerProfile("w")
    run = load_engine(bench, independent(2))()
    with closing(Engine(open_store(redis_url), PROJECT)) as engine:
        held = [engine.claim(worker, name) for name in ("first", "second")]
        half = [unfinished_in_engine(bench, run)]
        for claim in held:
            assert claim is not None
            engine.finish(claim)
            half.append(unfinished_in_engine(bench, run))

    assert half == [
        "to the engine the run is active, and 0 of 2 tasks are done",
        "to the engine the run is active, and 1 of 2 tasks are done",
        "",
    ]


def test_a_measurement_that_is_killed_leaves_nothing_at_work(tmp_path: Path) -> None:
    """Neither its workers, which would wait for tasks for ever, nor their server."""
    words = ("bench", "engine", "--workload", "independent", "--tasks", "100000")
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    measuring = subprocess.Popen([sys.executable, "-m", "swarm", *words], env=environment)
    try:
        [bodies] = wait_for(
            lambda: [path for path in tmp_path.glob("*/bodies") if path.stat().st_size], "a body"
        )
        folder = str(bodies.parent)
        before = at_work_in(folder, measuring.pid)
    finally:
        measuring.kill()
        measuring.wait()

    assert len(before) >= 4  # two workers, a watcher, the server
    wait_for(lambda: not [each for each in before if each.is_running()], "their end")


def at_work_in(folder: str, measuring: int) -> list[psutil.Process]:
    """What a measurement has started: its children, and what was told of its folder on a command line."""
    found = psutil.Process(measuring).children(recursive=True)
    for process in psutil.process_iter(["cmdline"]):
        if any(folder in word for word in process.info["cmdline"] or ()) and process not in found:
            found.append(process)
    return found
