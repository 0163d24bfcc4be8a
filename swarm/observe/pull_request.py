"""Title and body of a pull request for what a run has landed."""

import shlex
from collections.abc import Sequence

from swarm.observe.report_data import Report, TaskRow
from swarm.observe.report_md import escape
from swarm.observe.wording import duration, first_few, one_line, plural
from swarm.repo.gates.gate import Gate
from swarm.states import TaskState

TITLE_WIDTH = 72
_MOST_LISTED = 200


def title_of(report: Report) -> str:
    """The goal as one line; of a run without one how much it landed."""
    return one_line(report.goal, TITLE_WIDTH) or f"swarm: {plural(report.merges, 'task')}"


def body_of(report: Report, gates: Sequence[Gate]) -> str:
    """Markdown: what was asked for, what landed, what did not and why, and what judged it.

    Args:
        report: of the run.
        gates: those that the run's base defines.
    """
    landed = [row for row in report.tasks if row.commit]
    missing = missing_from(report)
    lines = [escape(report.goal), ""] if report.goal else []
    lines += _listed("What landed", [_landed(row) for row in landed])
    lines += _listed("What did not", [_missing(row) for row in missing])
    judged = [_judged(gate, report) for gate in gates] or [
        "- nothing but each task's own acceptance commands"
    ]
    lines += _listed("What judged it, on the merged tree", judged)
    lines.append(
        f"swarm run `{report.run}`: {plural(report.attempts, 'attempt')}, {report.sent_back},"
        f" {duration(report.makespan_s)}."
    )
    return "\n".join(lines) + "\n"


def missing_from(report: Report) -> list[TaskRow]:
    """The tasks that whoever merges the branch does not get, though the plan has them."""
    return [row for row in report.tasks if row.state not in {TaskState.DONE, TaskState.SKIPPED}]


def not_in_it(missing: Sequence[TaskRow]) -> str:
    """One line for a person who takes what landed: the tasks that are not among it."""
    return f"not in it: {first_few(tuple(f'{row.id} ({row.state_said})' for row in missing))}"


def _listed(head: str, entries: list[str]) -> list[str]:
    more = [f"- and {len(entries) - _MOST_LISTED} more"] if len(entries) > _MOST_LISTED else []
    return [f"## {head}", "", *entries[:_MOST_LISTED], *more, ""] if entries else []


def _landed(row: TaskRow) -> str:
    return f"- `{row.id}` ({row.commit[:12]}): {escape(one_line(row.description))}"


def _judged(gate: Gate, report: Report) -> str:
    """A gate, and what is to be known of it where it did not have to be green on every landing."""
    red = sum(any(said.startswith(f"{gate.name}: ") for said in row.red_advisory) for row in report.tasks)
    left_out = sum(gate.name in row.gates_not_run for row in report.tasks)
    more = [] if gate.required else ["advisory, stops nothing"]
    more += [f"red on {plural(red, 'landing')}"] if red else []
    more += [f"judges a sample of {gate.sample:g}"] if gate.sample < 1 else []
    more += [f"did not run on {plural(left_out, 'landing')}"] if left_out else []
    hollow = [said for row in report.tasks for said in row.gates_hollow if said.startswith(f"{gate.name}: ")]
    if hollow:
        more += [f"{escape(hollow[-1].removeprefix(f'{gate.name}: '))}, on {plural(len(hollow), 'landing')}"]
    shown = f"- `{shlex.join(gate.command) or gate.name}`"
    return f"{shown} ({gate.name}: {'; '.join(more)})" if more else shown


def _missing(row: TaskRow) -> str:
    why = f": {escape(one_line(row.failure_reason))}" if row.failure_reason else ""
    return f"- `{row.id}` {row.state_said if row.waits_for_approval else f'is {row.state}'}{why}"
