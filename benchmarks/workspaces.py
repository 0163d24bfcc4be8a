"""Workspaces: what each costs beside `git worktree add`, taking an attempt, and a gate's checkout.

    python benchmarks/workspaces.py [--files 2000] [--many 50] [--reps 5] [--json] [--out F]

All ways take turns in one run, on one repository (of one pack, as a clone is) and one file system, in another
order each time; figures are medians. A copy is what everybody but root gets: here as the same user, told not
to mount. `at_once` makes many from as many threads and divides the time by their number. Disk is what `du`
counts for one workspace that nobody has worked in. TMPDIR says where; nothing is deleted while others are
measured, for ext4 makes files slowly for a while after many were deleted.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from swarm.plan.scope import WriteScope
from swarm.repo.git.command import Git, GitError
from swarm.repo.hub.hub import Hub
from swarm.repo.workspaces.checkout import clean_checkout
from swarm.repo.workspaces.overlay import layers_of
from swarm.repo.workspaces.template import why_copied
from swarm.repo.workspaces.workspace import open_workspace, remove_workspace, take_attempt
from swarm.testing.repository import UserRepository

CHANGES = 9
WAYS = ("worktree", "overlay", "copy")
IDENTITY = "x <x@x> 0 +0000"
WORKTREE_TRIES = 5
TIMES = {False: "one", True: "at_once"}


@dataclass(frozen=True)
class Bench:
    """One repository, its hub, and a folder for what is made of them."""

    user: UserRepository
    hub: Hub
    base: str
    work: Path

    def make(self, way: str, folder: Path) -> None:
        """One workspace, from nothing to where an agent could begin."""
        if way == "worktree":
            self._add_worktree(folder)
        else:
            open_workspace(self.hub, self.base, folder, may_mount=way == "overlay")

    def _add_worktree(self, folder: Path) -> None:
        """As its users do where many start at once: again, when it met another's half-written record."""
        add = partial(self.user.git, "worktree", "add", "-q", "--detach", str(folder), self.base)
        for _ in range(WORKTREE_TRIES - 1):
            with contextlib.suppress(GitError):
                add()
                return
            shutil.rmtree(folder, ignore_errors=True)
        add()


def stream(files: int, rng: random.Random) -> Iterator[bytes]:
    """A commit of so many source files of 5 to 120 lines in folders of 20, as `git fast-import` reads it."""
    yield f"commit refs/heads/main\ncommitter {IDENTITY}\ndata 5\nbase\n\n".encode()
    for number in range(files):
        text = "".join(f"line {line}: {rng.random()}\n" for line in range(rng.randint(5, 120))).encode()
        yield (
            f"M 100644 inline src/d{number // 20:04}/f{number:05}.py\ndata {len(text)}\n".encode()
            + text
            + b"\n"
        )


@contextmanager
def repository(files: int) -> Iterator[Bench]:
    """A repository of so many files with a checkout, as a person has it, and its hub; removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="bench-") as made:
        user = UserRepository(Path(made, "project"))
        user.path.mkdir()
        user.git("init", "-q", "-b", "main")
        Git.at(user.path / ".git").feed("fast-import", "--quiet", stdin=stream(files, random.Random(7)))
        user.git("reset", "-q", "--hard")
        hub = Hub.open_or_create(user.path / ".swarm" / "repo.git")
        base = hub.import_base(user.path)
        work = hub.home / "workspaces"
        work.mkdir()
        for may_mount in (True, False):  # makes the template, and packs it
            open_workspace(hub, base, work / "first", may_mount=may_mount)
            remove_workspace(work / "first")
        os.sync()
        try:
            yield Bench(user, hub, base, work)
        finally:
            remove_workspace(work)


def timed_ms(call: Callable[[], object]) -> float:
    """How long a call takes, in milliseconds."""
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


def make_many(bench: Bench, way: str, folders: list[Path]) -> None:
    """As many workspaces at once as there are folders."""
    with ThreadPoolExecutor(len(folders)) as pool:
        list(pool.map(partial(bench.make, way), folders))


def measure_making(bench: Bench, ways: list[str], many: int, reps: int) -> dict[str, dict[str, float]]:
    """Milliseconds a workspace, one alone and many at once, and the bytes of one, by the way it is made."""
    found: dict[str, dict[str, list[float]]] = {way: {"one": [], "at_once": [], "bytes": []} for way in ways}
    order = random.Random(3)
    for turn in range(reps):
        for count in (1, many):
            for way in order.sample(ways, len(ways)):
                folders = [bench.work / f"{way}-{turn}-{count}-{number}" for number in range(count)]
                os.sync()  # nobody pays for what was written before
                took_ms = timed_ms(partial(make_many, bench, way, folders)) / count
                found[way][TIMES[count > 1]].append(took_ms)
                found[way]["bytes"].append(disk_bytes(folders[0], way))
    return {
        way: {name: round(statistics.median(each), 1) for name, each in figures.items()}
        for way, figures in found.items()
    }


def disk_bytes(folder: Path, way: str) -> int:
    """What a workspace takes on the disk, in blocks: of an overlay, its layers."""
    counted = layers_of(folder) if way == "overlay" else folder
    done = subprocess.run(["du", "-s", "--block-size=1", str(counted)], capture_output=True, check=True)
    return int(done.stdout.split()[0])


def measure_taking(bench: Bench, way: str, files: int, reps: int) -> float:
    """Milliseconds to take an attempt of nine changes: seven edits, a new file and a deletion."""
    folder = bench.work / "taken"
    times = []
    for turn in range(reps):
        workspace = open_workspace(bench.hub, bench.base, folder, may_mount=way == "overlay")
        paths = sorted(workspace.laid_out.stamps())
        chosen = random.Random(turn).sample(paths, CHANGES - 1)
        for path in chosen[1:]:
            with (folder / os.fsdecode(path)).open("a") as file:
                file.write("changed\n")
        (folder / os.fsdecode(chosen[0])).unlink()
        (folder / "new.py").write_text("new\n")
        take = partial(
            take_attempt,
            bench.hub,
            workspace,
            scope=WriteScope(("**",)),
            message="attempt",
            ref="refs/bench/1",
        )
        time.sleep(0.1)  # what an agent does takes longer, too
        times.append(timed_ms(lambda take=take: check_taken(take().paths)))
        remove_workspace(folder)
    assert len(paths) == files
    return round(statistics.median(times), 1)


def check_taken(paths: tuple[str, ...]) -> None:
    """Nothing was overlooked."""
    assert len(paths) == CHANGES, paths


def measure_gates(bench: Bench, ways: list[str], reps: int) -> dict[str, float]:
    """Milliseconds to lay out and remove the tree of a merge of twenty files for a gate, by the way."""
    tree = merged_tree(bench)
    calls: dict[str, Callable[[], None]] = {"git": partial(lay_out_by_git, bench, tree)}
    calls |= {way: partial(lay_out, bench, tree, way) for way in ways if way != "worktree"}
    times: dict[str, list[float]] = {name: [] for name in calls}
    order = random.Random(5)
    for _ in range(reps):
        for name in order.sample([*calls], len(calls)):
            os.sync()
            times[name].append(timed_ms(calls[name]))
    return {name: round(statistics.median(each), 1) for name, each in times.items()}


def merged_tree(bench: Bench) -> str:
    """The tree of twenty landings upon the base."""
    head = f"commit refs/bench/merged\ncommitter {IDENTITY}\ndata 2\nm\n\nfrom {bench.base}\n".encode()
    edits = [
        f"M 100644 inline src/d{number:04}/f{number * 20:05}.py\ndata 8\nchanged\n\n".encode()
        for number in range(20)
    ]
    bench.hub.git.feed("fast-import", "--quiet", "--force", stdin=[head, *edits])
    return str(bench.hub.resolve("refs/bench/merged^{tree}"))


def lay_out(bench: Bench, tree: str, way: str) -> None:
    """As the merge queue does it."""
    with clean_checkout(bench.hub, tree, base=bench.base, may_mount=way == "overlay"):
        pass


def lay_out_by_git(bench: Bench, tree: str) -> None:
    """As it did before: every file of the tree, by git."""
    folder = bench.work / "by-git"
    folder.mkdir()
    index = {"GIT_INDEX_FILE": str(bench.work / "index")}
    git = Git.at(bench.hub.path, work_tree=folder)
    git.run("read-tree", tree, env=index)
    git.run("checkout-index", "--all", "--force", "--quiet", env=index)
    shutil.rmtree(folder)


def measure(files: int, taken_files: int, many: int, reps: int) -> dict[str, object]:
    """All figures, of two repositories."""
    with repository(files) as bench:
        why = why_copied(bench.hub)
        ways = [way for way in WAYS if way != "overlay" or not why]
        making = measure_making(bench, ways, many, reps)
        gates = measure_gates(bench, ways, reps)
    with repository(taken_files) as bench:
        taking = {way: measure_taking(bench, way, taken_files, reps * 3) for way in ways[1:]}
    of_worktree = {
        f"{way}_{name}": round(making[way][name] / making["worktree"][name], 3)
        for way in ways[1:]
        for name in TIMES.values()
    }
    return {
        "files": files,
        "many": many,
        "reps": reps,
        "copies_because": why,
        "ms_a_workspace": making,
        "of_git_worktree_add": of_worktree,
        "gate_checkout_ms": gates,
        "taken_files": taken_files,
        "taking_ms": taking,
    }


def table(figures: dict[str, dict[str, float]], of: dict[str, float]) -> Iterator[str]:
    """The first table of docs/benchmarks.md."""
    yield "| way | one, ms | of `git worktree add` | at once, ms each | of `git worktree add` | disk each |"
    yield "|---|--:|--:|--:|--:|--:|"
    for way, row in figures.items():
        cells = [f"{row['one']:.1f}", f"{of.get(f'{way}_one', 1):.2f}"]
        cells += [f"{row['at_once']:.1f}", f"{of.get(f'{way}_at_once', 1):.2f}"]
        yield f"| {way} | {' | '.join(cells)} | {row['bytes'] / 1024:,.0f} KiB |"


def main() -> None:
    """Measure everything, and print it as a table or as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    defaults = (("files", 2000), ("taken-files", 5000), ("many", 50), ("reps", 5))
    for name, default in defaults:
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    args = parser.parse_args()
    results = measure(args.files, args.taken_files, args.many, args.reps)
    text = json.dumps(results, indent=2)
    if args.out:
        args.out.write_text(text + "\n", encoding="utf-8")
    if args.json:
        print(text)
        return
    print("\n".join(table(results["ms_a_workspace"], results["of_git_worktree_add"])))  # type: ignore[arg-type]
    for name in ("gate_checkout_ms", "taking_ms", "copies_because"):
        print(f"{name}: {results[name] or 'nothing'}", file=sys.stdout)


if __name__ == "__main__":
    main()
