"""Draw docs/live.svg: run the demo, and export its live view while one task waits for another's lock.

python docs/live_picture.py
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from swarm.engine.connect import open_store
from swarm.engine.engine import Engine
from swarm.engine.snapshot import Snapshot, take_snapshot
from swarm.errors import SwarmError
from swarm.fleet.server_file import running_url
from swarm.observe.live import render_live

WIDTH = 104


def main() -> None:
    """Write the picture beside this file."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "tally"
        demo = subprocess.Popen(
            [sys.executable, "-m", "swarm", "demo", "--into", str(root)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        snapshot = _snapshot_with_a_wait(root, demo)
        demo.wait()
    console = Console(record=True, width=WIDTH, file=open(Path("/dev/null"), "w", encoding="utf-8"))  # noqa: SIM115, PTH123
    console.print(render_live(snapshot, WIDTH))
    console.save_svg(str(Path(__file__).parent / "live.svg"), title="swarm demo")


def _snapshot_with_a_wait(root: Path, demo: "subprocess.Popen[bytes]") -> Snapshot:
    """The first look at the demo's run in which a task is parked on a lock."""
    while demo.poll() is None:
        time.sleep(0.1)
        url = running_url(root / ".swarm")
        if url is None:
            continue
        try:
            engine = Engine(open_store(url), root.name)
            runs = engine.run_ids()
            snapshot = take_snapshot(engine, runs[-1]) if runs else None
        except SwarmError:
            continue
        if snapshot is not None and any(task.parked_on for task in snapshot.tasks):
            return snapshot
    raise SystemExit("the demo ended, and no task was seen to wait for a lock")


if __name__ == "__main__":
    main()
