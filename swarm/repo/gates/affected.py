"""The kind `tests`: first those that the changes can reach, then all. Red is known sooner."""

import time
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import PurePosixPath

from swarm.repo.gates.gate import Gate, GateResult
from swarm.repo.gates.ground import Ground
from swarm.repo.gates.import_graph import reachable_from
from swarm.repo.git.tree import EXECUTABLE, REGULAR, read_blobs, read_changes, read_tree

_PATTERNS = ("test_*.py", "*_test.py")
"""What pytest collects by default."""
_NOTHING_COLLECTED = 5
"""The exit code of pytest where no test is left to run: those files say nothing, the others may."""
_LONGEST = 100_000
"""Characters of arguments together, which every system takes."""


def run_tests(gate: Gate, ground: Ground) -> GateResult:
    """The affected tests by `affected`, then all by `command`; the first that is red decides.

    Raises:
        SandboxEndedError: as `Ground.run`.
    """
    if not gate.affected or not (chosen := affected_tests(ground)):
        return ground.run(gate)
    started = time.monotonic()
    files = "file" if len(chosen) == 1 else f"{len(chosen)} files"
    ground.note(f"{gate.name}: first the {files} of tests that the changes can reach")
    first = ground.run(gate, (*gate.affected, *chosen))
    if not first.passed and first.exit_code != _NOTHING_COLLECTED:
        return first
    result = ground.run(gate)
    return replace(result, duration_s=time.monotonic() - started)


def affected_tests(ground: Ground) -> list[str]:
    """The files of tests that import what has changed since the last tree that passed.

    None when those are most of them: to run all at once is quicker then.
    """
    git = ground.hub.git
    changed = [change.path for change in read_changes(git, ground.since or ground.before, ground.tree)]
    entries = {
        path: entry
        for path, entry in read_tree(git, ground.tree).items()
        if path.endswith(b".py") and entry.mode in {REGULAR, EXECUTABLE}
    }
    contents = read_blobs(git, [entry.oid for entry in entries.values()])
    sources = {_name(path): content for path, content in zip(entries, contents, strict=True)}
    tests = {path for path in sources if any(fnmatch(PurePosixPath(path).name, each) for each in _PATTERNS)}
    chosen = reachable_from(map(_name, changed), sources) & tests
    named = [f"./{path}" if path.startswith("-") else path for path in sorted(chosen)]
    are_few = 2 * len(named) <= len(tests) and sum(map(len, named)) <= _LONGEST
    return named if are_few else []


def _name(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")
