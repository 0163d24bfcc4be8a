"""`report`: how a run went."""

from pathlib import Path

import click

from swarm.cli.context import Context, FilePath, find_run, pass_context, run_argument
from swarm.cli.output import json_option, say


@click.command()
@run_argument
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "md", "json", "junit"]),
    default="text",
    show_default=True,
    help="How it is written.",
)
@click.option("-o", "--output", type=FilePath(dir_okay=False), help="Write to this file.")
@json_option
@pass_context
def report(context: Context, run: str, form: str, output: Path | None, as_json: bool) -> None:
    """Report on a run: how it went, and what it took.

    RUN is an id, the beginning of one, or `latest` (the default). A run that goes on is measured
    up to now.
    """
    reads = context.reads()
    from swarm.base_check import red_on_base
    from swarm.engine.snapshot import take_snapshot
    from swarm.observe.left_out import read_left_out
    from swarm.observe.report import build_report, render_report
    from swarm.repo.changed import touched_paths, unpublished
    from swarm.repo.merging.gate_notes import read_notes

    run = find_run(reads, run)
    red = red_on_base(context.settings().run_folder(run))
    snapshot = take_snapshot(reads, run)
    anew = reads.shelf.begins_anew(run) if snapshot.run.is_archived else ""
    touched = touched_paths(context.settings(), snapshot.run, snapshot.tasks)
    notes = read_notes(context.settings().home, run, snapshot.tasks)
    measured = build_report(
        snapshot,
        red_on_base=red,
        touched=touched,
        notes=notes,
        left_out=read_left_out(context.settings().home, run, snapshot.tasks),
        unpublished=unpublished(context.settings(), snapshot.run),
    )
    text = render_report(measured, "json" if as_json else form, anew=anew)
    if output is None:
        click.echo(text)
        return
    output.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
    say(f"wrote {output}")
