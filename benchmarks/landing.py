"""Landing attempts: how many a second, and how many runs of the gates, beside one at a time.

    python benchmarks/landing.py [--attempts 1000] [--files 5000] [--bad 20] [--alone 50] [--out F]

Attempts of one file each wait in a hub; a merge queue lands them by trains. Cases: no gate; a gate that does
nothing (`true`, on a clean checkout, in a sandbox); both without `core.fsync`; a gate of a second; that gate
with some attempts that turn a tree red. The base's template is there: workspaces have been made of it. The
oracle knows who is bad: it lands the others in trains as long as ours may be, and spends one run on each bad.

A file system that looks through what was deleted lately (ext4 without a journal) makes files slowly for
minutes after each case: give TMPDIR another one there, or run a case at a time.
"""

import argparse
import json
import math
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from swarm.bench.server import private_server
from swarm.engine.claims import WorkerProfile
from swarm.engine.connect import open_store
from swarm.engine.engine import Engine
from swarm.plan.model import Plan, TaskSpec
from swarm.repo.git.command import Git
from swarm.repo.hub.hub import Hub
from swarm.repo.hub.refs import attempt_ref, base_ref
from swarm.repo.merging.landing import Outcome
from swarm.repo.merging.merge_queue import MergeQueue
from swarm.repo.merging.train_size import MOST
from swarm.repo.workspaces.checkout import clean_checkout
from swarm.testing.launcher import SubprocessLauncher

WORKER = WorkerProfile("bench", executors=("command",))
IDENTITY = "x <x@x> 0 +0000"
NO_OP = ("true",)


@dataclass
class Landed:
    """What one merge queue made of the attempts that waited."""

    attempts: int
    most: int
    wall_s: float = 0.0
    gate_runs: int = 0
    gate_s: float = 0.0
    trains: list[int] = field(default_factory=list)  # judged in each
    outcomes: dict[str, int] = field(default_factory=dict)
    guilty: list[str] = field(default_factory=list)

    @property
    def landings_per_s(self) -> float:
        """Of those that landed, over all that was done for it."""
        return self.outcomes.get(Outcome.LANDED, 0) / self.wall_s


@dataclass(frozen=True)
class Case:
    """What is measured: with which gate, in trains how long, on which hub."""

    gate_s: float | None = None  # None: no gate; 0: one that does nothing
    has_bad: bool = False
    most: int = MOST
    fsync: bool = True
    is_shared: bool = False  # the hub is a repository that hosts share, by its path

    @property
    def gate(self) -> tuple[str, ...]:
        """Its command; none where there is no gate."""
        if self.gate_s:
            return ("sh", "-c", f"sleep {self.gate_s}; ! grep -rq BAD src")
        return () if self.gate_s is None else NO_OP


def stream(files: int, attempts: int, bad: set[int], gate: tuple[str, ...]) -> Iterator[bytes]:
    """A base commit of so many files, and the attempts upon it, as `git fast-import` reads them."""

    def data(text: str) -> bytes:
        return f"data {len(text.encode())}\n{text}\n".encode()

    yield b"blob\nmark :1\n" + data("one line\n")
    yield b"commit refs/heads/base\nmark :2\n" + f"committer {IDENTITY}\n".encode() + data("base\n")
    for number in range(files):
        yield f"M 100644 :1 src/d{number % 50:02}/f{number:05}.txt\n".encode()
    if gate:
        config = f"[gate.tests]\ncommand = {json.dumps(gate)}\n"
        yield b"M 100644 inline swarm.toml\n" + data(config)
    for number in range(attempts):
        path = f"src/d{number % 50:02}/f{number:05}.txt"
        content = "BAD\n" if number in bad else f"changed {number}\n"
        yield f"commit refs/attempts/{number}\ncommitter {IDENTITY}\n".encode() + data("attempt\n")
        yield f"from :2\nM 100644 inline {path}\n".encode() + data(content)


def hand_in_all(engine: Engine, hub: Hub, attempts: int) -> str:
    """Submit a task an attempt, claim each and hand its attempt in; returns the run."""
    commits = hub.refs_under("refs/attempts/")
    base = hub.resolve("refs/heads/base") or ""
    hub.create_refs({base_ref(base): base})
    tasks = [
        TaskSpec(
            id=f"t{number:05}",
            description=f"change file {number}",
            files=(f"src/d{number % 50:02}/f{number:05}.txt",),
            executor="command",
            command=("true",),
        )
        for number in range(attempts)
    ]
    run = engine.submit(Plan(tuple(tasks)), base=base)
    refs = {}
    for number in range(attempts):
        claim = engine.claim(WORKER, str(number))
        assert claim is not None
        engine.start(claim)
        commit = commits[f"refs/attempts/{int(claim.task.id[1:])}"]
        refs[attempt_ref(run, claim.task.id, claim.attempt)] = commit
        engine.hand_in(claim, commit=commit)
    hub.create_refs(refs)
    with clean_checkout(hub, base, base=base):
        return run


def land(folder: Path, attempts: int, bad: int, case: Case, *, files: int) -> Landed:
    """One merge queue, from the first ticket until nothing waits."""
    chosen = set(random.Random(7).sample(range(attempts), bad))  # a draw, not a secret
    address = ""
    if case.is_shared:
        address = str(folder / "server.git")
        Git().run("init", "--quiet", "--bare", address)
    hub = Hub.open_or_create(folder / ".swarm" / "repo.git", address=address)
    if not case.fsync:
        hub.git.run("config", "core.fsync", "none")
    Git.at(hub.path).feed("fast-import", "--quiet", stdin=stream(files, attempts, chosen, case.gate))
    found = Landed(attempts, case.most)
    with private_server(folder) as url:
        engine = Engine(open_store(url), "landing", retry_base_ms=3_600_000, retry_cap_ms=3_600_000)
        run = hand_in_all(engine, hub, attempts)
        launcher = SubprocessLauncher()
        queue = MergeQueue(engine, hub, launcher, merger_id="bench", home=hub.home, most=case.most)
        started = time.monotonic()
        while train := queue.land_train():
            found.trains.append(len(train))
            for landing in train:
                found.outcomes[landing.outcome] = found.outcomes.get(landing.outcome, 0) + 1
                found.guilty += [landing.task] if landing.outcome == Outcome.GATE_FAILED else []
        found.wall_s = time.monotonic() - started
        assert sorted(found.guilty) == sorted(f"t{number:05}" for number in chosen), found.guilty
        assert len(hub.landings(f"swarm/{run}", "refs/heads/base")) == attempts - bad
    found.gate_runs = len(launcher.opened)
    return found


def measured(args: argparse.Namespace, case: Case) -> dict[str, object]:
    """One case, the median of its repetitions by landings a second."""
    runs = []
    attempts = args.attempts if case.most > 1 else args.alone
    bad = args.bad if case.has_bad else 0
    for _ in range(args.reps):
        with tempfile.TemporaryDirectory() as folder:
            bad_here = min(bad, attempts * bad // args.attempts)
            runs.append(land(Path(folder), attempts, bad_here, case, files=args.files))
    runs.sort(key=lambda one: one.landings_per_s)
    middle = runs[len(runs) // 2]
    oracle = math.ceil((attempts - len(middle.guilty)) / case.most) + len(middle.guilty)
    return {
        **asdict(middle),
        "landings_per_s": round(statistics.median(one.landings_per_s for one in runs), 1),
        "gate_s": round(middle.gate_runs * (case.gate_s or 0), 1),
        "oracle_runs": oracle,
        "runs_over_oracle": round(middle.gate_runs / oracle, 2),
    }


def main() -> None:
    """Measure all cases and print them as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (("attempts", 1000), ("files", 5000), ("bad", 20), ("alone", 50), ("reps", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--only", default="", help="names of cases, by commas")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    cases = {
        "no_gate": Case(),
        "no_gate_unsynced": Case(fsync=False),
        "no_op_gate": Case(gate_s=0),
        "no_op_gate_unsynced": Case(gate_s=0, fsync=False),
        "no_gate_alone": Case(most=1),
        "no_gate_shared": Case(is_shared=True),
        "gate_1s": Case(gate_s=1),
        "gate_1s_bad": Case(gate_s=1, has_bad=True),
        "gate_1s_alone": Case(gate_s=1, has_bad=True, most=1),
    }
    chosen = args.only.split(",") if args.only else list(cases)
    results = {}
    for name in chosen:
        results[name] = measured(args, cases[name])
        print(json.dumps({name: results[name]}), file=sys.stderr)
    text = json.dumps(results, indent=2)
    print(text)
    if args.out:
        args.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
