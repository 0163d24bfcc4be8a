"""What gates have passed on a tree: a tree that comes again, after a crash say, is not judged again.

Only green results are kept, and for a day: what a gate needs beside the tree (installed programs, the
network) may change, and a gate that fails by chance must not do so for good.
"""

import contextlib
import hashlib
import json
import os
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from swarm.repo.gates.gate import Gate, GateResult, Kind

FOLDER_NAME = "gate-results"
MAX_AGE_S = 24 * 3600
MOST_KEPT = 2000
PRUNE_EVERY = 100
"""Results: so many are kept beyond the most, until somebody looks."""
_VERSION = 5
"""Goes up when a kind of gate judges otherwise: what it has passed before says nothing then."""
_COMPARING = {Kind.CONFLICTS, Kind.SECURITY, Kind.PERFORMANCE}


class GateCache:
    """Green results by tree, gate and isolation. Safe to use from several processes.

    Args:
        home: the folder of everything that swarm keeps for the repository.
        isolation: under what gates run; a result counts only under the same.
    """

    def __init__(self, home: Path, isolation: str = "") -> None:
        self._folder = home / FOLDER_NAME
        self._isolation = isolation
        self._kept = 0  # since it was pruned

    def find(self, tree: str, gate: Gate, base: str) -> GateResult | None:
        """What the gate said of this tree, against this base, if that was green and not long ago."""
        path = self._path(tree, gate, base)
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            if time.time() - path.stat().st_mtime < MAX_AGE_S:
                kept = json.loads(path.read_text(encoding="utf-8"))
                return GateResult(
                    gate.name,
                    gate.command,
                    0,
                    kept["duration_s"],
                    kept["output"],
                    gate.required,
                    is_known=True,
                    note=kept["note"],
                )
        return None

    def keep(self, tree: str, gate: Gate, base: str, result: GateResult) -> None:
        """Remember a green result. A disk that is full loses it, and nothing else."""
        if not result.passed or result.is_known:
            return
        data = json.dumps({"duration_s": result.duration_s, "output": result.output, "note": result.note})
        with contextlib.suppress(OSError):
            self._folder.mkdir(exist_ok=True)
            file, name = tempfile.mkstemp(dir=self._folder, prefix=".")
            try:
                with os.fdopen(file, "w", encoding="utf-8") as writer:
                    writer.write(data)
                Path(name).replace(self._path(tree, gate, base))
            except OSError:
                Path(name).unlink()
        self._kept += 1
        if self._kept >= PRUNE_EVERY:
            self.prune()

    def prune(self) -> None:
        """Drop what is too old to count, and the oldest of too many."""
        self._kept = 0
        with contextlib.suppress(OSError):
            found = sorted(self._folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
            for place, path in enumerate(found):
                if place >= MOST_KEPT or time.time() - path.stat().st_mtime > MAX_AGE_S:
                    path.unlink(missing_ok=True)

    def _path(self, tree: str, gate: Gate, base: str) -> Path:
        against = base if gate.kind in _COMPARING else ""
        definition = [_VERSION, tree, against, self._isolation, asdict(gate)]
        digest = hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()
        return self._folder / f"{digest[:40]}.json"
