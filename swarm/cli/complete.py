"""What the shell offers for RUN and TASK: read from a server that answers now, else nothing."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from swarm.engine.reads import Reads

TIMEOUT_S = 0.5
MOST_OFFERED = 200


def complete_run(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The ids of runs that begin like this, newest first, and `latest`."""
    del param
    runs = _ask(ctx, lambda reads: reads.run_ids())
    return _beginning(["latest", *reversed(runs)] if runs else [], incomplete)


def complete_task(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The ids of the tasks of the run that is meant, the newest by default."""
    del param
    named = str(ctx.params.get("run") or next(iter(ctx.params.get("words") or ()), "latest"))

    def ids(reads: "Reads") -> list[str]:
        runs = [run for run in reads.run_ids() if named == "latest" or run.startswith(named)]
        return reads.task_ids(runs[-1]) if runs else []

    return _beginning(_ask(ctx, ids), incomplete)


def _beginning(words: list[str], incomplete: str) -> list[str]:
    return [word for word in words if word.startswith(incomplete)][:MOST_OFFERED]


def _ask(ctx: click.Context, question: "Callable[[Reads], list[str]]") -> list[str]:
    """The answer, or nothing: whoever presses Tab wants no error, and no server started."""
    from swarm.engine.connect import open_store, reads_for
    from swarm.errors import SwarmError
    from swarm.fleet.server_file import running_url
    from swarm.settings import load_settings

    directory = ctx.find_root().params.get("directory") or Path()
    try:
        settings = load_settings(directory)
        url = settings.redis_url or running_url(settings.home)
        if not url:
            return []
        store = open_store(url, timeout_s=TIMEOUT_S)
        try:
            return question(reads_for(store, settings.project, patience_s=0))
        finally:
            store.close()
    except (SwarmError, OSError):
        return []
