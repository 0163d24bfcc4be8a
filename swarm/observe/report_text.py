"""The report for a terminal: what happened, what it took, and what to look at next."""

from swarm.observe.person import looks_at, words_for
from swarm.observe.report_data import Report, TaskRow
from swarm.observe.report_md import measures, not_landed
from swarm.observe.wording import SHAPES, cells, duration, first_few, one_line
from swarm.states import RunState

_WIDEST_ID = 32
_STATE_WIDTH = 9  # the longest states are rare enough to stick out
_MOST_ROWS = 40
_ENDED_SHORT = (RunState.FAILED, RunState.CANCELLED)


def render_text(report: Report, *, anew: str = "") -> str:
    """Plain text without colour, at most 100 columns; `anew` is as for `next_commands`."""
    width = max((len(name) for name, _ in measures(report)), default=0)
    lines = [f"run {report.run}  {report.state}" + (f"  {one_line(report.goal, 70)}" if report.goal else "")]
    lines += [f"  {name.ljust(width)}  {value}" for name, value in measures(report)]
    lines += ["", *_rows(report), ""]
    lines += [f"branch  {report.branch}" + (f"  {report.tip[:12]}" if report.tip else "")]
    lines += [f"        not published: {report.unpublished}"] if report.unpublished else []
    lines += [f"  {command}" for command in next_commands(report, anew=anew)]
    return "\n".join(lines)


def next_commands(report: Report, *, anew: str = "") -> list[str]:
    """What a person would type next; `anew` begins the run anew, if Redis has forgotten it.

    Each names the run: there may be a newer one when it is typed.
    """
    again = anew or f"swarm retry {report.run}"
    failed = next((row for row in report.tasks if row.state == "failed" and not row.waits_for_approval), None)
    waiting = None if anew else next((row for row in report.tasks if row.waits_for_approval), None)
    if failed or waiting:
        words = words_for(report.run, waiting.id) if waiting else ()
        return [
            *(_looks(report.run, waiting) if waiting else []),
            *words,
            *([f"swarm why {failed.id} --run {report.run}", *_looks(report.run, failed)] if failed else []),
            *([again] if failed else []),
        ]
    look: list[str] = []
    if landed := next((row.id for row in report.tasks if row.commit), ""):
        base = report.base[:12]
        look = [f"git log --oneline {base}..{report.branch}", f"git diff {base} {report.branch}"]
        if report.unpublished:  # what has that name here is something else
            look = [f"swarm wait {report.run}"]
        look.append(f"swarm diff {landed} --run {report.run}")
        if report.state == RunState.DONE:
            look.append(f"swarm land {report.run} --into BRANCH")
    return [*look, *([again] if report.state in _ENDED_SHORT else [])]


def _looks(run: str, row: TaskRow) -> tuple[str, ...]:
    kind, reason = row.failure_kind, row.failure_reason
    return looks_at(run, row.id, kind=kind, reason=reason, attempts=row.attempts)


def _rows(report: Report) -> list[str]:
    width = min(_WIDEST_ID, max((cells(row.id) for row in report.tasks), default=0))
    # A long list is read from its failures; the rest is in the JSON.
    rows = (
        sorted(report.tasks, key=lambda row: row.state == "done")
        if len(report.tasks) > _MOST_ROWS
        else report.tasks
    )
    lines = [_row(row, width) for row in rows[:_MOST_ROWS]]
    if len(rows) > _MOST_ROWS:
        lines.append(f"  … and {len(rows) - _MOST_ROWS} more; `swarm tasks {report.run}` lists all")
    return lines


def _row(row: TaskRow, width: int) -> str:
    name = one_line(row.id, width)
    name += " " * (width - cells(name))
    took = duration(row.duration_s) if row.duration_s else "-"
    notes = [f"{row.attempts} attempts"] if row.attempts > 1 else []
    notes += [f"{duration(row.lock_wait_s)} behind locks"] if row.lock_wait_s >= 1 else []
    notes += [f"widened by {first_few(row.widened, 2)}"] if row.widened else []
    notes += [row.commit[:12]] if row.commit else []
    notes += [one_line(not_landed(row), 60)] if row.landed_nothing or row.left_out else []
    notes += [f"advisory, and red: {one_line(', '.join(row.red_advisory), 40)}"] if row.red_advisory else []
    notes += [one_line(", ".join(row.gates_hollow), 60)] if row.gates_hollow else []
    notes += [one_line(row.failure_reason, 50)] if row.failure_reason and row.state != "done" else []
    state = f"{SHAPES.get(row.state, ' ')} {name}  {row.state_said.ljust(_STATE_WIDTH)}"
    return f"  {state} {took:>6}  {', '.join(notes)}".rstrip()
