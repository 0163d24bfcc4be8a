"""`status`, `runs`, `tasks`, `agents`: where things stand."""

from typing import TYPE_CHECKING

import click

from swarm.cli.context import Context, find_run, pass_context, run_argument
from swarm.cli.output import emit, json_option, pairs, state_word, table
from swarm.errors import UsageError
from swarm.observe.durations import duration_s
from swarm.observe.orders import SUBMIT, missing_tags, orders_in_force, unserved_queues
from swarm.observe.wording import WAITS_FOR_APPROVAL, duration, is_waiting, lock_name, one_line, plural
from swarm.states import RunState, TaskState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swarm.engine.records import AgentRecord, QueueRecord, RunRecord, TaskRecord
    from swarm.engine.snapshot import Snapshot
    from swarm.engine.standing import Standing

_MOST_SHOWN = 12


@click.command()
@run_argument
@json_option
@pass_context
def status(context: Context, run: str, as_json: bool) -> None:
    """Show where a run stands.

    RUN is an id, the beginning of one, or `latest` (the default).
    """
    reads = context.reads()
    from swarm.engine.snapshot import MOST_FORECAST, take_snapshot
    from swarm.engine.standing import read_standing, standing_of

    record = reads.run(find_run(reads, run))
    is_live = record.state is RunState.ACTIVE
    is_forecast = is_live and sum(record.counts.values()) <= MOST_FORECAST
    if not (as_json or is_forecast or record.is_archived):
        snapshot = take_snapshot(reads, record.run, with_tasks=False)
        click.echo(
            _status_text(snapshot, read_standing(reads, snapshot.queues, record.run, _MOST_SHOWN), None)
        )
        return
    snapshot = take_snapshot(reads, record.run)
    left_s = None
    if is_forecast:
        from swarm.engine.outlook import remaining_s

        left_s = remaining_s(snapshot, reads.durations())
    standing = standing_of(snapshot.tasks, _MOST_SHOWN)
    anew = reads.shelf.begins_anew(record.run) if record.is_archived else ""
    emit(_status_data(snapshot, left_s), as_json, lambda: _status_text(snapshot, standing, left_s, anew))


@click.command()
@json_option
@pass_context
def runs(context: Context, as_json: bool) -> None:
    """List the runs of this project, oldest first.

    Those that Redis has forgotten are read from their archive, and come first.
    """
    reads = context.reads()
    records = [reads.run(run) for run in reads.all_run_ids()]
    now_ms = reads.now_ms()
    rows = [
        (
            record.run,
            state_word(record.state) + (" (archived)" if record.is_archived else ""),
            f"{record.counts.get(TaskState.DONE, 0)}/{sum(record.counts.values())}",
            f"{duration((now_ms - record.submitted_ms) / 1000)} ago",
            duration(((record.ended_ms or now_ms) - record.submitted_ms) / 1000),
            one_line(record.goal, 50),
        )
        for record in records
    ]
    emit(
        [_run_data(record) for record in records],
        as_json,
        lambda: table(("RUN", "STATE", "DONE", "SUBMITTED", "TOOK", "GOAL"), rows, right=(2,)),
    )


@click.command()
@run_argument
@click.option("--state", "states", multiple=True, help="Only tasks in this state; may be repeated.")
@click.option("--needs-you", is_flag=True, help="Only tasks that wait for a person.")
@json_option
@pass_context
def tasks(context: Context, run: str, states: tuple[str, ...], needs_you: bool, as_json: bool) -> None:
    """List a run's tasks.

    RUN is an id, the beginning of one, or `latest` (the default).
    """
    unknown = sorted(set(states) - set(TaskState))
    if unknown:
        raise UsageError(f"--state: no state {unknown[0]!r}", hint=f"one of {', '.join(TaskState)}")
    reads = context.reads()
    records = [
        task
        for task in reads.tasks(find_run(reads, run))
        if (not states or task.state in states) and (task.needs_person or not needs_you)
    ]
    now_ms = reads.now_ms()
    emit([task_data(task) for task in records], as_json, lambda: _tasks_text(records, now_ms))


@click.command()
@json_option
@pass_context
def agents(context: Context, as_json: bool) -> None:
    """List workers and supervisors, and what each is doing."""
    reads = context.reads()
    from swarm.engine.snapshot import is_alive

    records, now_ms = reads.agents(), reads.now_ms()
    emit(
        [{**agent._asdict(), "alive": is_alive(agent, now_ms)} for agent in records],
        as_json,
        lambda: _agents_text(records, now_ms),
    )


def task_data(task: "TaskRecord") -> dict[str, object]:
    """A task as JSON: its record, with the fields of its spec beside them."""
    record = {name: value for name, value in task._asdict().items() if name != "spec"}
    return {"id": task.spec.id, **record, "spec": task.spec}


def queue_data(queue: "QueueRecord") -> dict[str, object]:
    """A queue's depths as JSON."""
    return {"type": queue.type, "ready": queue.queued, "parked": queue.parked}


def _run_data(record: "RunRecord") -> dict[str, object]:
    return {**record._asdict(), "counts": {str(state): count for state, count in record.counts.items()}}


def _status_data(snapshot: "Snapshot", left_s: float | None) -> dict[str, object]:
    return {
        "run": _run_data(snapshot.run),
        "elapsed_s": snapshot.elapsed_s,
        "tasks": [
            {"id": task.spec.id, "state": task.state, "attempt": task.attempt, "worker": task.worker_id}
            for task in snapshot.tasks
        ],
        "agents": list(snapshot.agents),
        "queues": [queue_data(queue) for queue in snapshot.queues],
        "paused": list(snapshot.controls.paused),
        "limits": snapshot.controls.limits,
        "unserved": {name: one.since_ms for name, one in snapshot.unserved.items()},
        "missing_tags": sorted(missing_tags(snapshot.tagged, snapshot.alive)),
        "unserved_executors": {name: one.executor for name, one in snapshot.unserved.items() if one.executor},
        "taken_ms": snapshot.taken_ms,
        "forecast_s": left_s,
        "eta_ms": snapshot.taken_ms + int(left_s * 1000) if left_s is not None else None,
    }


def _status_text(snapshot: "Snapshot", standing: "Standing", left_s: float | None, anew: str = "") -> str:
    from swarm.observe.hub_trouble import hub_troubles

    run = snapshot.run
    total = sum(run.counts.values())
    counts = "   ".join(f"{state_word(state)} {count}" for state, count in run.counts.items() if count)
    workers = [agent for agent in snapshot.alive if agent.kind == "worker"]
    head = {
        "run": f"{run.run}  {state_word(run.state)}",
        "goal": one_line(run.goal, 80) or "-",
        "branch": f"{run.branch}" + (f" at {run.tip[:12]}" if run.tip else ""),
        "tasks": f"{total} stored so far"
        if run.state is RunState.LOADING
        else f"{run.counts.get(TaskState.DONE, 0)}/{total} done   {counts}",
        "time": duration(snapshot.elapsed_s)
        + (f", about {duration(left_s)} more" if left_s is not None else ""),
        "alive": f"{plural(len(workers), 'worker')},"
        f" {plural(len(snapshot.alive) - len(workers), 'supervisor')}",
    }
    if standing.needs_person:
        head["needs you"] = (
            f"{plural(standing.needs_person, 'task')}: "
            f"`swarm tasks {run.run} --needs-you`, then "
            + (f"`{anew}`, which begins the run anew" if anew else _asked(standing))
        )
    if run.deadline_ms and not run.state.is_terminal:
        left_ms = run.deadline_ms - snapshot.taken_ms
        far = duration(abs(left_ms) / 1000)
        head["deadline"] = f"in {far}" if left_ms > 0 else f"passed {far} ago"
    parts = [pairs(head)]
    if orders := orders_in_force(run, snapshot.controls):
        parts.append("\n".join(orders))
    lacking = missing_tags(set(snapshot.tagged) - set(snapshot.unserved), snapshot.alive)
    if unserved := [*unserved_queues(snapshot.unserved, snapshot.taken_ms), *sorted(lacking.values())]:
        parts.append("\n".join(unserved))
    if troubles := list(hub_troubles(snapshot.alive, snapshot.taken_ms)):
        parts.append("\n".join(troubles))
    if standing.shown:
        parts.append(_tasks_text(standing.shown, snapshot.taken_ms))
    if standing.moving > len(standing.shown):
        parts.append(f"and {standing.moving - len(standing.shown)} more; `swarm tasks` lists all")
    if run.state is RunState.LOADING:
        parts.append(f"its plan is not stored whole: `{SUBMIT}`, the same plan, goes on")
    elif not run.state.is_terminal and not workers:
        parts.append(f"no worker is alive: `swarm run --resume {run.run}` goes on")
    return "\n\n".join(parts)


def _asked(standing: "Standing") -> str:
    """What a person may decide about the tasks that wait for one, as far as they are shown."""
    from swarm.observe.person import needed

    return needed([task for task in standing.shown if task.needs_person]) or "retry or skip"


def _tasks_text(records: "Sequence[TaskRecord]", now_ms: int) -> str:
    rows = [
        (
            one_line(task.spec.id, 40),
            one_line(task.spec.type, 16),
            state_word(task.state),
            str(task.attempt or "-"),
            _since(task, now_ms),
            one_line(_note(task), 60),
        )
        for task in records
    ]
    return table(("TASK", "TYPE", "STATE", "ATTEMPT", "FOR", "NOTE"), rows, right=(3, 4))


def _since(task: "TaskRecord", now_ms: int) -> str:
    """How long the task has been in its state, or how long its last attempt took."""
    since_ms = {
        "queued": task.queued_ms,
        "acked": task.claimed_ms,
        "running": task.started_ms,
        "merging": task.handed_in_ms,
    }.get(task.state, 0)
    if since_ms:
        return duration((now_ms - since_ms) / 1000)
    took_s = duration_s(task, now_ms) if task.state.is_terminal else 0.0
    return duration(took_s) if took_s else "-"


def _note(task: "TaskRecord") -> str:
    if task.needs_person:
        waits = f"{WAITS_FOR_APPROVAL}: " if is_waiting(task.state, task.failure_kind) else "needs you: "
        return f"{waits}{task.failure_reason}"
    if task.state in {"acked", "running"}:
        return f"on {task.worker_id}"
    if task.parked_on:
        return f"waits for {lock_name(task.parked_on)}"
    if task.waiting_for:
        return f"after {', '.join(task.waiting_for)}"
    # What an earlier attempt failed at is no news of one that is handed in.
    return task.merged_commit[:12] or ("" if task.state == "merging" else task.failure_reason)


def _agents_text(records: "list[AgentRecord]", now_ms: int) -> str:
    from swarm.engine.snapshot import is_alive
    from swarm.observe.hub_trouble import hub_troubles

    rows = [
        (
            one_line(agent.worker_id, 40),
            agent.kind,
            _agent_state(agent, is_alive=is_alive(agent, now_ms)),
            ",".join([*agent.types, *(f"+{tag}" for tag in agent.tags)]) or "-",
            one_line(agent.task, 40) or "-",
            str(agent.done),
            str(agent.failed),
            f"{duration((now_ms - agent.seen_ms) / 1000)} ago",
        )
        for agent in records
    ]
    heads = ("AGENT", "KIND", "STATE", "TYPES", "TASK", "DONE", "FAILED", "SEEN")
    troubles = hub_troubles([agent for agent in records if is_alive(agent, now_ms)], now_ms)
    return "\n\n".join(filter(None, (table(heads, rows, right=(5, 6)), "\n".join(troubles))))


def _agent_state(agent: "AgentRecord", *, is_alive: bool) -> str:
    if agent.is_dead:
        return "dead"
    return (f"{agent.state}, no hub" if agent.hub_trouble else agent.state) if is_alive else "lost"
