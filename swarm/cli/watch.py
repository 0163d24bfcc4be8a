"""`watch`: follow a run that others run."""

import time

import click

from swarm.cli.context import LONG_PATIENCE_S, Context, pass_context, resolve_run, run_argument
from swarm.cli.control import tell_verdict
from swarm.cli.output import json_option

LOOK_EVERY_S = 0.25


@click.command()
@run_argument
@json_option
@pass_context
def watch(context: Context, run: str, as_json: bool) -> int:
    """Follow a run live until it ends.

    RUN is an id, the beginning of one, or `latest` (the default). Ctrl-C stops watching, not the
    run. Without a terminal it writes one line an event; with --json only the report, at the end.
    """
    reads = context.reads(patience_s=LONG_PATIENCE_S)
    run = resolve_run(reads, run, reads.shelf)
    from swarm.base_check import red_on_base
    from swarm.engine.snapshot import take_snapshot
    from swarm.observe.left_out import read_left_out
    from swarm.observe.report import build_report, render_report
    from swarm.observe.watcher import open_watcher
    from swarm.repo.changed import touched_paths, unpublished
    from swarm.repo.merging.gate_notes import read_notes

    with open_watcher(reads, run, quiet=as_json) as watcher:
        while True:
            snapshot = take_snapshot(reads, run)
            watcher.show(snapshot)
            if snapshot.run.state.is_terminal:
                break
            time.sleep(LOOK_EVERY_S)
    red = red_on_base(context.settings().run_folder(run))
    touched = touched_paths(context.settings(), snapshot.run, snapshot.tasks)
    notes = read_notes(context.settings().home, run, snapshot.tasks)
    report = build_report(
        snapshot,
        red_on_base=red,
        touched=touched,
        notes=notes,
        left_out=read_left_out(context.settings().home, run, snapshot.tasks),
        unpublished=unpublished(context.settings(), snapshot.run),
    )
    click.echo(render_report(report, "json" if as_json else "text"))
    return tell_verdict(context, snapshot.run, snapshot.tasks)
