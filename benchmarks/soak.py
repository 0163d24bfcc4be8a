"""Kill workers, supervisors and servers at random while real runs go on; count what was lost or done twice.

Each round makes a repository, runs a random plan with `swarm run`, and meanwhile kills (SIGKILL) or
freezes (SIGSTOP for longer than a lease, then SIGCONT) the processes of that run, by their ids. It
ends by reading the branch: exactly one `Swarm-Task` trailer a task, rising fences, the expected files.

    python benchmarks/soak.py --minutes 10 [--seed 1] [--out FILE]
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil

from swarm.settings import child_environment
from swarm.testing.checker_git import check_history
from swarm.testing.repository import make_repository

LEASE_S = 4
WRITE = (
    "import pathlib, sys, time; time.sleep(float(sys.argv[2])); p = pathlib.Path(sys.argv[1]);"
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

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self.rng = rng
        self.root = make_repository(folder / "repo", {"README.md": "soak\n"}).path
        self.plan = random_plan(rng, rng.randrange(8, 20))
        self.harm: Counter[str] = Counter()
        self.frozen: list[tuple[float, psutil.Process]] = []
        self.environment = child_environment(
            {"SWARM_LEASE_S": str(LEASE_S), "SWARM_RETRY_BASE_S": "0.1", "HOME": str(folder)}
        )

    def swarm(self, *words: str) -> "subprocess.Popen[str]":
        """Start one `swarm` command."""
        return subprocess.Popen(
            [sys.executable, "-m", "swarm", "-C", str(self.root), *words],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def go(self, *, timeout_s: float) -> list[str]:
        """Run the plan under fire; return what went wrong, each as a sentence."""
        path = self.root.parent / "plan.json"
        path.write_text(json.dumps(self.plan), encoding="utf-8")
        run = self.swarm("run", str(path), "-y", "--workers", "3", "--json")
        deadline = time.monotonic() + timeout_s
        while run.poll() is None and time.monotonic() < deadline:
            time.sleep(self.rng.uniform(0.3, 1.2))
            self.thaw()
            if self.rng.random() < 0.5:
                self.harm_one(run)
            if self.rng.random() < 0.03 and run.poll() is None:
                run.kill()
                run.wait()
                self.harm["kill run"] += 1
                run = self.swarm("run", "--resume", "latest", "--workers", "3", "--json")
        self.thaw(everything=True)
        out, err = run.communicate(timeout=timeout_s)
        return self.judge(run.returncode, out, err)

    def harm_one(self, run: "subprocess.Popen[str]") -> None:
        """Kill or freeze one process of the run."""
        try:
            children = psutil.Process(run.pid).children()
        except psutil.NoSuchProcess:
            return
        kind = self.rng.choices(
            ["kill worker", "stop worker", "kill supervisor", "kill server"], [5, 3, 3, 1]
        )[0]
        if kind == "kill server":
            self._kill_server()
            return
        module = "supervisor" if "supervisor" in kind else "workers"
        victims = [child for child in children if _runs(child, module)]
        if not victims:
            return
        victim = self.rng.choice(victims)
        if kind.startswith("stop"):
            victim.send_signal(signal.SIGSTOP)
            self.frozen.append((time.monotonic() + LEASE_S * 1.5, victim))
        else:
            victim.kill()
        self.harm[kind] += 1

    def _kill_server(self) -> None:
        note = self.root / ".swarm" / "server" / "server.json"
        if not note.exists():
            return
        with suppress(ProcessLookupError):  # it was killed before, and nobody has needed it since
            os.kill(int(json.loads(note.read_text(encoding="utf-8"))["pid"]), signal.SIGKILL)
            self.harm["kill server"] += 1

    def thaw(self, *, everything: bool = False) -> None:
        """Wake what has been frozen for longer than its lease."""
        now = time.monotonic()
        for due, process in list(self.frozen):
            if everything or now >= due:
                self.frozen.remove((due, process))
                if process.is_running():
                    process.send_signal(signal.SIGCONT)

    def judge(self, code: int, out: str, err: str) -> list[str]:
        """Compare the branch with the plan."""
        if code != 0:
            return [f"exit code {code}: {err[-500:]} {out[-500:]}"]
        report = json.loads(out)
        done = [str(task["id"]) for task in self.plan]
        wrong = check_history(self.root / ".swarm" / "repo.git", report["branch"], done)
        names = subprocess.run(
            ["git", "-C", str(self.root), "ls-tree", "-r", "--name-only", report["branch"], "out/"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        expected = sorted(str(task["command"][3]) for task in self.plan)  # type: ignore[index]
        if sorted(names) != expected:
            wrong.append(f"files differ: {sorted(set(names) ^ set(expected))}")
        return wrong

    def close(self) -> None:
        """Stop the round's server."""
        self.swarm("down").communicate(timeout=30)


def _runs(process: psutil.Process, module: str) -> bool:
    try:
        return module in process.cmdline()
    except psutil.Error:
        return False


def main() -> int:
    """Soak for the given minutes; exit 1 when anything was lost or doubled."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**6)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    deadline = time.monotonic() + arguments.minutes * 60
    harm: Counter[str] = Counter()
    wrong: list[str] = []
    rounds = tasks = 0
    while time.monotonic() < deadline:
        with tempfile.TemporaryDirectory(prefix="swarm-soak-", ignore_cleanup_errors=True) as folder:
            one = Round(Path(folder), rng)
            try:
                wrong += [f"round {rounds}: {sentence}" for sentence in one.go(timeout_s=240)]
            finally:
                one.close()
        for sentence in wrong:
            print(sentence, file=sys.stderr)
        rounds, tasks, harm = rounds + 1, tasks + len(one.plan), harm + one.harm
        print(
            f"round {rounds}: {len(one.plan)} tasks, {dict(one.harm)}, wrong: {len(wrong)}", file=sys.stderr
        )
    result = {"seed": arguments.seed, "rounds": rounds, "tasks": tasks, "faults": dict(harm), "wrong": wrong}
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
