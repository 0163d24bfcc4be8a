"""What size costs: loading 100,000 tasks, one task of them, tasks parked on one lock, memory, slow scripts.

    python benchmarks/size.py [--tasks 100000] [--parked 10000] [--reps 3] [--out results.json]

One private server over a unix socket, one connection. Times of scripts are the server's own (`commandstats`,
SLOWLOG), which what else the machine does moves less than a clock on the wall; `submit_s` is wall time.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from figures import tell

from swarm.bench.graphs import layered
from swarm.bench.server import private_server
from swarm.engine.claims import Claim, Failure, Finish, WorkerProfile
from swarm.engine.connect import open_store
from swarm.engine.engine import Engine
from swarm.engine.ranks import urgency
from swarm.engine.words import text_of
from swarm.plan.model import Plan, TaskSpec
from swarm.states import FailureKind

if TYPE_CHECKING:
    from swarm.engine.store import Store

BASE, PROJECT = "0" * 40, "bench"
WORKER = WorkerProfile("bench", types=("general",), executors=("command",))
FEW, BATCH, RUN = 1_000, 50, 20_000
DESCRIPTION = "Give every button of the shop's checkout a label that a screen reader can read aloud"


class Cost(NamedTuple):
    """What a task of a batch cost, in microseconds: its script on the server, and all of it on the clock."""

    server_us: float
    wall_us: float


class Rig:
    """An engine on a private server, and the server's own figures."""

    def __init__(self, url: str) -> None:
        self.store: Store = open_store(url)
        self.engine = Engine(open_store(url), PROJECT)
        self._numbers = count()

    def fresh(self) -> None:
        """Empty the server; the scripts are loaded."""
        self.store.call("FLUSHALL")
        self.engine.submit(Plan(()), base=BASE)
        self.store.call("CONFIG", "RESETSTAT")

    def fcall_us(self) -> tuple[int, int]:
        """Calls of scripts, and the microseconds that they took, since this was asked last."""
        lines = text_of(self.store.call("INFO", "commandstats")).splitlines()
        line = next(line for line in lines if line.startswith("cmdstat_fcall:"))
        fields = dict(pair.split("=") for pair in line.partition(":")[2].split(","))
        self.store.call("CONFIG", "RESETSTAT")
        return int(fields["calls"]), int(fields["usec"])

    def memory(self) -> int:
        """Bytes in use."""
        lines = text_of(self.store.call("INFO", "memory")).splitlines()
        return int(next(line for line in lines if line.startswith("used_memory:")).partition(":")[2])

    def archive_events(self) -> None:
        """Say of all events that an archive has them, until no more of them go."""
        events, before = self.engine.keys.of("events"), None
        while (left := self.store.call("XLEN", events)) != before:
            before = left
            self.engine.trim_events("bench", upto=self.engine.last_event_id())

    def slowest_ms(self, work: Callable[[], object]) -> float:
        """The longest that one script took during `work`."""
        self.store.call("CONFIG", "SET", "slowlog-log-slower-than", "500")
        self.store.call("SLOWLOG", "RESET")
        work()
        entries = self.store.call("SLOWLOG", "GET", 128)
        assert isinstance(entries, list)
        times = [entry[2] for entry in entries if isinstance(entry, list) and isinstance(entry[2], int)]
        return max(times, default=0) / 1000

    def claim(self) -> Claim:
        """The next task."""
        found = self.engine.claim(WORKER, str(next(self._numbers)))
        assert found is not None
        return found

    def run(self, tasks: int) -> Iterator[Cost]:
        """Do so many tasks, one round trip each; what one cost, batch by batch."""
        claim: Claim | None = self.claim()
        self.fcall_us()
        began_s = time.perf_counter()
        for done in range(1, tasks):
            assert claim is not None
            claim = self.engine.end_and_claim(claim, Finish(), WORKER, str(next(self._numbers)))
            if done % BATCH == 0:
                took_s = time.perf_counter() - began_s
                calls, micros = self.fcall_us()
                yield Cost(micros / calls, took_s / BATCH * 1e6)
                began_s = time.perf_counter()
        assert claim is not None
        self.engine.finish(claim)


def layered_plan(tasks: int, *, files: int = 0) -> Plan:
    """The layered graph of the other benchmarks, its tasks described as people do."""
    return Plan(
        tuple(
            TaskSpec(
                name,
                DESCRIPTION,
                dependencies=tuple(needs),
                files=tuple(f"src/a/b/{name}/{n}.py" for n in range(files)),
                executor="command",
                command=("true",),
                estimate_s=1.0,
            )
            for name, needs in layered(tasks)
        )
    )


def loading(rig: Rig, plan: Plan, reps: int) -> dict[str, float]:
    """How long a plan takes to be stored and claimable."""
    taken, slowest = [], 0.0
    for rep in range(reps):
        rig.fresh()
        started_s = time.monotonic()
        slow_ms = rig.slowest_ms(lambda rep=rep: rig.engine.submit(plan, base=BASE, key=str(rep)))  # type: ignore[misc]
        taken.append(time.monotonic() - started_s)
        slowest = max(slowest, slow_ms)
    return {
        "submit_s": round(statistics.median(taken), 3),
        "submit_best_s": round(min(taken), 3),
        "slowest_ms": slowest,
    }


def small_runs(rig: Rig) -> Iterator[Cost]:
    """What a task among few costs, batch by batch, without end."""
    few = layered_plan(FEW)
    for rep in count():
        rig.fresh()
        rig.engine.submit(few, base=BASE, key=str(rep))
        yield from rig.run(FEW)


def one_of_many(rig: Rig, beside: Rig, plan: Plan) -> dict[str, float]:
    """A task's cost among many and among few, and the slowest script of each way to steer the run.

    Few and many take turns, batch by batch, on two servers: a machine's speed changes within seconds.
    """
    many, few = list[Cost](), list[Cost]()
    rig.fresh()
    run = rig.engine.submit(plan, base=BASE)
    small = small_runs(beside)

    def take_turns() -> None:
        for cost in rig.run(RUN):
            many.append(cost)
            few.append(next(small))

    slow = {"run": rig.slowest_ms(take_turns)}
    told = {task.id: urgency(7.0, task.priority) for task in plan.tasks}
    steps: dict[str, Callable[[], object]] = {
        "reap": rig.engine.reclaim_expired,
        "rerank": lambda: rig.engine.rerank(run, told),
        "fail": lambda: rig.engine.fail(rig.claim(), Failure(FailureKind.TASK_ERROR, "no", retryable=False)),
        "retry_failed": lambda: rig.engine.retry_failed(run),
        "skip": lambda: rig.engine.skip(run, plan.tasks[RUN].id),
        "cancel": lambda: rig.engine.cancel(run),
        "retry": lambda: rig.engine.retry(run),
        "cancel_again": lambda: rig.engine.cancel(run),
        "forget": lambda: rig.engine.forget(run),
    }
    slow |= {name: rig.slowest_ms(step) for name, step in steps.items()}
    few_us, few_wall_us = map(statistics.median, zip(*few, strict=True))
    many_us, many_wall_us = map(statistics.median, zip(*many, strict=True))
    return {
        "task_us_among_1000": round(few_us, 1),
        "task_us_among_all": round(many_us, 1),
        "ratio": round(many_us / few_us, 3),
        "wall_us_among_1000": round(few_wall_us, 1),
        "wall_us_among_all": round(many_wall_us, 1),
        "wall_ratio": round(many_wall_us / few_wall_us, 3),
        **{f"slowest_ms_{name}": value for name, value in slow.items()},
    }


def memory(rig: Rig, tasks: int) -> dict[str, float]:
    """Bytes of Redis a task: stored, finished, with its events archived; and what the run leaves behind."""
    plan = layered_plan(tasks)
    rig.fresh()
    before = rig.memory()
    run = rig.engine.submit(plan, base=BASE)
    stored = rig.memory() - before
    for _ in rig.run(tasks):
        pass
    finished = rig.memory() - before
    rig.archive_events()
    archived = rig.memory() - before
    rig.engine.forget(run)
    found = {"stored": stored, "finished": finished, "events_archived": archived}
    return {
        **{f"bytes_{name}": round(value / tasks) for name, value in found.items()},
        "left_of_the_run_kb": round((rig.memory() - before) / 1024),
    }


def parked(rig: Rig, tasks: int) -> dict[str, float]:
    """A claim while so many tasks wait for one lock, and one while nobody does."""
    found = {}
    for name, waiting in (("alone", 0), ("beside_parked", tasks)):
        rig.fresh()
        held = [_writing(f"held{n}", "shared.py", priority=9) for n in range(waiting + 1)]
        free = [_writing(f"free{n}", f"{n}.py", priority=0) for n in range(RUN // 10)]
        rig.engine.submit(Plan((*held, *free)), base=BASE)
        holder = rig.claim()
        assert holder.task.id.startswith("held")
        costs = list(rig.run(len(free)))
        kind = rig.engine.queues()[0]
        assert kind.parked == waiting
        found[f"claim_us_{name}"] = round(statistics.median(cost.server_us for cost in costs), 1)
    return {**found, "ratio": round(found["claim_us_beside_parked"] / found["claim_us_alone"], 3)}


def _writing(name: str, path: str, *, priority: int) -> TaskSpec:
    return TaskSpec(
        name, DESCRIPTION, files=(path,), executor="command", command=("true",), priority=priority
    )


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description="what size costs")
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--parked", type=int, default=10_000)
    parser.add_argument("--reps", type=int, default=3)
    parser.add_argument("--out", type=Path, help="also write the JSON to this file")
    options = parser.parse_args()
    results: dict[str, object] = {"tasks": options.tasks, "parked": options.parked, "reps": options.reps}
    with (
        tempfile.TemporaryDirectory(prefix="swarm-size-") as folder,
        private_server(Path(folder, "many")) as url,
        private_server(Path(folder, "few")) as few_url,
    ):
        rig, plan = Rig(url), layered_plan(options.tasks)
        for name, part in (
            ("loading", lambda: loading(rig, plan, options.reps)),
            ("one_of_many", lambda: one_of_many(rig, Rig(few_url), plan)),
            ("memory", lambda: memory(rig, max(FEW, options.tasks // 10))),
            ("parked_claims", lambda: parked(rig, options.parked)),
        ):
            results[name] = part()
            print(json.dumps({name: results[name]}), file=sys.stderr)
    tell(results, options.out)


if __name__ == "__main__":
    main()
