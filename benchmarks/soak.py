"""Harm real runs at random, and count what was lost or done twice.

Each round makes a repository and runs a random plan with `swarm run` against a Redis of its own, behind a
proxy. Meanwhile processes of that run are killed or stopped for longer than a lease, the server is killed,
once in a while with the end of its append-only file cut off, and the network loses, repeats, delays, cuts or
swallows calls (`soak_faults.py` has the rates). A round ends with the checker, and the expected files.

    python benchmarks/soak.py --minutes 10 [--seed 1] [--json] [--out FILE]
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from soak_faults import Harm, Recovery, server_settings

from swarm.engine.connect import open_store
from swarm.engine.engine import Engine
from swarm.errors import StoreUnreachableError
from swarm.repo.hub.hub import Hub
from swarm.settings import child_environment
from swarm.testing.checker import check_everything
from swarm.testing.checker_leftovers import check_leftovers
from swarm.testing.proxy import Proxy
from swarm.testing.repository import make_repository

LEASE_S = 4
TICK_S = 0.5
ROUND_S = 240.0
UNREACHABLE = 3
"""Exit code of a run that was started while Redis was away: it is started again."""
PERSONS = 5
"""How often a person may retry what failed (three crashes of one task are final) in a round."""
CANARY = "canary-51d0e2-never-to-be-seen"
WRITE = (
    "import os, pathlib, sys, time; print(os.environ);"
    "time.sleep(float(sys.argv[2])); p = pathlib.Path(sys.argv[1]);"
    "p.parent.mkdir(parents=True, exist_ok=True); p.write_text(sys.argv[1])"
)


def random_plan(rng: random.Random, tasks: int) -> list[dict[str, object]]:
    """A random DAG of `command` tasks; some want the same lock, each writes a file of its own."""
    plan: list[dict[str, object]] = []
    for n in range(tasks):
        earlier = [str(task["id"]) for task in plan]
        path = f"out/{rng.randrange(4)}/{n}.txt"
        scope = [path] if rng.random() < 0.7 else [str(Path(path).parent) + "/*"]
        plan.append(
            {
                "id": f"t{n}",
                "description": f"write {path}",
                "dependencies": rng.sample(earlier, min(len(earlier), rng.randrange(3))),
                "files": scope,
                "command": ["python3", "-c", WRITE, path, f"{rng.random() * 0.6:.2f}"],
                "estimate_s": 1,
            }
        )
    return plan


class Round:
    """One repository, one run, and the harm done to it."""

    def __init__(self, folder: Path, rng: random.Random, recovery: Recovery) -> None:
        self.root = make_repository(folder / "repo", {"README.md": "soak\n"}).path
        self.home = self.root / ".swarm"
        self.plan = random_plan(rng, rng.randrange(8, 20))
        self.recovery = recovery
        self.server = server_settings(_made(folder / "s"))
        self.server.start()
        self.proxy = Proxy(self.server.url, _made(folder / "p"))
        self.proxy.start()
        self.store = open_store(self.server.url, timeout_s=1)
        self.engine = Engine(self.store, self.root.name, patience_s=0)
        self.harm = Harm(rng, self.server, self.proxy, lease_s=LEASE_S, recovery=recovery)
        self.lost = self.doubled = self.persons = 0
        self.environment = child_environment(
            {
                "SWARM_LEASE_S": str(LEASE_S),
                "SWARM_RETRY_BASE_S": "0.1",
                "HOME": str(folder),
                "REDIS_URL": self.proxy.url,
                "DEPLOY_TOKEN": CANARY,
            }
        )

    def swarm(self, *words: str) -> "subprocess.Popen[str]":
        """Start one `swarm` command."""
        return subprocess.Popen(
            [sys.executable, "-m", "swarm", "-C", str(self.root), *words],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def go(self) -> list[str]:
        """Run the plan under fire; return what went wrong, each as a sentence."""
        path = self.root.parent / "plan.json"
        path.write_text(json.dumps(self.plan), encoding="utf-8")
        words = ["run", str(path), "-y", "--workers", "3"]
        deadline_s = time.monotonic() + ROUND_S
        error = ""
        while self.persons <= PERSONS:
            process = self.swarm(*words)
            self._under_fire(process, deadline_s)
            error = process.communicate(timeout=60)[1]
            if process.returncode == 0:
                return self.judge()
            if time.monotonic() > deadline_s:
                break
            if process.returncode != UNREACHABLE:
                self.persons += 1
                self.swarm("retry", "latest", "--failed").communicate(timeout=60)
            # The plan again, not --resume: what was stopped while it was submitted is submitted to its end.
        return [f"exit code {process.returncode} after {self.persons} retries: {error[-800:]}", *self.judge()]

    def _under_fire(self, run: "subprocess.Popen[str]", deadline_s: float) -> None:
        """Do harm until the run ends by itself, or its time is over."""
        tick_at_s = time.monotonic()
        has_begun = False
        while run.poll() is None and time.monotonic() < deadline_s:
            time.sleep(0.05)
            if not has_begun:
                # A plan that is not wholly submitted yet is its submitter's to submit again.
                has_begun = bool(self.home.exists() and self._is_active())
                continue
            self.recovery.look(self.engine)
            if time.monotonic() >= tick_at_s:
                self.harm.tick(run.pid, self.engine)
                tick_at_s = time.monotonic() + TICK_S
        self.harm.thaw(everything=True)
        if run.poll() is None:
            run.terminate()

    def _is_active(self) -> bool:
        with suppress(StoreUnreachableError):
            return any(self.engine.active_runs().values())
        return False

    def judge(self) -> list[str]:
        """Hold the run to the checker, and the branch to the plan."""
        self.store.close()  # the server it was connected to may have gone
        busy = check_leftovers(self.home, within_s=30)
        engine = Engine(self.store, self.root.name)
        (run,) = engine.run_ids()
        record = engine.run(run)
        hub = Hub(self.home / "repo.git")
        landed = Counter(one.task for one in hub.landings(record.branch, record.base))
        unchanged = len(hub.refs_under(f"refs/swarm/unchanged/{run}/"))
        self.doubled += sum(count - 1 for count in landed.values())
        self.lost += max(len(self.plan) - len(landed) - unchanged, 0)
        wrong = busy + check_everything(engine, self.store, home=self.home, canary=CANARY, within_s=1)
        argv = ["git", "-C", str(self.root), "ls-tree", "-r", "--name-only", record.branch, "out/"]
        names = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()
        expected = sorted(str(task["command"][3]) for task in self.plan)  # type: ignore[index]
        if sorted(names) != expected:
            wrong.append(f"files differ: {sorted(set(names) ^ set(expected))}")
        return wrong

    def close(self) -> None:
        """Stop what the round started."""
        self.harm.thaw(everything=True)
        self.store.close()
        self.proxy.stop()
        self.server.stop()


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def soak(minutes: float, seed: int) -> dict[str, object]:
    """Rounds until the time is over; what happened."""
    rng, recovery = random.Random(seed), Recovery()
    deadline_s = time.monotonic() + minutes * 60
    faults: Counter[str] = Counter()
    network: Counter[str] = Counter()
    wrong: list[str] = []
    sums: Counter[str] = Counter()
    while time.monotonic() < deadline_s:
        with tempfile.TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True) as folder:
            one = Round(Path(folder), rng, recovery)
            recovery.begin(one.engine)
            try:
                found = one.go()
            finally:
                one.close()
        wrong += [f"round {sums['rounds']}: {sentence}" for sentence in found]
        faults, network = faults + one.harm.done, network + one.proxy.harm
        sums.update(
            rounds=1, tasks=len(one.plan), lost=one.lost, doubled=one.doubled, retries_by_a_person=one.persons
        )
        print(
            f"round {sums['rounds']}: {len(one.plan)} tasks, {dict(one.harm.done)}, wrong: {found}",
            file=sys.stderr,
        )
    return {
        "seed": seed,
        "minutes": minutes,
        **{name: sums[name] for name in ("rounds", "tasks", "lost", "doubled", "retries_by_a_person")},
        "faults": dict(sorted(faults.items())),
        "network": dict(sorted(network.items())),
        "recovery": recovery.summary(),
        "bound": round(3 / max(sum(faults.values()), 1), 5) if not wrong else None,
        "wrong": wrong,
    }


def show(result: dict[str, object]) -> None:
    """The result for people."""
    print("{rounds} runs of {tasks} tasks: {lost} lost, {doubled} doubled".format(**result))
    print(f"retries by a person: {result['retries_by_a_person']}; seed {result['seed']}")
    print(f"{'fault':<22}{'done':>6}{'recovery p50 s':>16}{'p99 s':>8}")
    recovery = result["recovery"]
    for kind, count in result["faults"].items():  # type: ignore[attr-defined]
        known = recovery.get(kind, {"p50_s": "-", "p99_s": "-"})  # type: ignore[attr-defined]
        print(f"{kind:<22}{count:>6}{known['p50_s']:>16}{known['p99_s']:>8}")
    print(f"on the network: {result['network']}")
    if result["bound"] is not None:
        print(f"with 95 % confidence fewer than {result['bound']:.2%} of such faults lose or double anything")
    for sentence in result["wrong"]:  # type: ignore[attr-defined]
        print(f"WRONG {sentence}")


def main() -> int:
    """Soak for the given minutes; exit 1 when anything was lost or doubled, or does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**6)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    result = soak(arguments.minutes, arguments.seed)
    text = json.dumps(result, indent=2)
    if arguments.json:
        print(text)
    else:
        show(result)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")
    return 1 if result["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
