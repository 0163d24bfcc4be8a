"""`diff`: what a task changed."""

from typing import TYPE_CHECKING

import click

from swarm.cli.context import Context, find_run, pass_context, resolve_task, run_option, task_argument
from swarm.cli.output import emit, json_option
from swarm.errors import UsageError
from swarm.observe.wording import plural, printable
from swarm.states import TaskState

if TYPE_CHECKING:
    from swarm.engine.records import TaskRecord
    from swarm.repo.hub.hub import Hub

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


@click.command()
@task_argument
@run_option
@click.option("--attempt", "of_attempt", is_flag=True, help="The last attempt, even when it did not land.")
@click.option(
    "--sides", is_flag=True, help="Of a conflict: what landed, what the attempt did, what both began with."
)
@json_option
@pass_context
def diff(context: Context, task: str, run: str, of_attempt: bool, sides: bool, as_json: bool) -> None:
    """Print what a task changed.

    TASK is an id or the beginning of one: the commit that landed, else its last attempt.
    """
    settings = context.settings()
    reads = context.reads()
    run = find_run(reads, run)
    record = reads.task(run, resolve_task(reads, run, task))
    from swarm.repo.hub.opening import open_hub_for

    of_run = reads.run(run)
    hub = open_hub_for(settings, of_run)
    if sides:
        _print_sides(hub, record, of_run.branch, as_json)
        return
    landed = record.merged_commit and not of_attempt
    commit = record.merged_commit if landed else record.attempt_commit
    if not commit:
        raise _nothing_to_show(record)
    # Not what its last claim began with: an attempt that was put back is kept, and claimed again elsewhere.
    before = hub.resolve(f"{commit}^") or record.base
    patch = hub.patch(before, commit)
    lands_in = {} if landed else _followed(hub, commit, before, of_run.branch)
    data = {
        "run": run,
        "task": record.spec.id,
        "attempt": record.attempt,
        "landed": bool(landed),
        "base": before,
        "commit": commit,
        "lands_in": lands_in,
        "patch": patch,
    }
    emit(data, as_json, lambda: "\n".join([*_told(lands_in), *map(_coloured, printable(patch).splitlines())]))


def _followed(hub: "Hub", commit: str, before: str, branch: str) -> dict[str, str]:
    """What an attempt edits that has another name on the branch by now -> that name, which its edit is in."""
    from swarm.repo.git.moves import find_followed
    from swarm.repo.git.paths import shown
    from swarm.repo.git.workbench import Workbench

    tip = hub.tip(branch)
    if tip is None or tip == before:
        return {}
    with Workbench(hub.path) as bench:
        found = find_followed(bench, tip, commit, base=before)
    return {shown(path): shown(place) for path, place in found.items()}


def _told(lands_in: dict[str, str]) -> list[str]:
    """A line for each, above the patch, which has the old names."""
    return [
        click.style(
            f"would land in {printable(place)}: that is what {printable(path)} is called now", fg="yellow"
        )
        for path, place in lands_in.items()
    ]


def _print_sides(hub: "Hub", record: "TaskRecord", branch: str, as_json: bool) -> None:
    """The three sides of a conflict, between the last attempt and the branch as it is now."""
    from swarm.repo.git.merge import Conflict
    from swarm.repo.git.moves import merge_moved
    from swarm.repo.git.workbench import Workbench
    from swarm.repo.merging.conflicts import read_sides

    attempt, tip, task = record.attempt_commit, hub.tip(branch), record.spec
    if record.merged_commit:  # what has come after it may well differ, and is no conflict of the task's
        raise UsageError(
            f"task {task.id!r} has landed: nothing conflicts with it", hint=f"`swarm diff {task.id}` shows it"
        )
    if not attempt or tip is None or hub.resolve(attempt) is None:
        raise UsageError(
            f"no attempt of task {task.id!r} is kept", hint=f"`swarm why {task.id}` says how it stands"
        )
    with Workbench(hub.path) as bench:
        conflict = merge_moved(bench, tip, attempt, base=f"{attempt}^")
    if not isinstance(conflict, Conflict):
        raise UsageError(
            f"the last attempt of task {task.id!r} does not conflict with {branch!r} as it is now",
            hint=f"`swarm diff {task.id} --attempt` shows what it changed",
        )
    found = read_sides(hub.git, conflict, base=f"{attempt}^", tip=tip, attempt=attempt)
    data = {"run": record.run, "task": task.id, "attempt": record.attempt, "commit": attempt, "tip": tip}
    data |= {name: getattr(found, name) for name in ("paths", "landed", "ours", "theirs", "hunks")}
    emit(
        data,
        as_json,
        lambda: "\n".join(map(_coloured, printable(found.render(task, most=None)).splitlines())),
    )


def _nothing_to_show(record: "TaskRecord") -> UsageError:
    task, state = f"task {record.spec.id!r} ({record.state.value})", record.state
    why = f"`swarm why {record.spec.id}` says"
    if state is TaskState.DONE and record.join:
        many = plural(len(record.parts), "task")
        return UsageError(
            f"{task} was expanded into {many}", hint=f"`swarm diff {record.parts[0]}` shows the first"
        )
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
