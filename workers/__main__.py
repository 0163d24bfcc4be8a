"""`python -m workers`: one worker of the repository's project."""

import argparse
import os
import socket
from functools import partial
from pathlib import Path

from swarm.engine.claims import WorkerProfile
from swarm.engine.connect import engine_for
from swarm.errors import SwarmError
from swarm.fleet.launch import open_launcher
from swarm.fleet.leftovers import sweep_leftovers
from swarm.fleet.lifeline import watch_lifeline
from swarm.fleet.process_id import ProcessId
from swarm.fleet.server import ensure_server
from swarm.fleet.startup import become_daemon
from swarm.fleet.stopped import is_put_down
from swarm.repo.hub.opening import open_hub
from swarm.settings import Settings, load_settings
from workers.agents import known_agents
from workers.worker import Worker


def main() -> int:
    """Run a worker until it is told to stop; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m workers", description=__doc__)
    parser.add_argument("-C", dest="root", type=Path, default=Path(), help="a folder in the repository")
    parser.add_argument("--types", default="*", help="task types to serve, comma-separated; * is all")
    parser.add_argument("--tags", help="what this worker has to offer, comma-separated; default: the setting")
    parser.add_argument("--lifeline", action="store_true", help="stop when stdin closes: the parent is gone")
    arguments = parser.parse_args()
    try:
        settings = load_settings(arguments.root)
        become_daemon(settings)
        tags = settings.tags if arguments.tags is None else arguments.tags
        types = tuple(filter(None, arguments.types.split(","))) or ("*",)
        worker = open_worker(settings, types=types, tags=tuple(filter(None, tags.split(","))))
        worker.stopping.listen_to_signals()
        if arguments.lifeline:
            watch_lifeline(worker.stopping.stop_now)
        worker.run()
    except SwarmError as error:
        parser.exit(error.exit_code, f"error[{error.code}]: {error.message}\nhelp: {error.help}\n")
    return 0


def open_worker(settings: Settings, *, types: tuple[str, ...] = ("*",), tags: tuple[str, ...] = ()) -> Worker:
    """Build a worker from settings, after sweeping what dead workers left on this host.

    Raises:
        SwarmError: Redis, Docker or the hub cannot be used.
    """
    sweep_leftovers(settings.home / "workspaces")
    agents = known_agents(settings)
    return Worker(
        engine=engine_for(settings, ensure_server(settings).url, is_put_down=partial(is_put_down, settings)),
        hub=open_hub(settings),
        launcher=open_launcher(settings),
        agents=agents,
        settings=settings,
        profile=WorkerProfile(
            worker_id=str(ProcessId.mine()),
            types=types,
            executors=tuple(agents),
            host=socket.gethostname(),
            pid=os.getpid(),
            tags=tags,
        ),
    )


if __name__ == "__main__":
    raise SystemExit(main())
