"""`logs` and `events`: what attempts wrote, and what happened."""

import re
import socket
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from swarm.cli.complete import complete_run
from swarm.cli.context import (
    LATEST,
    LONG_PATIENCE_S,
    PATIENCE_S,
    Context,
    find_run,
    pass_context,
    resolve_task,
    run_argument,
    run_option,
    task_argument,
)
from swarm.cli.output import emit, json_option, say, to_json
from swarm.errors import UsageError
from swarm.fleet.liveness import SUPERVISOR
from swarm.fleet.process_id import ProcessId
from swarm.observe.wording import failure, is_of_the_merge, printable
from swarm.settings import HOME_NAME, attempt_log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from swarm.archive.reads import ArchivedReads
    from swarm.engine.reads import Reads
    from swarm.engine.records import Event, TaskRecord
    from swarm.settings import Settings

LOOK_EVERY_S = 0.2
EVENTS_A_CALL = 1000
_EVENT_ID = re.compile(r"[0-9]+(-[0-9]+(\.[0-9]+)?)?")


@click.command()
@task_argument
@run_option
@click.option("--attempt", type=click.IntRange(min=1), help="Which attempt; default is the last.")
@click.option("--gate", is_flag=True, help="What its gate wrote, not its agent.")
@click.option("-f", "--follow", is_flag=True, help="Go on until the task ends.")
@json_option
@pass_context
def logs(
    context: Context, *, task: str, run: str, attempt: int | None, gate: bool, follow: bool, as_json: bool
) -> None:
    """Print what a task's attempt wrote.

    TASK is an id or the beginning of one. Terminal escapes are left out.
    """
    settings = context.settings()
    reads = context.reads(patience_s=LONG_PATIENCE_S if follow else PATIENCE_S)
    run = find_run(reads, run)
    task = resolve_task(reads, run, task)
    tried = reads.task(run, task).attempt
    number = attempt or tried
    if attempt and attempt > tried and not follow:
        which = "it has not been tried yet" if not tried else "there is 1" if tried == 1 else f"1 to {tried}"
        raise UsageError(f"task {task!r} has no attempt {attempt}: {which}", hint=f"`swarm why {task}`")
    if not number and not follow:
        raise UsageError(
            f"task {task!r} has not been tried yet", hint=f"`swarm why {task}` says what it waits for"
        )
    if follow:
        _follow(
            reads,
            run,
            task,
            attempt,
            path_of=lambda number: attempt_log(settings.home, run, task, number, gate=gate),
            elsewhere=partial(_elsewhere, settings=settings, gate=gate),
            as_json=as_json,
        )
        return
    path = attempt_log(settings.home, run, task, number, gate=gate)
    text = printable(path.read_text(encoding="utf-8", errors="replace")) if path.exists() else ""
    data = {"run": run, "task": task, "attempt": number, "path": str(path), "text": text}
    emit(data, as_json, lambda: text.rstrip("\n"))
    if not text:
        record = reads.task(run, task)
        elsewhere = _elsewhere(reads, record, number, path, settings, gate=gate)
        say(elsewhere or _nothing_there(record, number, path, gate=gate))


def _elsewhere(
    reads: "ArchivedReads",
    record: "TaskRecord",
    attempt: int,
    path: Path,
    settings: "Settings",
    *,
    gate: bool,
) -> str:
    """Where a log is that is not on this host, or in another folder of it; empty if it would be here."""
    tried = next((one for one in record.history if one.attempt == attempt), None)
    worker = tried.worker if tried else record.worker_id if attempt == record.attempt else ""
    if gate:
        worker = _merger(reads, record, attempt)
    process = ProcessId.parse(worker.removeprefix(SUPERVISOR))
    if path.exists() or process is None or (process.host == socket.gethostname() and not settings.hub):
        return ""
    whose = "the gates of attempt" if gate else "attempt"
    kind = "supervisor" if gate else "worker"
    where = path.relative_to(settings.home) if path.is_relative_to(settings.home) else path.name
    return (
        f"what {whose} {attempt} of {record.spec.id} wrote is on host {process.host}, where {kind} {worker}"
        f" ran: {HOME_NAME}/{where} in the folder that it was started in"
    )


def _merger(reads: "ArchivedReads", record: "TaskRecord", attempt: int) -> str:
    """Who merged an attempt last; empty when nobody has, or that is forgotten."""
    found = [
        event.fields.get("merger", "")
        for event in reads.events_of(record.run, after="0-0")
        if event.kind == "merge_begun" and event.task == record.spec.id
        if event.fields.get("attempt") == str(attempt)
    ]
    return found[-1] if found else ""


def _nothing_there(record: "TaskRecord", attempt: int, path: Path, *, gate: bool) -> str:
    """What to say of an empty log; of a gate's, where to look when the attempt did not come that far."""
    tried = next((one for one in record.history if one.attempt == attempt), None)
    if not gate or tried is None or is_of_the_merge(tried.kind, tried.message):
        return f"attempt {attempt} of {record.spec.id} has written nothing to {path}"
    name = record.spec.id
    where = f"`swarm logs {name} --run {record.run} --attempt {attempt}` has what it printed"
    return f"attempt {attempt} of {name} never reached a gate: {failure(tried.kind, tried.message)}; {where}"


@click.command()
@run_argument
@click.option("--run", "of_run", metavar="RUN", help="The same as RUN.", shell_complete=complete_run)
@click.option("--all", "all_runs", is_flag=True, help="Of every run, not one: what Redis still has.")
@click.option("--after", default="0-0", metavar="ID", help="Only what came after this entry.")
@click.option("-f", "--follow", is_flag=True, help="Go on until the run ends.")
@json_option
@pass_context
def events(
    context: Context, *, run: str, of_run: str | None, all_runs: bool, after: str, follow: bool, as_json: bool
) -> None:
    """Print what happened, one JSON object a line.

    RUN is an id, the beginning of one, or `latest` (the default). With --json the same.
    """
    del as_json
    if of_run is not None and run not in {LATEST, of_run}:
        raise UsageError(f"two runs are named: {run!r} and {of_run!r}", hint="name one, or use --all")
    if not _EVENT_ID.fullmatch(after):
        raise UsageError(
            f"--after: {after!r} is no entry of the events", hint="give its `id`, such as 1763750000000-0"
        )
    from swarm.archive.shelf import event_data

    reads = context.reads(patience_s=LONG_PATIENCE_S if follow else PATIENCE_S)
    wanted = "" if all_runs else find_run(reads, run if of_run is None else of_run)
    while True:
        # Look at the state before reading: what came before the end is then in what is read.
        has_ended = bool(wanted) and reads.run(wanted).state.is_terminal
        found = reads.events_of(wanted, after=after) if wanted else _read_all(reads, after)
        for event in found:
            after = event.id
            click.echo(to_json(event_data(event), indent=None))
        if not follow or has_ended:
            return
        time.sleep(LOOK_EVERY_S)


def _read_all(reads: "Reads", after: str) -> "Iterator[Event]":
    while True:
        page = reads.events(after=after, limit=EVENTS_A_CALL)
        yield from page
        if len(page) < EVENTS_A_CALL:
            return
        after = page[-1].id


def _follow(
    reads: "ArchivedReads",
    run: str,
    task: str,
    attempt: int | None,
    *,
    path_of: "Callable[[int], Path]",
    elsewhere: "Callable[[ArchivedReads, TaskRecord, int, Path], str]",
    as_json: bool,
) -> None:
    """Print each line once it is whole, through all later attempts, until the task ends."""
    shown, at, rest = 0, 0, ""
    while True:
        record = reads.task(run, task)
        has_ended = record.state.is_terminal or bool(attempt and record.attempt > attempt)
        number = attempt or record.attempt
        if number != shown:
            _print_lines([rest] if rest else [], shown, as_json=as_json)
            shown, at, rest = number, 0, ""
            if number and (where := elsewhere(reads, record, number, path_of(number))):
                say(where)
        text, at = _read_from(path_of(number), at) if number else ("", 0)
        *whole, rest = (rest + text).split("\n")
        _print_lines(whole, number, as_json=as_json)
        if has_ended and not text:
            _print_lines([rest] if rest else [], number, as_json=as_json)
            return
        time.sleep(LOOK_EVERY_S)


def _read_from(path: Path, at: int) -> tuple[str, int]:
    try:
        with path.open("rb") as file:
            file.seek(at)
            data = file.read()
    except FileNotFoundError:
        return "", at
    # Lines are put together later, so a letter cut in two here costs one replacement mark at most.
    return data.decode("utf-8", "replace"), at + len(data)


def _print_lines(lines: list[str], attempt: int, *, as_json: bool) -> None:
    for line in lines:
        shown = printable(line)
        click.echo(to_json({"attempt": attempt, "line": shown}, indent=None) if as_json else shown)
