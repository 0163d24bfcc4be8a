"""`diff`: what a task changed."""

from typing import TYPE_CHECKING

import click

from swarm.cli.context import Context, find_run, pass_context, resolve_task, run_option, task_argument
from swarm.cli.output import emit, json_option
from swarm.errors import UsageError
from swarm.observe.wording import printable
from swarm.states import TaskState

if TYPE_CHECKING:
    from swarm.engine.records import TaskRecord

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


@click.command()
@task_argument
@run_option
@click.option("--attempt", "of_attempt", is_flag=True, help="The last attempt, even when it did not land.")
@json_option
@pass_context
def diff(context: Context, task: str, run: str, of_attempt: bool, as_json: bool) -> None:
    """Print what a task changed.

    TASK is an id or the beginning of one: the commit that landed, else its last attempt.
    """
    settings = context.settings()
    reads = context.reads()
    run = find_run(reads, run)
    record = reads.task(run, resolve_task(reads, run, task))
    from swarm.repo.hub import Hub

    landed = record.merged_commit and not of_attempt
    commit = record.merged_commit if landed else record.attempt_commit
    if not commit:
        raise _nothing_to_show(record)
    before = f"{commit}^" if landed else record.base
    patch = Hub(settings.hub).patch(before, commit)
    data = {
        "run": run,
        "task": record.spec.id,
        "attempt": record.attempt,
        "landed": bool(landed),
        "base": record.base,
        "commit": commit,
        "patch": patch,
    }
    emit(data, as_json, lambda: "\n".join(map(_coloured, printable(patch).splitlines())))


def _nothing_to_show(record: "TaskRecord") -> UsageError:
    task, state = f"task {record.spec.id!r} ({record.state.value})", record.state
    why = f"`swarm why {record.spec.id}` says"
    if state is TaskState.DONE:
        return UsageError(f"{task} changed nothing", hint=f"{why} how it ended")
    if not state.is_terminal:
        return UsageError(f"{task} has changed nothing yet", hint=f"{why} what it waits for")
    kept = "its last attempt was not kept" if record.attempt else "it was never tried"
    return UsageError(f"nothing of {task} landed, and {kept}", hint=f"{why} why")


def _coloured(line: str) -> str:
    if line.startswith(("diff ", "+++", "---", "index ")):
        return click.style(line, bold=True)
    return click.style(line, fg=_COLOURS[line[0]]) if line[:1] in _COLOURS else line
