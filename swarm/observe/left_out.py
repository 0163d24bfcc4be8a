"""What attempts wrote inside their scope and did not hand in, as workers on this host have noted it.

A file a task, beside its logs. Nothing that an agent prints gets there, and it is small: a log is neither.
"""

import contextlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from swarm.engine.records import TaskRecord
from swarm.states import TaskState

_SUFFIX = ".left_out"


class LeftOut:
    """The notes on one task: of each commit that left something out, and of each attempt that has ended.

    Of the commits of `best_of` agents most are never handed in, and a later attempt may hand in another's:
    the note on an attempt is written as it ends, and is the one on what it hands in.
    """

    def __init__(self, logs: Path, task: str) -> None:
        self._path = logs / _file_of(task)

    def note(self, of: str, paths: str) -> None:
        """Note what a commit, or an attempt by its number, has left out; empty: nothing.

        A disk that is full loses it, and nothing else.
        """
        with contextlib.suppress(OSError):
            if paths or self._path.exists():
                self._path.parent.mkdir(parents=True, exist_ok=True)
                with self._path.open("a", encoding="utf-8") as file:
                    # A line that a killed worker did not end is no part of this one.
                    file.write(f"\n{json.dumps([of, paths])}")

    def read(self, of: str) -> str:
        """What was noted last of a commit or attempt; empty: nothing."""
        found = ""
        with contextlib.suppress(OSError):
            for line in self._path.read_text(encoding="utf-8").splitlines():
                with contextlib.suppress(ValueError):
                    noted, paths = json.loads(line)
                    found = str(paths) if noted == of else found
        return found


def read_left_out(home: Path, run: str, tasks: Iterable[TaskRecord]) -> dict[str, str]:
    """Task -> the paths, of those that are done and left something out on this host."""
    logs = home / "logs" / run
    try:
        with os.scandir(logs) as entries:
            files = {entry.name for entry in entries if entry.name.endswith(_SUFFIX)}
    except OSError:
        return {}
    said = {
        task.spec.id: LeftOut(logs, task.spec.id).read(str(task.attempt))
        for task in tasks
        if task.state is TaskState.DONE and _file_of(task.spec.id) in files
    }
    return {name: paths for name, paths in said.items() if paths}


def _file_of(task: str) -> str:
    return f"{quote(task, safe='')}{_SUFFIX}"
