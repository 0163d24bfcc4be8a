"""How often the kernel killed for lack of memory in this process's cgroup."""

import contextlib
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


def count_oom_kills(proc: Path = Path("/proc/self/cgroup"), root: Path = ROOT) -> int | None:
    """The `oom_kill` counter of our cgroup (version 1 or 2), or None where there is none."""
    for path in _counter_files(proc, root):
        with contextlib.suppress(OSError):
            for line in path.read_text(encoding="ascii", errors="replace").splitlines():
                name, _, value = line.partition(" ")
                if name == "oom_kill" and value.isdigit():
                    return int(value)
    return None


def _counter_files(proc: Path, root: Path) -> list[Path]:
    """Where the counter may be: at our cgroup's path, or at the top when a container shows only its own."""
    try:
        lines = proc.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    paths: list[Path] = []
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        inside = group.lstrip("/")
        if "memory" in controllers.split(","):
            top = root / "memory"
            paths += [top / inside / "memory.oom_control", top / "memory.oom_control"]
        elif not controllers:
            paths += [root / inside / "memory.events", root / "memory.events"]
    return paths
