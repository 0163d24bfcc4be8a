"""What fits on a machine: measured within control groups, and cut down with a reason."""

import os
from pathlib import Path

import psutil
import pytest

from swarm.errors import LimitReachedError
from swarm.fleet.resources import Resources, admit, available, await_room, choose_workers

MIB = 1024 * 1024
MACHINE = Resources(memory_mb=9_000, cpus=4.0, load=0.0, total_mb=10_000)
"""8,000 MiB for agents: a tenth of the machine is kept free."""


def write_group(folder: Path, files: dict[str, str]) -> None:
    """One control group, as the kernel shows it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text + "\n")


def test_a_machine_without_limits_is_measured_as_it_is(tmp_path: Path) -> None:
    """No control group: the operating system's own numbers."""
    now = available(proc=tmp_path / "none", cgroups=tmp_path)

    assert now.total_mb == psutil.virtual_memory().total // MIB
    assert 0 < now.memory_mb <= now.total_mb
    assert now.cpus == len(os.sched_getaffinity(0))


def test_a_version_2_group_above_ours_limits_us(tmp_path: Path) -> None:
    """A limit anywhere on the way up holds; cache that nobody touches counts as available."""
    proc = tmp_path / "cgroup"
    proc.write_text("0::/slice/ours\n")
    root = tmp_path / "fs"
    write_group(root / "slice" / "ours", {"memory.max": "max", "cpu.max": "max 100000"})
    write_group(
        root / "slice",
        {
            "memory.max": str(100 * MIB),
            "memory.current": str(80 * MIB),
            "memory.stat": f"anon 1\ninactive_file {30 * MIB}",
            "cpu.max": "50000 100000",
        },
    )

    now = available(proc=proc, cgroups=root)

    assert (now.memory_mb, now.total_mb, now.cpus) == (50, 100, 0.5)


def test_a_version_1_group_limits_us(tmp_path: Path) -> None:
    """The older names of the same things, each controller in a folder of its own."""
    proc = tmp_path / "cgroup"
    proc.write_text("4:memory:/box\n2:cpu,cpuacct:/box\n1:name=systemd:/box\n")
    root = tmp_path / "fs"
    write_group(
        root / "memory" / "box",
        {
            "memory.limit_in_bytes": str(100 * MIB),
            "memory.usage_in_bytes": str(80 * MIB),
            "memory.stat": f"total_inactive_file {10 * MIB}",
        },
    )
    write_group(root / "memory", {"memory.limit_in_bytes": "9223372036854771712"})
    write_group(root / "cpu" / "box", {"cpu.cfs_quota_us": "150000", "cpu.cfs_period_us": "100000"})
    write_group(root / "cpu", {"cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "100000"})

    now = available(proc=proc, cgroups=root)

    assert (now.memory_mb, now.total_mb) == (30, 100)
    assert now.cpus == min(1.5, len(os.sched_getaffinity(0)))


def test_a_container_that_sees_only_its_own_group_is_limited_too(tmp_path: Path) -> None:
    """The path is the host's and leads nowhere: the top of the mount is ours."""
    proc = tmp_path / "cgroup"
    proc.write_text("4:memory:/docker/0123\n")
    root = tmp_path / "fs"
    write_group(root / "memory", {"memory.limit_in_bytes": str(64 * MIB), "memory.usage_in_bytes": "0"})

    now = available(proc=proc, cgroups=root)

    assert now.total_mb == 64


def test_workers_are_chosen_by_what_is_scarcest() -> None:
    """Without a request: the smaller of what CPU and memory allow, and which of them it was."""
    by_cpu = choose_workers(0, memory_mb_each=1_000, cpus_each=1.0, now=MACHINE)
    by_memory = choose_workers(0, memory_mb_each=3_000, cpus_each=1.0, now=MACHINE)

    assert (by_cpu.workers, by_cpu.reason) == (4, "by CPU: 4 CPUs, 1 each")
    assert by_memory.workers == 2
    assert by_memory.reason == "by memory: 8000 MiB of memory available, 3000 MiB each"


def test_a_request_that_fits_is_granted_without_a_word() -> None:
    """More workers than CPUs are allowed: they only get slower."""
    admission = choose_workers(8, memory_mb_each=1_000, cpus_each=1.0, now=MACHINE)

    assert (admission.workers, admission.reason) == (8, "")


def test_a_request_beyond_the_memory_is_cut_down_with_the_reason() -> None:
    """Both numbers are named."""
    admission = choose_workers(40, memory_mb_each=1_000, cpus_each=1.0, now=MACHINE)

    assert admission.workers == 8
    assert admission.reason.startswith("40 requested, cut down to 8: 8000 MiB")


def test_one_worker_is_admitted_on_a_busy_machine() -> None:
    """It waits for room before each container; a run never starts with nobody."""
    busy = Resources(memory_mb=500, cpus=4.0, load=9.0, total_mb=10_000)

    admission = choose_workers(3, memory_mb_each=1_000, cpus_each=1.0, now=busy)

    assert admission.workers == 1


def test_what_can_never_fit_is_refused() -> None:
    """Waiting would be for ever; the error says which setting to lower."""
    with pytest.raises(LimitReachedError, match="9001 MiB and this machine has 10000 MiB") as caught:
        choose_workers(1, memory_mb_each=9_001, cpus_each=1.0, now=MACHINE)

    assert caught.value.hint == "lower memory_mb"


@pytest.mark.parametrize(
    ("memory_mb", "promised_mb", "expected"),
    [(8_000, 0, True), (8_001, 0, False), (1_000, 8_000, True), (1_000, 8_001, False)],
)
def test_admission_counts_what_is_free_and_what_is_promised(
    memory_mb: int, promised_mb: int, *, expected: bool
) -> None:
    """Containers that have not used their share yet are not forgotten."""
    assert admit(memory_mb, promised_mb=promised_mb, now=MACHINE) is expected


def test_waiting_for_room_ends_when_there_is_some() -> None:
    """The promises of others are asked for anew each time."""
    promises = iter([10**9, 10**9, 0])

    await_room(1, promised_mb=lambda: next(promises), limit_s=30)

    assert list(promises) == []


def test_waiting_for_room_ends_with_an_error_in_time() -> None:
    """It never waits for ever."""
    with pytest.raises(LimitReachedError, match="no room for a container of 1 MiB"):
        await_room(1, promised_mb=lambda: 10**9, limit_s=0.1)
