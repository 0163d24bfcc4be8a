"""Draw docs/live.svg: run the demo, and export its live view in the middle of it.

python docs/live_picture.py [--at SECONDS]
"""

import argparse
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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--at", type=float, default=9.0, help="seconds after the run began")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "tally"
        demo = subprocess.Popen(
            [sys.executable, "-m", "swarm", "demo", "--into", str(root)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        snapshot = _snapshot_at(root, arguments.at)
        demo.wait()
    console = Console(record=True, width=WIDTH, file=open(Path("/dev/null"), "w", encoding="utf-8"))  # noqa: SIM115, PTH123
    console.print(render_live(snapshot, WIDTH))
    console.save_svg(str(Path(__file__).parent / "live.svg"), title="swarm demo")


def _snapshot_at(root: Path, seconds: float) -> Snapshot:
    """Wait for the demo's run, then until it is this old."""
    while True:
        time.sleep(0.2)
        url = running_url(root / ".swarm")
        if url is None:
            continue
        try:
            engine = Engine(open_store(url), root.name)
            runs = engine.run_ids()
            snapshot = take_snapshot(engine, runs[-1]) if runs else None
        except SwarmError:
            continue
        if snapshot is not None and snapshot.elapsed_s >= seconds:
            return snapshot


if __name__ == "__main__":
    main()
