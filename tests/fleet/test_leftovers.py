"""What a new worker finds of dead ones, and what it must leave alone."""

import subprocess
from pathlib import Path

from swarm.fleet.leftovers import sweep_leftovers
from swarm.fleet.process_id import ProcessId


def dead_worker() -> ProcessId:
    """The name of a process that has just ended."""
    process = subprocess.Popen(["sleep", "60"])
    name = ProcessId.running(process.pid)
    process.kill()
    process.wait()
    assert name is not None
    return name


def test_only_workspaces_of_dead_workers_of_this_host_are_removed(tmp_path: Path) -> None:
    """Other hosts' workers, living ones and folders of another kind stay."""
    names = {
        "dead": str(dead_worker()),
        "alive": str(ProcessId.mine()),
        "elsewhere": str(dead_worker()._replace(host="other-host")),
        "unknown": "notes",
    }
    for name in names.values():
        (tmp_path / name / "7" / "sub").mkdir(parents=True)
    (tmp_path / names["dead"] / "7" / "sub").chmod(0)

    assert sweep_leftovers(tmp_path) == [names["dead"]]

    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        names[name] for name in ("alive", "elsewhere", "unknown")
    )


def test_processes_of_a_dead_worker_are_ended(tmp_path: Path) -> None:
    """They are found by their tag; processes of a living worker with the same tag shape are not touched."""
    sleepers = [
        subprocess.Popen(
            ["sleep", "600"],
            env={"PATH": "/usr/bin:/bin", "SWARM_ATTEMPT": f"{worker}:r/t/1:x"},
        )
        for worker in (dead_worker(), ProcessId.mine())
    ]

    sweep_leftovers(tmp_path / "nowhere")

    orphan, cared_for = sleepers
    assert orphan.wait(5) == -9
    assert cared_for.poll() is None
    cared_for.kill()
    cared_for.wait()
