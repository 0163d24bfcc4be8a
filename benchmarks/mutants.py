"""Breaks the engine on purpose, one rule at a time, and says whether the tests notice.

    python benchmarks/mutants.py [--only NAME] [--seeds 5] [--json]

Each mutant is a replacement in a copy of this checkout; the tests named beside it must fail there, and pass
where nothing was replaced. Then the state machine of the engine meets it with several seeds: in which example
did it notice? Exit code 0 when every mutant is caught.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LUA = "swarm/engine/lua"
HUB = "swarm/repo/hub"
MACHINE = "tests/engine/test_state_machine.py"
SHOWN = "key('lock', string.sub(nodes[i], 1, -2))"
COPIED = ("swarm", "workers", "tests", "examples", "pyproject.toml", "README.md", "docs")


@dataclass(frozen=True)
class Mutant:
    """A rule, what it becomes, and who should mind."""

    name: str
    edits: tuple[tuple[str, str, str], ...]  # file, text, replacement
    tests: tuple[str, ...]
    why_not_machine: str = ""  # what the state machine could never see, and why


MUTANTS = (
    Mutant(
        "token check dropped",
        (
            (f"{LUA}/_held.lua", "if current ~= token then", "if field and current ~= token then"),
            (f"{LUA}/_short.lua", "if current == token then", "if current then"),
        ),
        ("tests/engine/test_fencing.py", "tests/engine/test_end_and_claim.py"),
    ),
    Mutant(
        "merge token check dropped",
        ((f"{LUA}/_held.lua", "if current ~= token then", "if not field and current ~= token then"),),
        ("tests/engine/test_fencing.py", "tests/engine/test_leases.py"),
    ),
    Mutant(
        "op id dropped",
        ((f"{LUA}/_answers.lua", "if tonumber(count) > last then", "if true then"),),
        ("tests/engine/test_lost_replies.py", "tests/engine/test_proxy.py"),
    ),
    Mutant(
        "claim id dropped",
        ((f"{LUA}/_claim.lua", "if last_id ~= request.claim_id then", "if true then"),),
        ("tests/engine/test_lost_replies.py", "tests/engine/test_end_and_claim.py"),
    ),
    Mutant(
        "event written apart",
        ((f"{LUA}/_writes.lua", "for i = 1, #told do", "for i = 1, #told - 1 do"),),
        ("tests/engine/test_random_schedules.py",),
    ),
    Mutant(
        "lock TTL alone decides",
        (
            (
                f"{LUA}/_locks.lua",
                "    if held[i] then",
                f"    if held[i] and redis.call('EXISTS', {SHOWN}) == 1 then",
            ),
        ),
        ("tests/engine/test_random_schedules.py", "tests/engine/test_locks.py"),
    ),
    Mutant(
        "shared locks counted once",
        (
            (f"{LUA}/_locks.lua", "left = one_more(before)", "left = '1'"),
            (f"{LUA}/_locks.lua", "left = one_less(before)", "left = '0'"),
        ),
        ("tests/engine/test_random_schedules.py", "tests/engine/test_locks.py"),
    ),
    Mutant(
        "gap grace dropped",
        ((f"{LUA}/reap.lua", "if is_gap and graces < 2 then", "if false then"),),
        ("tests/engine/test_leases.py",),
    ),
    Mutant(
        "dependents counted twice",
        (
            (
                f"{LUA}/_work.lua",
                "local left = one_less(stored[i] or '0')",
                "local left = one_less(one_less(stored[i] or '0'))",
            ),
            (f"{LUA}/_short.lua", "one_less(counts[i] or '0')", "one_less(one_less(counts[i] or '0'))"),
        ),
        ("tests/engine/test_dispatch.py", "tests/engine/test_random_schedules.py"),
    ),
    Mutant(
        "a crash is not counted",
        ((f"{LUA}/_attempts.lua", "  times[#times + 1] = now_text\n", ""),),
        ("tests/engine/test_leases.py",),
    ),
    Mutant(
        "the baton is not passed on",
        ((f"{LUA}/_lots.lua", "  if next(passing) then", "  if false then"),),
        ("tests/engine/test_random_schedules.py", "tests/engine/test_locks.py"),
    ),
    Mutant(
        "overtaking without end",
        ((f"{LUA}/_turn.lua", "times >= OVERTAKINGS", "false"),),
        ("tests/engine/test_overtaking.py",),
        "it leaves turns open",
    ),
    Mutant(
        "types are not proven before writes",
        ((f"{LUA}/_writes.lua", "  for i = 1, #unproven, 2 do", "  for i = 1, 0, 2 do"),),
        ("tests/engine/test_error_atomicity.py",),
        "no key has a wrong type there",
    ),
    Mutant(
        "git does not fence",
        ((f"{HUB}/hub.py", "if self.fence(branch) > merge_token:", "if False:"),),
        ("tests/repo/test_merge_races.py", "tests/repo/test_hub.py"),
        "there is no git there",
    ),
    Mutant(
        "hosts push without leases",
        (
            (
                f"{HUB}/refs.py",
                'f"--force-with-lease={self.ref}:{self.old}"',
                'f"--force-with-lease={self.ref}"',
            ),
        ),
        ("tests/repo/test_remote_hub.py",),
        "there is no git there",
    ),
    Mutant(
        "the fence stays behind when the branch moves",
        (
            (
                "swarm/repo/merging/train_landing.py",
                'RefChange("update", guard, new=sealed, old=fence)',
                'RefChange("verify", guard, old=fence)',
            ),
        ),
        ("tests/repo/test_remote_hub.py",),
        "there is no git there",
    ),
    Mutant(
        "a red verdict counts on a branch that has moved",
        (
            (
                "swarm/repo/merging/train_landing.py",
                "return self._hub.tip(branch) == train.tip",
                "return True",
            ),
        ),
        ("tests/repo/test_merge_races.py",),
        "there is no git there",
    ),
    Mutant(
        "a push that broke off counts as refused",
        (
            (
                f"{HUB}/remote.py",
                "        if answer.exit_code != _REJECTED or is_locked(answer):\n",
                "        if answer.exit_code < 0 or is_locked(answer):\n",
            ),
        ),
        ("tests/repo/test_broken_off.py",),
        "there is no git there",
    ),
    Mutant(
        "a verdict counts after its slot was lost",
        (("swarm/repo/merging/judging.py", "if self._leash.is_cut:", "if False:"),),
        ("tests/repo/test_lost_slot.py",),
        "there is no git there",
    ),
)


def main() -> int:
    """Try the mutants that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="a part of a mutant's name")
    parser.add_argument("--seeds", type=int, default=5, help="of the state machine, each up to 300 examples")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    chosen = [mutant for mutant in MUTANTS if not options.only or options.only in mutant.name]
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory(prefix="swarm-mutants-") as folder:
        copy = Path(folder) / "checkout"
        copy_checkout(copy)
        tests = sorted({test for mutant in chosen for test in mutant.tests})
        if not tests_pass(copy, tests):
            print("the tests fail where nothing was replaced", file=sys.stderr)
            return 2
        for mutant in chosen:
            rows.append(row := try_mutant(copy, mutant, options.seeds))
            if not options.json:
                print("{verdict:<12}{mutant:<36}{machine}".format(**row), flush=True)
    if options.json:
        print(json.dumps(rows, indent=1))
    return 0 if all(row["verdict"] == "caught" for row in rows) else 1


def copy_checkout(copy: Path) -> None:
    """What the tests need, without anything that was built."""
    copy.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / name)


def try_mutant(copy: Path, mutant: Mutant, seeds: int) -> dict[str, object]:
    """Whether the mutant's tests fail, and in which examples the state machine does."""
    started_s = time.monotonic()
    with in_place(copy, mutant):
        is_caught = not tests_pass(copy, list(mutant.tests))
        found = [] if mutant.why_not_machine else [examples_until_seen(copy, seed) for seed in range(seeds)]
    seen = [number for number in found if number]
    mean = round(sum(seen) / len(seen), 1) if seen else None
    return {
        "mutant": mutant.name,
        "verdict": "caught" if is_caught else "NOT CAUGHT",
        "machine": mutant.why_not_machine or f"{len(seen)} of {seeds} seeds, in example {mean} on average",
        "examples": found,
        "mean_examples": mean,
        "seconds": round(time.monotonic() - started_s, 1),
    }


@contextmanager
def in_place(copy: Path, mutant: Mutant) -> Iterator[None]:
    """The copy with the mutant's rule broken."""
    originals: dict[Path, str] = {}
    for name, text, replacement in mutant.edits:
        path = copy / name
        original = path.read_text(encoding="utf-8")
        if original.count(text) < 1:
            raise SystemExit(f"mutant {mutant.name!r}: {text!r} is not in {name} any more")
        originals.setdefault(path, original)
        path.write_text(original.replace(text, replacement), encoding="utf-8")
    try:
        yield
    finally:
        for path, original in originals.items():
            path.write_text(original, encoding="utf-8")


def examples_until_seen(copy: Path, seed: int) -> int:
    """The first example of the state machine that fails, of 300; 0 when none does."""
    shard = f"{MACHINE}::test_the_engine_agrees_with_its_model[0]"
    words = ["--machine-raw", "--machine-examples=1200", f"--machine-seed={seed}", "-n", "0", shard]
    ran = run_pytest(copy, words)
    found = re.search(r"failed in example (\d+)", ran.stdout)
    return int(found[1]) if found else 0


def tests_pass(copy: Path, tests: list[str]) -> bool:
    """Run these tests in the copy; True when all of them pass."""
    ran = run_pytest(copy, ["-x", "-n", str(min(4, os.cpu_count() or 1)), *tests])
    if ran.returncode and " failed" not in ran.stdout:
        raise SystemExit(ran.stdout[-2000:] + ran.stderr[-2000:])
    return ran.returncode == 0


def run_pytest(copy: Path, words: list[str]) -> "subprocess.CompletedProcess[str]":
    """Run pytest in the copy, which leaves nothing behind there."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


if __name__ == "__main__":
    sys.exit(main())
