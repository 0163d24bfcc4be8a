"""What attempts wrote inside their scope and did not hand in, as their logs on this host say it."""

import os
from collections.abc import Iterable
from pathlib import Path

from swarm.engine.records import TaskRecord
from swarm.observe.wording import LEFT_OUT
from swarm.settings import attempt_log
from swarm.states import TaskState

_LOOKED_AT = 256 * 1024
"""Bytes at a log's end: only the acceptance commands print after that line."""


def read_left_out(home: Path, run: str, tasks: Iterable[TaskRecord]) -> dict[str, str]:
    """Task -> the paths, of those that are done and left something out on this host."""
    if not (home / "logs" / run).is_dir():
        return {}
    said = {
        task.spec.id: _read(attempt_log(home, run, task.spec.id, task.attempt))
        for task in tasks
        if task.state is TaskState.DONE
    }
    return {name: paths for name, paths in said.items() if paths}


def _read(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LOOKED_AT))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return next((line.removeprefix(LEFT_OUT) for line in reversed(lines) if line.startswith(LEFT_OUT)), "")
