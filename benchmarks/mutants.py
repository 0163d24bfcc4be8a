"""Breaks the engine on purpose, one rule at a time, and says whether the tests notice.

    python benchmarks/mutants.py [--only NAME] [--json]

Each mutant is a replacement in a copy of this checkout; the tests named beside it must fail there, and pass
where nothing was replaced. Exit code 0 when every mutant is caught.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LUA = "swarm/engine/lua"
SHOWN = "key('lock', string.sub(nodes[i], 1, -2))"
COPIED = ("swarm", "workers", "tests", "examples", "pyproject.toml", "README.md", "docs")


@dataclass(frozen=True)
class Mutant:
    """A rule, what it becomes, and who should mind."""

    name: str
    edits: tuple[tuple[str, str, str], ...]  # file, text, replacement
    tests: tuple[str, ...]


MUTANTS = (
    Mutant(
        "token check dropped",
        (
            (f"{LUA}/_held.lua", "if current ~= token then", "if field and current ~= token then"),
            (f"{LUA}/_short.lua", "if task[2] ~= token or (state", "if (state"),
        ),
        ("tests/engine/test_fencing.py", "tests/engine/test_end_and_claim.py"),
    ),
    Mutant(
        "merge token check dropped",
        ((f"{LUA}/_held.lua", "if current ~= token then", "if not field and current ~= token then"),),
        ("tests/engine",),
    ),
    Mutant(
        "op id dropped",
        ((f"{LUA}/_answers.lua", "if tonumber(count) > last then", "if true then"),),
        ("tests/engine/test_lost_replies.py",),
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
                "local left = tonumber(stored[i] or 0) - 1",
                "local left = tonumber(stored[i] or 0) - 2",
            ),
            (f"{LUA}/_short.lua", "one_less(counts[i] or '0')", "one_less(one_less(counts[i] or '0'))"),
        ),
        ("tests/engine/test_dispatch.py", "tests/engine/test_random_schedules.py"),
    ),
    Mutant(
        "a crash is not counted",
        ((f"{LUA}/_attempts.lua", "'crashes') or 0) + 1", "'crashes') or 0)"),),
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
    ),
    Mutant(
        "types are not proven before writes",
        ((f"{LUA}/_writes.lua", "  for i = 1, #unproven, 2 do", "  for i = 1, 0, 2 do"),),
        ("tests/engine/test_error_atomicity.py",),
    ),
    Mutant(
        "git does not fence",
        (("swarm/repo/hub.py", "if self.fence(branch) > merge_token:", "if False:"),),
        ("tests/repo/test_merge_races.py", "tests/repo/test_hub.py"),
    ),
)


def main() -> int:
    """Try the mutants that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="a part of a mutant's name")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    chosen = [mutant for mutant in MUTANTS if not options.only or options.only in mutant.name]
    rows = []
    with tempfile.TemporaryDirectory(prefix="swarm-mutants-") as folder:
        copy = Path(folder) / "checkout"
        copy_checkout(copy)
        tests = sorted({test for mutant in chosen for test in mutant.tests})
        if not tests_pass(copy, tests):
            print("the tests fail where nothing was replaced", file=sys.stderr)
            return 2
        for mutant in chosen:
            started_s = time.monotonic()
            is_caught = not with_mutant(copy, mutant)
            rows.append(
                {
                    "mutant": mutant.name,
                    "caught": is_caught,
                    "seconds": round(time.monotonic() - started_s, 1),
                }
            )
            if not options.json:
                print(f"{'caught' if is_caught else 'NOT CAUGHT':<12}{mutant.name}", flush=True)
    if options.json:
        print(json.dumps(rows, indent=1))
    return 0 if all(row["caught"] for row in rows) else 1


def copy_checkout(copy: Path) -> None:
    """What the tests need, without anything that was built."""
    copy.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / name)


def with_mutant(copy: Path, mutant: Mutant) -> bool:
    """Whether the mutant's tests pass although its rule is broken."""
    originals: dict[Path, str] = {}
    for name, text, replacement in mutant.edits:
        path = copy / name
        original = path.read_text(encoding="utf-8")
        if original.count(text) < 1:
            raise SystemExit(f"mutant {mutant.name!r}: {text!r} is not in {name} any more")
        originals.setdefault(path, original)
        path.write_text(original.replace(text, replacement), encoding="utf-8")
    try:
        return tests_pass(copy, list(mutant.tests))
    finally:
        for path, original in originals.items():
            path.write_text(original, encoding="utf-8")


def tests_pass(copy: Path, tests: list[str]) -> bool:
    """Run these tests in the copy; True when all of them pass."""
    argv = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-n",
        str(min(4, os.cpu_count() or 1)),
        "-p",
        "no:cacheprovider",
    ]
    ran = subprocess.run(
        [*argv, *tests],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode and " failed" not in ran.stdout:
        raise SystemExit(ran.stdout[-2000:] + ran.stderr[-2000:])
    return ran.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
