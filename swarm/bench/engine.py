"""No-op tasks through the real engine: claim, body, finish-and-claim; locks, leases, fencing, events.

A task's body appends 16 bytes (task, process, monotonic time) to one file, about 2 µs; every time that is
reported comes from that file, and every count from the server's own counters.
"""

import multiprocessing
import os
import statistics
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from multiprocessing.process import BaseProcess
from pathlib import Path

from swarm.bench.graphs import Graph
from swarm.engine.claims import Finish, WorkerProfile
from swarm.engine.connect import open_store
from swarm.engine.engine import Engine
from swarm.engine.words import text_of
from swarm.errors import NotFinishedError
from swarm.plan.model import Plan, TaskSpec
from swarm.sandbox.processes import die_with
from swarm.states import RunState, TaskState

PROJECT = "bench"
LIMIT_S = 600.0
IDLE_S = 0.2
TICK_S = 2.0
SETTLE_S = 10.0
"""So long after its body the last task may end."""
_RECORD = struct.Struct("<IId")


@dataclass(frozen=True)
class Measured:
    """What one run of one graph cost."""

    tasks: int
    workers: int
    enqueue_s: float  # from the first byte of the plan to its activation
    makespan_s: float  # to the last body: from before submitting, or from the first body of a gated graph
    tasks_per_s: float
    hop_p50_ms: float | None  # from the body of a task's last dependency to its own
    hop_p99_ms: float | None
    redis_commands_per_task: float  # those inside scripts count
    redis_reads_per_task: float  # reads of sockets: round trips
    redis_bytes_per_task: float
    redis_cpu_us_per_task: float


@dataclass(frozen=True)
class Bench:
    """Where a run is measured: a server that is nobody else's, and a folder for what the workers write."""

    url: str
    folder: Path

    @property
    def log(self) -> Path:
        """What ran when."""
        return self.folder / "bodies"

    @property
    def gate(self) -> Path:
        """While it is there, the first task waits."""
        return self.folder / "gate"

    def recorder(self) -> Callable[[int], None]:
        """The body of a task, for one process."""
        descriptor = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        process = os.getpid()

        def body(task: int) -> None:
            while task == 0 and self.gate.exists():
                time.sleep(0.001)
            os.write(descriptor, _RECORD.pack(task, process, time.monotonic()))

        return body


Worker = Callable[[Bench], None]
Load = Callable[[Bench, Graph], Callable[[], object]]
"""Makes its own form of a graph, which nobody's clock sees, and returns what hands it in, which is timed."""
Unfinished = Callable[[Bench, object], str]
"""Given what was handed in, says what is not done to whoever gave it out; empty when all is."""


def nothing_more(_bench: Bench, _handed_in: object) -> str:
    """Of a queue that keeps no record: that the bodies ran is all there is to ask."""
    return ""


def engine_worker(bench: Bench) -> None:
    """One process of the engine: a round trip a task for as long as there is one, then a wait."""
    engine = Engine(open_store(bench.url), PROJECT)
    worker = WorkerProfile(f"bench-{os.getpid()}", types=("general",), executors=("command",))
    body, numbers = bench.recorder(), count()
    claim, tick_at_s = None, time.monotonic() + TICK_S
    while True:
        claim = claim or engine.claim(worker, str(next(numbers)))
        if claim is None:
            engine.wait(worker, timeout_s=IDLE_S)
            if time.monotonic() > tick_at_s:  # as a worker does: of many dependents some are left to a tick
                engine.reclaim_expired()
                tick_at_s = time.monotonic() + TICK_S
            continue
        body(int(claim.task.id))
        claim = engine.end_and_claim(claim, Finish(), worker, str(next(numbers)))


def load_engine(bench: Bench, graph: Graph, *, files: int = 0, reads: int = 0) -> Callable[[], str]:
    """The graph as a plan; each task with `files` of its own and `reads` shared, at depth 4."""
    tasks = tuple(
        TaskSpec(
            task,
            "no-op",
            dependencies=tuple(needs),
            files=tuple(f"src/a/b/{task}/{n}.py" for n in range(files)),
            reads=tuple(f"docs/a/b/c/{n}.md" for n in range(reads)),
            executor="command",
            command=("true",),
            estimate_s=1.0,
        )
        for task, needs in graph
    )
    engine, plan = Engine(open_store(bench.url), PROJECT), Plan(tasks)

    def hand_in() -> str:
        with closing(engine):
            return engine.submit(plan, base="0" * 40, key=str(time.time_ns()))

    return hand_in


def unfinished_in_engine(bench: Bench, run: object) -> str:
    """What the engine's own record of the run lacks; empty when it says that every task is done."""
    with closing(Engine(open_store(bench.url), PROJECT)) as engine:
        record = engine.run(str(run))
    done, tasks = record.counts[TaskState.DONE], sum(record.counts.values())
    if record.state is RunState.DONE and done == tasks:
        return ""
    return f"to the engine the run is {record.state}, and {done} of {tasks} tasks are done"


def measure(
    bench: Bench,
    graph: Graph,
    *,
    workers: int,
    worker: Worker,
    load: Load,
    is_gated: bool,
    unfinished: Unfinished = nothing_more,
) -> Measured:
    """One run on an emptied server, by processes that are at work before the first task is there.

    A gated graph begins when all of it is stored: what it measures is hops, not loading.

    Raises:
        NotFinishedError: a task did not run, ran twice, ran before its dependencies, or is not done
            to whoever gave it out; or a worker process died.
    """
    numbers = {task: number for number, (task, _) in enumerate(graph)}
    numbered = [(str(numbers[task]), [str(numbers[need]) for need in needs]) for task, needs in graph]
    with closing(open_store(bench.url)) as store:
        store.call("FLUSHALL")
    bench.log.write_bytes(b"")
    processes = [
        multiprocessing.get_context("fork").Process(target=_mortal, args=(worker, bench, os.getpid()))
        for _ in range(workers)
    ]
    try:
        for process in processes:
            process.start()
        _warm(bench, load, processes)
        bench.log.write_bytes(b"")
        if is_gated:
            bench.gate.touch()
        return _timed(bench, numbered, processes, load, unfinished, is_gated=is_gated)
    finally:
        for process in processes:
            process.kill()
            process.join()


def _mortal(worker: Worker, bench: Bench, measuring: int) -> None:
    die_with(measuring)
    worker(bench)


def _warm(bench: Bench, load: Load, processes: Sequence[BaseProcess]) -> None:
    """Neither imports nor connections nor the scripts' first load are measured."""
    tasks = 32 * len(processes)
    load(bench, [(str(task), []) for task in range(tasks)])()
    _await(bench, tasks, processes)


def _timed(
    bench: Bench,
    graph: Graph,
    processes: Sequence[BaseProcess],
    load: Load,
    unfinished: Unfinished,
    *,
    is_gated: bool,
) -> Measured:
    hand_in = load(bench, graph)
    before, started_s = _usage(bench.url), time.monotonic()
    handed_in = hand_in()
    enqueued_s = time.monotonic()
    bench.gate.unlink(missing_ok=True)
    _await(bench, len(graph), processes)
    after = _settle(bench, lambda: unfinished(bench, handed_in))
    at_s = _checked(bench.log.read_bytes(), graph)
    begun_s = min(at_s) if is_gated else started_s
    makespan_s = max(at_s) - begun_s
    commands, reads, sent, cpu_us = ((new - old) / len(graph) for new, old in zip(after, before, strict=True))
    p50_ms, p99_ms = _hops(at_s, graph)
    return Measured(
        tasks=len(graph),
        workers=len(processes),
        enqueue_s=enqueued_s - started_s,
        makespan_s=makespan_s,
        tasks_per_s=len(graph) / makespan_s,
        hop_p50_ms=p50_ms,
        hop_p99_ms=p99_ms,
        redis_commands_per_task=commands,
        redis_reads_per_task=reads,
        redis_bytes_per_task=sent,
        redis_cpu_us_per_task=cpu_us,
    )


def _await(bench: Bench, tasks: int, processes: Sequence[BaseProcess]) -> None:
    deadline_s = time.monotonic() + LIMIT_S
    while (ran := bench.log.stat().st_size // _RECORD.size) < tasks:
        dead = [process.exitcode for process in processes if process.exitcode is not None]
        if dead:
            how = f"killed by signal {-dead[0]}" if dead[0] < 0 else f"exit code {dead[0]}"
            raise NotFinishedError(
                f"{len(dead)} of {len(processes)} worker processes died ({how}) after {ran} of {tasks} tasks",
                hint="its traceback is above, if there is one; out of memory, run fewer --workers",
            )
        if time.monotonic() > deadline_s:
            raise NotFinishedError(f"{ran} of {tasks} tasks ran in {LIMIT_S:.0f} s", hint="run fewer tasks")
        time.sleep(0.005)


def _settle(bench: Bench, unfinished: Callable[[], str]) -> tuple[float, float, float, float]:
    """What the server was used for when the last task, whose end comes after its body, had ended."""
    deadline_s = time.monotonic() + SETTLE_S
    while True:
        time.sleep(0.05)
        used = _usage(bench.url)
        lacking = unfinished()
        if not lacking:
            return used
        if time.monotonic() > deadline_s:
            raise NotFinishedError(f"all bodies ran, but {lacking}", hint="this is a defect: report it")


def _checked(log: bytes, graph: Graph) -> list[float]:
    """When each task ran, in the order of the graph."""
    at_s: dict[int, float] = {}
    for task, _, moment_s in _RECORD.iter_unpack(log):
        if task in at_s:
            raise NotFinishedError(f"task {task} ran twice", hint="this is a defect: report it")
        at_s[task] = moment_s
    for task, needs in graph:
        if any(at_s[int(need)] >= at_s[int(task)] for need in needs):
            raise NotFinishedError(f"task {task} ran before a dependency", hint="this is a defect: report it")
    return [at_s[int(task)] for task, _ in graph]


def _hops(at_s: Sequence[float], graph: Graph) -> tuple[float | None, float | None]:
    hops_ms = sorted(
        (at_s[int(task)] - max(at_s[int(need)] for need in needs)) * 1000 for task, needs in graph if needs
    )
    if not hops_ms:
        return None, None
    return statistics.median(hops_ms), hops_ms[int(len(hops_ms) * 0.99)]


def _usage(url: str) -> tuple[float, float, float, float]:
    """Commands, socket reads, bytes and CPU microseconds of the server so far."""
    with closing(open_store(url)) as store:
        info = text_of(store.call("INFO", "all"))
    fields = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
    return (
        float(fields["total_commands_processed"]),
        float(fields["total_reads_processed"]),
        float(fields["total_net_input_bytes"]) + float(fields["total_net_output_bytes"]),
        (float(fields["used_cpu_user"]) + float(fields["used_cpu_sys"])) * 1e6,
    )
