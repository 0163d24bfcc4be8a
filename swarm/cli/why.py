"""`why`: the chain of causes behind a task's state."""

from typing import TYPE_CHECKING

import click

from swarm.cli.context import Context, find_run, pass_context, resolve_task, run_option, task_argument
from swarm.cli.output import emit, json_option, state_word
from swarm.observe.wording import LEFT_OUT, one_line
from swarm.states import TaskState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swarm.engine.records import RunRecord, TaskRecord


@click.command()
@task_argument
@run_option
@json_option
@pass_context
def why(context: Context, task: str, run: str, as_json: bool) -> None:
    """Say why a task is where it is, link by link.

    TASK is an id or the beginning of one.
    """
    reads = context.reads()
    run = find_run(reads, run)
    task = resolve_task(reads, run, task)
    from swarm.engine.on_demand import TasksOnDemand
    from swarm.engine.views import surroundings
    from swarm.observe.left_out import read_left_out
    from swarm.observe.steps import next_steps
    from swarm.observe.why import Link, causes

    around = surroundings(reads, run)
    tasks = TasksOnDemand(reads, around.run)
    chain = causes(tasks, around, task)
    record = reads.task(run, task)
    found = [one for name in dict.fromkeys(link.task for link in chain) if (one := tasks.get(name))]
    roots = [one for one in found if one.state is TaskState.FAILED]
    anew = reads.shelf.begins_anew(run) if around.run.is_archived else ""
    mends = _mends(context, around.run, record)
    steps = next_steps(around, record, chain, anew=anew, mends=mends, roots=roots)
    state = record.state
    if state is TaskState.DONE:
        chain = (*chain, *(Link(task, one_line(line), 1) for line in _said_of_gates(context, record)))
    if paths := read_left_out(context.settings().home, run, [record]).get(task):
        chain = (*chain, Link(task, one_line(f"{LEFT_OUT}{paths}"), 1))

    def text() -> str:
        width = max(len(link.task) + 3 * link.depth for link in chain)
        lines = [f"{task}  {state_word(state)}  (run {run})"]
        for link in chain:
            lead = "   " * link.depth
            lines.append(f"  {(lead + link.task).ljust(width)}  {link.text}")
        return "\n".join([*lines, *(f"next: {step}" for step in steps)])

    emit({"run": run, "task": task, "state": state, "chain": list(chain), "next": list(steps)}, as_json, text)


def _mends(context: Context, run: "RunRecord", record: "TaskRecord") -> tuple[str, ...]:
    """The commands that let tasks land again on a branch that was moved back; none: that is not what failed.

    By git as it is now. Nothing of the stored reason is typed: agents and reviewers write reasons, too.
    """
    from swarm.observe.person import may_be_frozen

    if run.is_archived or not may_be_frozen(record):
        return ()
    settings, again = context.settings(), f"swarm retry {run.run}"
    if not settings.mirror.is_dir():  # who only looks makes none
        return (again,)
    from swarm.errors import SwarmError
    from swarm.repo.hub.identity import refuse_other_hub
    from swarm.repo.hub.opening import open_hub
    from swarm.repo.merging.reconcile import find_frozen

    try:
        hub = open_hub(settings)
        refuse_other_hub(hub, run)
        hub.mirror_run(run.run, run.branch)
        frozen = find_frozen(hub, run.run, run.branch, run.base)
    except (SwarmError, OSError):  # git cannot be asked now; the reason is told all the same
        return (again,)
    return (*filter(None, [frozen.command]), again) if frozen else ()


def _said_of_gates(context: Context, record: "TaskRecord") -> "Iterator[str]":
    """What gates said of its landing beside letting it pass; nothing where another host landed it."""
    from swarm.repo.merging.gate_notes import NO_NOTES, read_notes

    home, name = context.settings().home, record.spec.id
    notes = read_notes(home, record.run, [record]).get(name, NO_NOTES)
    if notes.red:
        more = f"`swarm logs {name} --run {record.run} --gate` says more"
        yield f"advisory gates were red when it landed: {', '.join(notes.red.values())}; {more}"
    if notes.not_run:
        yield f"gates that their sample left out: {', '.join(notes.not_run)}"
    if notes.hollow:
        yield f"gates that were green without a comparison: {', '.join(notes.hollow)}"
