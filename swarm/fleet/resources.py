"""What this machine can still carry, and how many agents that is.

The limits of our own control group (version 1 or 2) count as the machine: inside a container,
memory that belongs to others is not available to us.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from swarm.errors import LimitReachedError

KEPT_FREE = 0.1
"""Share of the memory that is left to the rest of the machine."""

_ROOM_POLL_S = 0.5
_MIB = 1024 * 1024
_PROC = Path("/proc/self/cgroup")
_CGROUPS = Path("/sys/fs/cgroup")
_UNLIMITED_BYTES = 1 << 60  # version 1 writes a huge number for "no limit"


@dataclass(frozen=True)
class Resources:
    """The machine as this process may use it, at one moment."""

    memory_mb: int  # available now, MiB
    cpus: float
    load: float  # runnable processes, averaged over a minute
    total_mb: int  # the most there could ever be, MiB

    @property
    def usable_mb(self) -> int:
        """Available memory that agents may take; the rest keeps the machine alive."""
        return int(self.memory_mb - KEPT_FREE * self.total_mb)


@dataclass(frozen=True)
class Admission:
    """How many workers to start, and why not more (empty when it is what was asked for)."""

    workers: int
    reason: str


def available(*, proc: Path = _PROC, cgroups: Path = _CGROUPS) -> Resources:
    """Measure the machine, cut down to the limits of our control group."""
    memory = psutil.virtual_memory()
    free_bytes, total_bytes = memory.available, memory.total
    cpus = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    for group in _our_groups(proc, cgroups):
        if (limit := group.memory_limit_bytes()) is not None:
            total_bytes = min(total_bytes, limit)
            free_bytes = min(free_bytes, limit - group.memory_used_bytes())
        if (quota := group.cpu_quota()) is not None:
            cpus = min(cpus, quota)
    return Resources(
        memory_mb=max(0, free_bytes) // _MIB,
        cpus=cpus,
        load=psutil.getloadavg()[0],
        total_mb=total_bytes // _MIB,
    )


def choose_workers(
    requested: int, *, memory_mb_each: int, cpus_each: float, now: Resources | None = None
) -> Admission:
    """How many workers fit: `requested`, or as many as CPU and memory allow when it is 0.

    A request is cut down by available memory only: too many for the CPU are slow, too many for the
    memory are killed. At least one is admitted; it waits for room before each container.

    Raises:
        LimitReachedError: not even one can ever fit.
    """
    now = now or available()
    _check_that_one_fits(memory_mb_each, now)
    by_memory = max(1, now.usable_mb // max(1, memory_mb_each))
    memory = f"{now.usable_mb} MiB of memory available, {memory_mb_each} MiB each"
    if requested:
        if requested <= by_memory:
            return Admission(requested, "")
        return Admission(by_memory, f"{requested} requested, cut down to {by_memory}: {memory}")
    by_cpu = max(1, int(now.cpus / cpus_each)) if cpus_each else by_memory
    if by_memory < by_cpu:
        return Admission(by_memory, f"by memory: {memory}")
    return Admission(by_cpu, f"by CPU: {now.cpus:g} CPUs, {cpus_each:g} each")


def admit(memory_mb: int, *, promised_mb: int = 0, now: Resources | None = None) -> bool:
    """There is room for one more container of this size.

    `promised_mb` is what running containers may still grow to: it is held against the whole
    machine, so that containers which have not used their share yet are not forgotten.
    """
    now = now or available()
    return memory_mb <= now.usable_mb and promised_mb + memory_mb <= (1 - KEPT_FREE) * now.total_mb


def await_room(memory_mb: int, *, promised_mb: Callable[[], int], limit_s: float) -> None:
    """Return once `admit` says that there is room.

    Raises:
        LimitReachedError: there was none in time, or there never can be.
    """
    _check_that_one_fits(memory_mb, available())
    deadline_s = time.monotonic() + limit_s
    while not admit(memory_mb, promised_mb=promised_mb()):
        if time.monotonic() >= deadline_s:
            raise LimitReachedError(
                f"no room for a container of {memory_mb} MiB in {limit_s:g} s",
                hint="lower memory_mb or workers, or free some memory",
            )
        time.sleep(_ROOM_POLL_S)


def _check_that_one_fits(memory_mb: int, now: Resources) -> None:
    if memory_mb > now.total_mb * (1 - KEPT_FREE):
        raise LimitReachedError(
            f"one worker may use {memory_mb} MiB and this machine has {now.total_mb} MiB, "
            f"{KEPT_FREE:.0%} of which is kept free",
            hint="lower memory_mb",
        )


@dataclass(frozen=True)
class _Group:
    """One control group: the folders where its memory and CPU files are, under either version's names."""

    folder: Path
    is_v2: bool

    def memory_limit_bytes(self) -> int | None:
        text = _read(self.folder / ("memory.max" if self.is_v2 else "memory.limit_in_bytes"))
        return int(text) if text.isdigit() and int(text) < _UNLIMITED_BYTES else None

    def memory_used_bytes(self) -> int:
        """What is used and cannot be given back: the page cache that nobody touches can."""
        used = _read(self.folder / ("memory.current" if self.is_v2 else "memory.usage_in_bytes"))
        idle_name = "inactive_file" if self.is_v2 else "total_inactive_file"
        idle = dict(
            line.split(" ", 1) for line in _read(self.folder / "memory.stat").splitlines() if " " in line
        )
        return (int(used) if used.isdigit() else 0) - int(idle.get(idle_name, "0"))

    def cpu_quota(self) -> float | None:
        """CPUs' worth of time, or None without a limit."""
        if self.is_v2:
            quota, _, period = _read(self.folder / "cpu.max").partition(" ")
        else:
            quota = _read(self.folder / "cpu.cfs_quota_us")
            period = _read(self.folder / "cpu.cfs_period_us")
        if not quota.isdigit() or not period.isdigit() or int(period) == 0:
            return None  # "max", "-1", or not there
        return int(quota) / int(period)


def _our_groups(proc: Path, cgroups: Path) -> list[_Group]:
    """Our control groups and all above them: a limit anywhere on the way up holds.

    In a container the path may be the host's and lead nowhere; the mount's top is then our group.
    """
    groups: list[_Group] = []
    for line in _read(proc).splitlines():
        _, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        tops = [cgroups] if not names else [cgroups / name for name in names.split(",")]
        for top in tops:
            here = top / path.lstrip("/")
            ways = [here, *here.parents]
            groups += [_Group(way, is_v2=not names) for way in ways[: ways.index(top) + 1]]
    return groups


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
