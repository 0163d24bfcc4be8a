"""`swarm run` and `swarm submit`: from a file to a branch."""

import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from swarm.cli.complete import complete_run
from swarm.cli.context import Context, FilePath, hub_option, pass_context
from swarm.cli.output import emit, say
from swarm.cli.seconds import Seconds
from swarm.cli.waiting import waiting
from swarm.errors import UsageError
from swarm.plan.model import MAX_SECONDS
from swarm.states import RunState

if TYPE_CHECKING:
    from swarm.plan.model import Plan
    from swarm.settings import Settings


deadline_option = click.option(
    "--deadline",
    "deadline_s",
    type=Seconds(most_s=MAX_SECONDS),
    metavar="SECONDS",
    help="What has not ended so long after the submission fails.",
)
fail_fast_option = click.option(
    "--fail-fast", is_flag=True, help="Call off the rest when a task fails; else what can go on does."
)
review_option = click.option(
    "--review/--no-review",
    default=None,
    help="Whether a second model must approve attempts of the tasks that do not say so themselves.",
)


@click.command()
@click.argument("file", required=False, type=FilePath())
@click.option(
    "--resume",
    metavar="RUN",
    help="Go on with a run that was interrupted; `latest` is the newest.",
    shell_complete=complete_run,
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask before starting.")
@click.option("--workers", type=click.IntRange(min=0), help="Local workers; 0 chooses by CPU and memory.")
@click.option("--isolation", type=click.Choice(["process", "docker"]), help="Where agents run.")
@click.option("--image", help="Image that agents run in under docker.")
@click.option(
    "--scope",
    type=click.Choice(["widen", "strict"]),
    help="What becomes of changes beyond a task's files: locked if free, or refused.",
)
@review_option
@hub_option
@click.option("--key", default="", help="Makes the same plan on the same commit a new run.")
@deadline_option
@fail_fast_option
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON and nothing else on stdout.")
@pass_context
def run(
    context: Context,
    file: Path | None,
    resume: str | None,
    yes: bool,
    workers: int | None,
    isolation: str | None,
    image: str | None,
    scope: str | None,
    review: bool | None,
    hub: str | None,
    key: str,
    deadline_s: float | None,
    fail_fast: bool,
    as_json: bool,
) -> None:
    """Run a plan (or requirements) on this machine, and report.

    FILE is a plan (.json) or a requirements file, which is planned first.
    """
    if (file is None) == (resume is None):
        raise UsageError("say what to run: a FILE, or --resume RUN", hint="for example `swarm run plan.json`")
    if resume is not None:
        refuse_said_at_submission(review=review, key=key, deadline=deadline_s, fail_fast=fail_fast)
    settings = context.settings(
        workers=workers, isolation=isolation, image=image, scope=scope, review=review, hub=hub
    )
    from swarm.cli.session import Session

    session = Session(settings, as_json=as_json)
    if resume is not None and file is None:
        sys.exit(session.resume(resume))
    if file is None or resume is not None:
        raise UsageError("say what to run: a FILE, or --resume RUN", hint="for example `swarm run plan.json`")
    session.check_place()
    plan = load_plan(settings, file, as_json=as_json)
    session.show_plan(plan)
    if not yes:
        confirm(len(plan.tasks))
    sys.exit(session.run_plan(plan, key=key, deadline_s=deadline_s, fail_fast=fail_fast))


@click.command()
@click.argument("file", type=FilePath())
@review_option
@hub_option
@click.option("--key", default="", help="Makes the same plan on the same commit a new run.")
@deadline_option
@fail_fast_option
@click.option("-y", "--yes", is_flag=True, help="As for `run`; submit never asks.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else on stdout.")
@pass_context
def submit(
    context: Context,
    file: Path,
    review: bool | None,
    hub: str | None,
    key: str,
    deadline_s: float | None,
    fail_fast: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Queue a plan and print the run's id; workers elsewhere do it."""
    del yes
    settings = context.settings(review=review, hub=hub)
    from swarm.base_check import judging_notes
    from swarm.submitting import ended_before, open_queue, submit_plan

    click.get_current_context().with_resource(waiting(f"submitting {file}"))
    plan = load_plan(settings, file, as_json=as_json)
    engine, _server = open_queue(settings)
    click.get_current_context().call_on_close(engine.close)
    engine.check_server()
    runs = engine.run_ids() if deadline_s is not None or fail_fast else []
    stored = [run for run in runs if engine.run(run).state is not RunState.LOADING]
    run_id = submit_plan(settings, engine, plan, key=key, deadline_s=deadline_s, fail_fast=fail_fast)
    record = engine.run(run_id)
    emit(
        {
            "run": run_id,
            "branch": record.branch,
            "base": record.base,
            "tasks": len(plan.tasks),
            "state": record.state,
        },
        as_json,
        lambda: run_id,
    )
    if record.state.is_terminal:
        say(ended_before(record))
    elif run_id in stored:
        say(f"run {run_id} was submitted before, and keeps the --deadline and --fail-fast of then")
    if not record.state.is_terminal:
        for note in judging_notes(settings, record.base, plan.tasks):
            say(note)


def refuse_said_at_submission(*, review: bool | None, **others: object) -> None:
    """Refuse what only a submission can say of a run, named as the options that say it.

    Raises:
        UsageError: one of them was given, and a run keeps what it was submitted with.
    """
    told = {"review": review, "no_review": review is False, **others}
    given = [f"--{name.replace('_', '-')}" for name, value in told.items() if value not in {None, "", False}]
    if given:
        names = ", ".join(given)
        raise UsageError(
            f"--resume: a run keeps what it was submitted with, and {names} would not count",
            hint=f"leave out {names}; a FILE with it and --key NAME makes a new run",
        )


def load_plan(settings: "Settings", file: Path, *, as_json: bool) -> "Plan":
    """Read a plan, or plan a requirements file with the model."""
    from swarm.cli.plan import plan_text, read_text
    from swarm.plan.document import parse_plan
    from swarm.plan.lint import lint, refuse

    text = read_text(file)
    if file.suffix != ".json":
        plan = plan_text(settings, text, source=str(file), quiet=as_json)
        refuse(lint(plan), source=str(file))
        return plan
    gc.disable()  # a large plan is millions of objects and no cycle: looking for one took a third of the time
    try:
        plan = parse_plan(text, source=str(file))
        refuse(lint(plan), source=str(file))
    finally:
        gc.enable()
    gc.freeze()  # it is there until the command ends
    return plan


def confirm(tasks: int) -> None:
    """Ask a person; without one, refuse and say how to go on."""
    if not sys.stdin.isatty():
        raise UsageError(
            f"{tasks} tasks are ready to start, and there is no terminal to ask",
            hint="add -y to start without asking",
        )
    if not click.confirm("start?", default=True, err=True):
        raise click.Abort
