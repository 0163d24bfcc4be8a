"""`pr`: a pull request for what a run has landed."""

import shlex

import click

from swarm.cli.context import Context, find_run, pass_context, run_argument
from swarm.cli.output import emit, json_option, say
from swarm.errors import RefusedError, UsageError


@click.command()
@run_argument
@click.option("--open", "is_to_open", is_flag=True, help="Push the branch, and open it by gh or glab.")
@click.option(
    "--into", default="", metavar="BRANCH", help="What it is to be merged into; the forge's default."
)
@click.option("--remote", default="origin", show_default=True, help="Where the branch is pushed to.")
@json_option
@pass_context
def pr(context: Context, run: str, is_to_open: bool, into: str, remote: str, as_json: bool) -> None:
    """Write title and body of a pull request for what a run has landed.

    The title is the first line of what is printed. A run that goes on has none yet. Nothing leaves this
    machine without --open.
    """
    settings, reads = context.settings(), context.reads()
    from swarm.engine.snapshot import take_snapshot
    from swarm.observe.pull_request import body_of, missing_from, not_in_it, title_of
    from swarm.observe.report import build_report
    from swarm.observe.wording import plural
    from swarm.repo.forge import find_forge, open_request
    from swarm.repo.gates.definitions import load_gates
    from swarm.repo.hub.opening import open_hub_for
    from swarm.repo.merging.gate_notes import read_notes

    snapshot = take_snapshot(reads, find_run(reads, run))
    notes = read_notes(settings.home, snapshot.run.run, snapshot.tasks)
    measured = build_report(snapshot, notes=notes)
    if not measured.merges:
        raise UsageError(
            f"nothing of run {measured.run!r} has landed", hint=f"`swarm report {measured.run}` says why"
        )
    if not snapshot.run.state.is_terminal:
        raise RefusedError(
            f"run {measured.run!r} is {measured.state}: {measured.merges} of"
            f" {plural(len(measured.tasks), 'task')} landed, more is to land",
            hint=f"`swarm wait {measured.run}` blocks until it ends",
        )
    hub = open_hub_for(settings, snapshot.run)
    title, url = title_of(measured), ""
    body = body_of(measured, load_gates(hub, measured.base))
    if is_to_open:
        forge = find_forge()
        published = hub.publish(settings.root, measured.branch)
        if not published.succeeded:
            raise UsageError(published.reason)
        url = open_request(
            forge,
            settings.root,
            branch=measured.branch,
            into=into,
            title=title,
            body=body,
            remote=remote,
            again=shlex.join(
                [
                    "swarm",
                    "pr",
                    measured.run,
                    "--open",
                    "--remote",
                    remote,
                    *(["--into", into] if into else []),
                ]
            ),
        )
    missing = missing_from(measured)
    data: dict[str, object] = {
        "run": measured.run,
        "branch": measured.branch,
        "title": title,
        "body": body,
        "url": url or None,
    }
    data["missing"] = [row.id for row in missing]
    emit(data, as_json, lambda: url or f"{title}\n\n{body}".rstrip())
    if missing:
        say(not_in_it(missing))
