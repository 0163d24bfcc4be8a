"""`swarm worker`, `swarm supervisor`, `swarm down`: the processes themselves."""

import os
import signal
import sys
import threading
from contextlib import closing
from functools import partial

import click

from swarm.cli.context import Context, hub_option, pass_context
from swarm.cli.output import emit, say
from swarm.plan.naming import check_name


@click.command()
@click.option("--types", default="*", help="Task types to serve, comma-separated; * is all.")
@click.option(
    "--tags", help="What it has to offer (`needs` of a task), comma-separated; default: the setting."
)
@hub_option
@click.option("--json", "as_json", is_flag=True, help="Accepted everywhere; a worker always logs JSON lines.")
@pass_context
def worker(context: Context, types: str, tags: str | None, hub: str | None, as_json: bool) -> None:
    """Run one worker in the foreground until it is told to stop."""
    del as_json
    wanted = check_types(types)
    settings = context.settings(tags=tags, hub=hub)
    if settings.tags:
        check_types(settings.tags, "tag")
    from swarm.engine.connect import engine_for
    from swarm.fleet.server import ensure_server
    from swarm.settings import child_environment

    url = ensure_server(settings).url
    engine = engine_for(settings, url)
    known = sorted({queue.type.partition("+")[0] for queue in engine.queues()})
    engine.close()
    if unknown := [name for name in wanted if name not in {"*", *known}]:
        here = f"known here: {', '.join(known)}" if known else "nothing was submitted here yet"
        say(f"warning: --types: no task of type {', '.join(map(repr, unknown))} was ever submitted; {here}")
    argv = [sys.executable, "-m", "workers", "-C", str(settings.root), "--types", types]
    argv += ["--tags", settings.tags]
    # Become the worker: one process, one set of signals. `swarm` itself never imports `workers`.
    os.execve(  # noqa: S606  # an argv of our own, and no shell is what we want
        sys.executable, argv, child_environment({"REDIS_URL": url, **settings.flags_as_environment()})
    )


def check_types(types: str, what: str = "type") -> list[str]:
    """The task types, or tags, in a comma-separated list.

    Raises:
        UsageError: one of them cannot be one.
    """
    names = types.split(",")
    for name in names:
        if name != "*" or what == "tag":
            example = (
                "such as --types frontend,docs; * is all" if what == "type" else "such as --tags gpu,big"
            )
            check_name(name, what, hint=example, option=f"--{what}s: ")
    return names


@click.command()
@click.option("--lifeline", is_flag=True, help="Stop when stdin closes: the parent is gone.")
@hub_option
@click.option(
    "--json", "as_json", is_flag=True, help="Accepted everywhere; a supervisor always logs JSON lines."
)
@pass_context
def supervisor(context: Context, lifeline: bool, hub: str | None, as_json: bool) -> None:
    """Run one supervisor in the foreground: reclaim, merge, publish."""
    settings = context.settings(hub=hub)
    del as_json
    from swarm.archive.archiver import Archiver
    from swarm.engine.connect import engine_for
    from swarm.fleet.launch import open_launcher
    from swarm.fleet.lifeline import watch_lifeline
    from swarm.fleet.liveness import supervisor_id
    from swarm.fleet.server import ensure_server
    from swarm.fleet.startup import become_daemon
    from swarm.fleet.stopped import is_put_down
    from swarm.repo.hub.opening import open_hub
    from swarm.repo.merging.merge_queue import MergeQueue
    from swarm.supervisor import Supervisor

    become_daemon(settings)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    if lifeline:
        watch_lifeline(stop.set)
    worker_id = supervisor_id()
    is_gone = partial(is_put_down, settings)
    engine = engine_for(settings, ensure_server(settings).url, is_put_down=is_gone)
    merge_queue = MergeQueue(
        engine,
        mirror := open_hub(settings),
        open_launcher(settings),
        merger_id=worker_id,
        home=settings.home,
        most=settings.train,
        isolation=f"{settings.isolation} {settings.image}",
        looks_ahead=settings.ahead,
    )
    publish_to = settings.root if (settings.root / ".git").exists() else None
    archiver = Archiver(engine, settings)
    with closing(merge_queue):
        Supervisor(
            engine, mirror, merge_queue, worker_id=worker_id, publish_to=publish_to, archiver=archiver
        ).run_until(lambda: stop.is_set() or is_gone())


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else on stdout.")
@pass_context
def down(context: Context, as_json: bool) -> None:
    """Stop this repository's embedded server; its data stays.

    A command that looks or steers starts it for as long as it takes; `run`, `submit`, `worker` and
    `supervisor` start it to stay. A `swarm run` that is under way ends.
    """
    settings = context.settings()
    from swarm.fleet.stopped import put_down

    stopped = put_down(settings)
    emit(
        {"stopped": stopped},
        as_json,
        lambda: "the embedded server is stopped" if stopped else "no embedded server is running",
    )
