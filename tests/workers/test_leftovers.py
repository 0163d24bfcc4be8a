"""What a new worker finds of dead ones, and what it must leave alone."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from workers.leftovers import WorkerId, sweep_leftovers


def dead_pid() -> int:
    """The number of a process that has just ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_only_workspaces_of_dead_workers_of_this_host_are_removed(tmp_path: Path) -> None:
    """Other hosts' workers, living ones and folders of another kind stay."""
    host = socket.gethostname()
    names = {
        "dead": str(WorkerId(host, dead_pid(), "00aa")),
        "alive": str(WorkerId(host, os.getpid(), "00aa")),
        "elsewhere": str(WorkerId("other-host", dead_pid(), "00aa")),
        "unknown": "notes",
    }
    for name in names.values():
        (tmp_path / name / "7" / "sub").mkdir(parents=True)
    (tmp_path / names["dead"] / "7" / "sub").chmod(0)

    assert sweep_leftovers(tmp_path) == [names["dead"]]

    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        names[name] for name in ("alive", "elsewhere", "unknown")
    )


def test_a_process_number_that_was_used_again_does_not_keep_a_workspace(tmp_path: Path) -> None:
    """A process that began after the folder was last touched is not the folder's worker."""
    folder = tmp_path / str(WorkerId(socket.gethostname(), os.getpid(), "00aa"))
    folder.mkdir()
    before = psutil.Process().create_time() - 60
    os.utime(folder, (before, before))

    assert sweep_leftovers(tmp_path) == [folder.name]


def test_processes_of_a_dead_worker_are_ended(tmp_path: Path) -> None:
    """They are found by their tag; processes of a living worker with the same tag shape are not touched."""
    host = socket.gethostname()
    sleepers = [
        subprocess.Popen(
            ["sleep", "600"],
            env={"PATH": "/usr/bin:/bin", "SWARM_ATTEMPT": f"{WorkerId(host, pid, 'ab12')}:r/t/1:x"},
        )
        for pid in (dead_pid(), os.getpid())
    ]

    sweep_leftovers(tmp_path / "nowhere")

    orphan, cared_for = sleepers
    assert orphan.wait(5) == -9
    assert cared_for.poll() is None
    cared_for.kill()
    cared_for.wait()


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("host-12-ab", WorkerId("host", 12, "ab")),
        ("a-b-c-12-ab", WorkerId("a-b-c", 12, "ab")),
        ("host-x-ab", None),
        ("12-ab", None),
        ("", None),
    ],
)
def test_a_worker_id_says_where_it_ran(text: str, parsed: WorkerId | None) -> None:
    """Host names may hold dashes."""
    assert WorkerId.parse(text) == parsed
    if parsed is not None:
        assert str(parsed) == text
