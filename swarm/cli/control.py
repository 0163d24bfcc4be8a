"""`cancel`, `retry`, `skip`, `wait`: act on a run without running it."""

import time
from typing import TYPE_CHECKING

import click

from swarm.cli.complete import complete_task
from swarm.cli.context import (
    LATEST,
    LONG_PATIENCE_S,
    Context,
    find_run,
    pass_context,
    resolve_run,
    resolve_target,
    resolve_task,
    resolve_words,
    run_argument,
)
from swarm.cli.output import emit, json_option, say, state_word
from swarm.cli.seconds import Seconds
from swarm.errors import NotFinishedError, UsageError
from swarm.observe.orders import SUBMIT
from swarm.observe.person import left_alone
from swarm.observe.wording import duration, plural
from swarm.states import RunState, TaskState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from swarm.engine.engine import Engine
    from swarm.engine.reads import Reads
    from swarm.engine.records import RunRecord, TaskRecord

LOOK_EVERY_S = 0.2

task_option = click.option(
    "--task", help="Only this task; its id or the beginning of it.", shell_complete=complete_task
)


@click.command()
@run_argument
@task_option
@json_option
@pass_context
def cancel(context: Context, run: str, task: str | None, as_json: bool) -> None:
    """Stop a run, or one task and what depends on it.

    RUN is an id, the beginning of one, or `latest` (the default). What has landed stays landed.
    """
    engine = context.engine()
    run = resolve_run(engine, run, context.shelf())
    name = "" if task is None else resolve_task(engine, run, task)
    moved = engine.cancel(run, name)
    emit(
        {"run": run, "task": name or None, "cancelled": moved, "state": engine.run(run).state},
        as_json,
        lambda: f"{plural(moved, 'task')} of run {run} cancelled",
    )


@click.command()
@run_argument
@click.argument("only", metavar="[TASK]", required=False, shell_complete=complete_task)
@task_option
@click.option("--failed", is_flag=True, help="Leave alone what a person cancelled.")
@click.option("--fresh", is_flag=True, help="Forget the task's earlier attempts: the next begins anew.")
@json_option
@pass_context
def retry(
    context: Context, run: str, only: str | None, task: str | None, failed: bool, fresh: bool, as_json: bool
) -> None:
    """Queue failed and cancelled tasks again.

    RUN is an id, the beginning of one, or `latest` (the default). Tasks that were blocked by them
    come back as well; what waits for approval is left alone. TASK, or --task, is an id or the beginning
    of one: only this one, with what it needs and what needs it. A word alone that begins no run is a task
    of the latest.
    """
    if only is not None and task is not None:
        raise UsageError(
            f"two tasks: {only!r} and --task {task!r}", hint="one at a time: `swarm retry RUN TASK`"
        )
    task = task if only is None else only
    if fresh and task is None and run == LATEST:
        raise UsageError("--fresh is about one task", hint="name it: `swarm retry [RUN] TASK --fresh`")
    engine = context.engine()
    run, name = resolve_target(engine, run, task, context.shelf(), is_task=fresh)
    if failed and name:
        raise UsageError("--failed is about a whole run", hint="leave out either --failed or the task")
    moved = engine.retry_failed(run) if failed else engine.retry(run, name, fresh=fresh)
    emit(
        {"run": run, "task": name or None, "queued": moved, "state": engine.run(run).state},
        as_json,
        lambda: f"{plural(moved, 'task')} of run {run} will be tried again",
    )
    if not name and (waiting := engine.waiting_for_approval(run)):
        say(left_alone(run, waiting))
    if moved:
        say_if_nobody_works(engine, run)
    elif name:
        say(_why_not_retried(engine.task(run, name)))


def _why_not_retried(task: "TaskRecord") -> str:
    """Where a task is that a retry did not move, and what begins it anew."""
    run, name = task.run, task.spec.id
    if task.state is TaskState.DONE:
        return f"{name} is done, and stays so; the same plan with another --key is done anew"
    anew = f"`swarm cancel {run} --task {name}`, then `swarm retry {run} {name} --fresh` begins it anew"
    if task.join:
        parts = f"{plural(len(task.parts), 'task')}, and waits for {len(task.waiting_for)} of them"
        return f"{name} is {task.state}: it was expanded into {parts}; {anew}, without them"
    where = f"{name} is {task.state}: `swarm why {name} --run {run}` says more"
    return f"{where}; {anew}" if task.attempt else where


@click.command()
@click.argument("words", metavar="[RUN] TASK", nargs=-1, required=True, shell_complete=complete_task)
@json_option
@pass_context
def skip(context: Context, words: tuple[str, ...], as_json: bool) -> None:
    """Go on without a task: what depends on it counts it as done.

    RUN is an id, the beginning of one, or `latest` (the default). What failed because of the task comes
    back. A skipped task is never run, unless `swarm retry` names it.
    """
    engine = context.engine()
    run, task = resolve_words(engine, "skip", words, context.shelf())
    is_skipped = engine.skip(run, task)
    state = engine.run(run).state
    skipped = (
        f"{has_ended(run, state)}; {task} is skipped"
        if state.is_terminal
        else f"run {run} goes on without {task}"
    )
    emit(
        {"run": run, "task": task, "skipped": is_skipped, "state": state},
        as_json,
        lambda: skipped if is_skipped else f"{task} is done or skipped already",
    )
    if is_skipped and not state.is_terminal:
        say_if_nobody_works(engine, run)


def has_ended(run: str, state: RunState) -> str:
    """Say of a run that has ended how, for whoever steers it all the same."""
    return f"run {run} has ended ({state})"


def say_if_nobody_works(engine: "Engine", run: str) -> None:
    """Say on stderr that a run which could go on will not by itself, and what would make it."""
    from swarm.engine.snapshot import is_alive
    from swarm.fleet.liveness import is_dead_here

    if engine.run(run).state is RunState.LOADING:
        say(f"run {run} is not stored whole: `{SUBMIT}`, the same plan, goes on with it")
        return
    now_ms = engine.now_ms()
    workers = [one for one in engine.agents() if one.kind == "worker" and not is_dead_here(one)]
    if not any(is_alive(one, now_ms) for one in workers):
        say(f"no worker is alive: `swarm run --resume {run}` starts some")


@click.command()
@run_argument
@click.option("--timeout", "timeout_s", type=Seconds(), help="Give up after this many seconds.")
@json_option
@pass_context
def wait(context: Context, run: str, timeout_s: float | None, as_json: bool) -> int:
    """Block until a run ends, and exit by how it ended.

    RUN is an id, the beginning of one, or `latest` (the default). Exit code 0: every task is done;
    1: it ended with failed, blocked or cancelled tasks; 7: only for a quota or spend limit; 8: it had
    not ended in time; 9: it waits only for a person: what failed was refused by policy, or its branch
    could not be published here.
    """
    reads = context.reads(patience_s=LONG_PATIENCE_S)
    record = wait_for_end(reads, find_run(reads, run), timeout_s)
    took = duration((record.ended_ms - record.submitted_ms) / 1000)
    emit(
        {"run": record.run, "state": record.state, "ended_ms": record.ended_ms},
        as_json,
        lambda: f"run {record.run} {state_word(record.state)} after {took}",
    )
    return tell_verdict(context, record, reads.tasks(record.run))


def tell_verdict(context: Context, record: "RunRecord", tasks: "Iterable[TaskRecord]") -> int:
    """Publish the branch if that is left to do here, say what is left to a person; return the exit code."""
    from swarm.verdict import publish_here, verdict_on

    verdict = verdict_on(record, tasks, unpublished=publish_here(context.settings(), record))
    if verdict.remark:
        say(verdict.remark)
    return verdict.exit_code


def wait_for_end(reads: "Reads", run: str, timeout_s: float | None) -> "RunRecord":
    """The run's record once it has ended.

    Raises:
        NotFinishedError: it goes on after `timeout_s` seconds.
    """
    deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
    while True:
        record = reads.run(run)
        if record.state.is_terminal:
            return record
        if deadline_s is not None and time.monotonic() >= deadline_s:
            raise NotFinishedError(
                f"run {run} is {record.state.value} after {duration(timeout_s or 0)}",
                hint=f"`swarm status {run}` shows where it stands",
            )
        time.sleep(LOOK_EVERY_S)
