"""The live view of one run: who does what, what waits for what, what just happened.

Fits 100 by 30: the lists that grow with a run are cut to what needs a look first.
"""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from swarm.engine.records import AgentRecord, TaskRecord
from swarm.engine.snapshot import Snapshot
from swarm.keys import split_member
from swarm.observe.orders import orders_in_force, unserved_queues
from swarm.observe.red_verdicts import count_red
from swarm.observe.story import clock_time, tell_event
from swarm.observe.wording import COLOURS, SHAPES, cells, duration, lock_name, one_line, plural
from swarm.states import TaskState

MOST_LANES, MOST_TASK_LINES, MOST_WAITS, MOST_EVENTS = 5, 6, 2, 5
_NAME_WIDTH = 22
_URGENCY = (
    TaskState.FAILED,
    TaskState.MERGING,
    TaskState.RUNNING,
    TaskState.ACKED,
    TaskState.QUEUED,
    TaskState.PENDING,
    TaskState.UPSTREAM_FAILED,
    TaskState.CANCELLED,
    TaskState.SKIPPED,
    TaskState.DONE,
)


def render_live(snapshot: Snapshot, width: int = 100) -> RenderableType:
    """The whole view of one snapshot, at most `width` columns."""
    parts: list[RenderableType] = [_header(snapshot, width)]
    parts += [Text(order, style="yellow") for order in orders_in_force(snapshot.run, snapshot.controls)]
    parts += [Text(line, style="yellow") for line in unserved_queues(snapshot.unserved, snapshot.taken_ms)]
    if waiting := sum(task.needs_person for task in snapshot.tasks):
        parts.append(Text(f"{plural(waiting, 'task')} waiting for you", style="bold yellow"))
    parts += [_rule("workers"), *_lanes(snapshot, width)]
    parts += [_rule("tasks", _counts(snapshot)), _grid(snapshot, width), _flow(snapshot)]
    parts += _waits(snapshot, width)
    parts += [_rule("just now"), *_events(snapshot, width)]
    return Group(*parts)


def _header(snapshot: Snapshot, width: int) -> RenderableType:
    run = snapshot.run
    done = sum(task.state in {TaskState.DONE, TaskState.SKIPPED} for task in snapshot.tasks)
    bar = Table.grid(padding=(0, 1), expand=True)
    bar.add_column(ratio=1)
    bar.add_column(justify="right", no_wrap=True)
    bar.add_row(
        ProgressBar(
            total=max(1, len(snapshot.tasks)), completed=done, complete_style="green", finished_style="green"
        ),
        Text.assemble((f"{done}/{len(snapshot.tasks)}", "bold"), " done   ", duration(snapshot.elapsed_s)),
    )
    title = Text.assemble(
        ("swarm", "bold"),
        f"  run {run.run}  ",
        (run.state.value, f"bold {_colour(run.state)}"),
        style="default",
    )
    goal = Text(one_line(run.goal, width - 6) or plural(len(snapshot.tasks), "task"), no_wrap=True)
    return Panel(
        Group(goal, bar),
        title=title,
        title_align="left",
        subtitle=Text(f"branch {run.branch}", style="dim"),
        subtitle_align="right",
        border_style=_colour(run.state),
        width=width,
    )


def _rule(title: str, more: Text | None = None) -> RenderableType:
    text = Text.assemble((title, "bold"), "  ", more) if more else Text(title, style="bold")
    return Rule(text, align="left", style="bright_black")


def _lanes(snapshot: Snapshot, width: int) -> list[RenderableType]:
    """One line a worker: what it has now, then what it did before."""
    workers = [agent for agent in snapshot.alive if agent.kind == "worker"]
    merging = [task for task in snapshot.tasks if task.state is TaskState.MERGING]
    lanes: list[RenderableType] = [_lane(agent, snapshot, width) for agent in workers[:MOST_LANES]]
    if len(workers) > MOST_LANES:
        lanes.append(Text(f"  and {plural(len(workers) - MOST_LANES, 'more worker')}", style="dim"))
    if not workers:
        lanes.append(Text("  no worker is alive", style="yellow"))
    if merging:
        lanes.append(_merge_lane(merging, snapshot, width))
    return lanes


def _lane(agent: AgentRecord, snapshot: Snapshot, width: int) -> Text:
    line = Text("  ", no_wrap=True, overflow="ellipsis")
    line.append(_padded(_short(agent.worker_id)), style="bold")
    run, name = split_member(agent.task)
    task = next((one for one in snapshot.tasks if run == snapshot.run.run and one.spec.id == name), None)
    if task is not None and task.state in {TaskState.ACKED, TaskState.RUNNING}:
        line.append_text(_now(task, snapshot.taken_ms))
    elif agent.task and task is None:
        line.append(f"busy in run {one_line(run, 20)}", style="dim")
    else:
        line.append("idle", style="dim")
    past = [
        one
        for one in snapshot.tasks
        if one.worker_id == agent.worker_id and (one.state.is_terminal or one.state is TaskState.MERGING)
    ]
    for one in sorted(past, key=lambda each: each.handed_in_ms or each.ended_ms, reverse=True):
        chip = f"  {SHAPES[one.state]} {one_line(one.spec.id, 18)}"
        if cells(line.plain) + cells(chip) > width:
            break
        line.append(chip, style=f"dim {_colour(one.state)}")
    return line


def _now(task: TaskRecord, now_ms: int) -> Text:
    since_ms = task.started_ms if task.state is TaskState.RUNNING else task.claimed_ms
    took = f" {duration((now_ms - since_ms) / 1000)}" if since_ms else ""
    text = Text(f"{SHAPES[task.state]} {task.state.value} ", style=_colour(task.state))
    text.append(one_line(task.spec.id, 30), style="bold")
    if task.attempt > 1:
        text.append(f" attempt {task.attempt}", style="yellow")
    return text.append(took, style="dim")


def _merge_lane(merging: Sequence[TaskRecord], snapshot: Snapshot, width: int) -> Text:
    first = sorted(
        merging, key=lambda task: (not task.merge_begun_ms, task.merge_begun_ms, task.handed_in_ms)
    )
    line = Text("  ", no_wrap=True, overflow="ellipsis").append(_padded("merge queue"), style="bold magenta")
    for task in first:
        since_ms = task.merge_begun_ms or task.handed_in_ms
        took = duration((snapshot.taken_ms - since_ms) / 1000)
        chip = f"{SHAPES[task.state]} {one_line(task.spec.id, 24)} {took}  "
        if cells(line.plain) + cells(chip) > width:
            break
        line.append(chip, style="magenta" if task.merge_begun_ms else "dim magenta")
    return line


def _counts(snapshot: Snapshot) -> Text:
    text = Text()
    for state in reversed(_URGENCY):
        count = sum(task.state is state for task in snapshot.tasks)
        if count:
            text.append(f"{SHAPES[state]} {count} {state.value}  ", style=_colour(state))
    return text


def _grid(snapshot: Snapshot, width: int) -> RenderableType:
    """All tasks in the plan's order while they fit, else the ones to look at first."""
    columns = max(1, (width - 2) // 24)
    room = columns * MOST_TASK_LINES
    tasks = list(snapshot.tasks)
    if len(tasks) > room:
        tasks = sorted(tasks, key=lambda task: _URGENCY.index(task.state))[: room - 1]
    chips = [
        Text(f"{SHAPES[task.state]} {one_line(task.spec.id, 20)}", style=_colour(task.state), no_wrap=True)
        for task in tasks
    ]
    if len(snapshot.tasks) > room:
        chips.append(Text(f"… {len(snapshot.tasks) - len(tasks)} more", style="dim"))
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=1)
    for _ in range(columns):
        grid.add_column(width=22, no_wrap=True)
    for start in range(0, len(chips), columns):
        grid.add_row("", *chips[start : start + columns])
    return grid


def _flow(snapshot: Snapshot) -> Text:
    """One line: queues, merges, red gates, cost."""
    run = snapshot.run
    line = Text("  ", no_wrap=True, overflow="ellipsis", style="default")
    waiting = [one for one in snapshot.queues if one.queued or one.parked][:3]
    for i, queue in enumerate(waiting):
        counts = [(queue.queued, "ready"), (queue.parked, "parked")]
        line.append(", " if i else "queues ", style="dim")
        line.append(" ".join([one_line(queue.type, 14), *(f"{n} {word}" for n, word in counts if n)]))
    line.append("   " if waiting else "")
    line.append("merged ", style="dim").append(str(sum(1 for task in snapshot.tasks if task.merged_commit)))
    line.append("   conflicts ", style="dim").append(
        str(run.conflicts), style="yellow" if run.conflicts else ""
    )
    red = count_red(run, snapshot.tasks)
    for name, many in (("red gates", red.gates), ("acceptance", red.acceptance), ("reviews", red.reviews)):
        if many or name == "red gates":
            line.append(f"   {name} ", style="dim").append(str(many), style="yellow" if many else "")
    spent = sum(task.usage.cost_microusd for task in snapshot.tasks) / 1e6
    return line.append("   cost ", style="dim").append(f"${spent:.2f}")


def _waits(snapshot: Snapshot, width: int) -> list[RenderableType]:
    """Tasks that wait for a lock, with the path."""
    parked = [task for task in snapshot.tasks if task.parked_on and task.state is TaskState.QUEUED]
    lines: list[RenderableType] = []
    for task in parked[:MOST_WAITS]:
        since = f" {duration((snapshot.taken_ms - task.queued_ms) / 1000)}" if task.queued_ms else ""
        path = one_line(lock_name(task.parked_on), width - 60)
        text = f"  {SHAPES[task.state]} {one_line(task.spec.id, 30)} waits for {path}{since}"
        lines.append(Text(text, style="cyan", no_wrap=True))
    if len(parked) > MOST_WAITS:
        lines.append(Text(f"  and {len(parked) - MOST_WAITS} more behind locks", style="dim"))
    return lines


def _events(snapshot: Snapshot, width: int) -> list[RenderableType]:
    told = [(event, tell_event(event)) for event in snapshot.events]
    shown = [(event, text) for event, text in told if text][-MOST_EVENTS:]
    return [
        Text.assemble(
            "  ",
            (clock_time(event), "dim"),
            "  ",
            one_line(text, width - 14),
            no_wrap=True,
            overflow="ellipsis",
        )
        for event, text in shown
    ] or [Text("  nothing yet", style="dim")]


def _short(worker_id: str) -> str:
    """The end of a worker's id: the host in front of it is the same for most."""
    name = one_line(worker_id)
    return name if cells(name) <= _NAME_WIDTH - 2 else "…" + name[-(_NAME_WIDTH - 3) :]


def _padded(name: str) -> str:
    return name + " " * max(1, _NAME_WIDTH - cells(name))


def _colour(state: str) -> str:
    return COLOURS.get(state, "default")
