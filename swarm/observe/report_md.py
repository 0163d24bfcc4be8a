"""The report as Markdown, for a pull request or a job summary."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from swarm.observe.person import words_for
from swarm.observe.report_data import Report, TaskRow
from swarm.observe.scopes import PRECISION, RECALL
from swarm.observe.wording import (
    LEFT_OUT,
    SHAPES,
    WAITS_FOR_APPROVAL,
    duration,
    failure_with_reason,
    first_few,
    money,
    one_line,
    plural,
    price,
)
from swarm.states import TaskState

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~])")
_REFERENCE = re.compile(r"([@#])(?=\w)")
_BACKTICKS = re.compile("`+")
_WIDEST_CHAIN = 76
_MOST_EVIDENCE = 50
"""Tasks whose evidence the report shows: a page that a pull request takes."""


def render_md(report: Report) -> str:
    """Markdown with a table of measures and one of tasks; text that others wrote is escaped."""
    lines = [
        f"# swarm run `{report.run}`: {report.state}",
        "",
        escape(report.goal) if report.goal else f"{plural(len(report.tasks), 'task')}.",
        "",
        f"Branch `{report.branch}`"
        + (f" at `{report.tip[:12]}`." if report.tip else ".")
        + (f" **Not published**: {escape(report.unpublished)}." if report.unpublished else ""),
        "",
        "| measure | value |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in measures(report)),
        "",
        "| task | state | attempts | took | waited for locks | recall | precision | commit | cost |",
        "|---|---|---:|---:|---:|---:|---:|---|---:|",
        *map(_row, report.tasks),
        "",
        f"Recall is {RECALL}; precision is {PRECISION}.",
    ]
    if red := [row for row in report.tasks if row.red_advisory]:
        lines += ["", "## Advisory gates that were red", ""]
        lines += [f"- `{row.id}` landed with {escape(', '.join(row.red_advisory))}" for row in red]
    if hollow := [row for row in report.tasks if row.gates_hollow]:
        lines += ["", "## Green gates that compared nothing", ""]
        lines += [f"- `{row.id}` landed with {escape(', '.join(row.gates_hollow))}" for row in hollow]
    if less := [row for row in report.tasks if row.landed_nothing or row.left_out]:
        lines += ["", "## What did not land of tasks that are done", ""]
        lines += [f"- `{row.id}` {escape(not_landed(row))}" for row in less]
    widened = [row for row in report.tasks if row.widened]
    if widened:
        lines += ["", "## What widened a write scope", ""]
        lines += [f"- `{row.id}`: {', '.join(map(escape, row.widened))}" for row in widened]
    lines += _what_went_wrong(report)
    reviewed = [row for row in report.tasks if row.review]
    if reviewed:
        lines += ["", "## What reviewers said", ""]
        lines += [line for row in reviewed for line in _review(row)]
    return "\n".join(lines) + "\n"


def measures(report: Report) -> list[tuple[str, str]]:
    """The measures of a run, each a name and a value in words."""
    ratio = report.makespan_s / report.lower_bound_s if report.lower_bound_s else 0.0
    took, tokens = duration(report.makespan_s), report.tokens
    return [
        ("tasks", _states(report) or "none"),
        ("attempts", str(report.attempts)),
        (
            "time",
            f"{took}, {ratio:.1f} times the lower bound of {duration(report.lower_bound_s)}"
            if ratio
            else took,
        ),
        ("critical path", one_line(" → ".join(report.critical_path), _WIDEST_CHAIN) or "none"),
        ("workers", f"{report.workers}, busy {report.utilisation:.0%} of the time"),
        ("waited for locks", duration(report.lock_wait_s)),
        ("merges", f"{report.merges}, {report.sent_back}"),
        *nothing_measures(report),
        *gate_measures(report),
        *_scope_measures(report),
        *([("red before any work", one_line(report.red_on_base))] if report.red_on_base else []),
        ("human interventions", f"{report.human_interventions}{', clean' if report.clean else ''}"),
        ("tokens", f"{tokens.input} in, {tokens.output} out, {tokens.cache_read} from cache"),
        ("cost", _cost(report)),
    ]


def _states(report: Report) -> str:
    """How many tasks are in each state; what waits for approval is not counted with what failed."""
    waiting = sum(row.waits_for_approval for row in report.tasks)
    counted = [
        (n - waiting if state == TaskState.FAILED else n, state) for state, n in report.tasks_by_state.items()
    ]
    return ", ".join(f"{n} {state}" for n, state in [*counted, (waiting, WAITS_FOR_APPROVAL)] if n)


def nothing_measures(report: Report) -> list[tuple[str, str]]:
    """Tasks that are done and landed nothing, though they might have; mostly none."""
    names = [row.id for row in report.tasks if row.landed_nothing]
    said = f"{plural(len(names), 'task that is done', 'tasks that are done')}: {first_few(names)}"
    return [("landed nothing", one_line(said, _WIDEST_CHAIN))] if names else []


def not_landed(row: TaskRow) -> str:
    """What a task that is done has not brought to the branch."""
    return "; ".join(
        [
            *(["changed nothing"] if row.landed_nothing else []),
            *([f"{LEFT_OUT}{row.left_out}"] if row.left_out else []),
        ]
    )


def gate_measures(report: Report) -> list[tuple[str, str]]:
    """Gates that were red but advisory, that did not run, or compare; on how many landings; mostly none."""
    red = Counter(said.partition(":")[0] for row in report.tasks for said in row.red_advisory)
    not_run = Counter(name for row in report.tasks for name in row.gates_not_run)
    hollow = Counter(said.partition(":")[0] for row in report.tasks for said in row.gates_hollow)
    counted = (("advisory, and red", red), ("gates left out", not_run), ("compared nothing", hollow))
    return [
        (
            name,
            one_line(
                ", ".join(f"{gate} on {plural(n, 'landing')}" for gate, n in count.items()), _WIDEST_CHAIN
            ),
        )
        for name, count in counted
        if count
    ]


def _scope_measures(report: Report) -> list[tuple[str, str]]:
    """How well scopes were declared, and whether any had to grow."""
    fit, widened = report.scope, [row.id for row in report.tasks if row.widened]
    touched, declared = plural(fit.touched, "touched path"), plural(fit.declared, "declared pattern")
    shares = [
        ("scope recall", f"{share(fit.recall)}: {fit.inside} of {touched} declared"),
        ("scope precision", f"{share(fit.precision)}: {fit.matched} of {declared} touched"),
    ]
    if not fit.touched:
        nothing = "what was touched is not known here" if report.merges else "nothing was touched"
        shares = [("scope recall", nothing), ("scope precision", nothing)]
    grown = f"{plural(len(widened), 'write scope')}: {first_few(widened)}"
    return [*shares, *([("widened", one_line(grown, _WIDEST_CHAIN))] if widened else [])]


def share(part: float | None) -> str:
    """A share as a percentage, rounded down, or a dash where there is nothing to take it of."""
    return "-" if part is None else f"{round(part * 10_000) // 100}%"


def escape(text: str) -> str:
    """One line of text that Markdown shows as it is: no markup, links, mentions or HTML."""
    # GitHub looks for mentions and issue numbers after Markdown: only a character between hides them.
    return _REFERENCE.sub("\\1\u200b", _SPECIAL.sub(r"\\\1", one_line(text)))


def _cost(report: Report) -> str:
    unknown = sum(not row.priced for row in report.tasks)
    beside = f", and {plural(unknown, 'task')} whose price nobody knows" if unknown else ""
    return f"{_usd(report.cost_usd)}, of which {_usd(report.wasted_cost_usd)} did not land{beside}"


def _what_went_wrong(report: Report) -> list[str]:
    """Each task that failed or was sent back, and why; with evidence up to a number that somebody reads."""
    waiting = [line for row in report.tasks if row.waits_for_approval for line in _waiting(report.run, row)]
    wrong = [row for row in report.tasks if not row.waits_for_approval and (_has_failed(row) or row.history)]
    shown = [row if n < _MOST_EVIDENCE else replace(row, evidence=()) for n, row in enumerate(wrong)]
    lines = [line for row in shown if _has_failed(row) for line in _failure(row)]
    before = [
        line
        for row in shown
        if not _has_failed(row)
        for line in (f"- `{row.id}`: {row.state} since", *_tried(row))
    ]
    more = len(wrong) - _MOST_EVIDENCE
    beyond = ["", f"Of {plural(more, 'task')} more `swarm why TASK` has the evidence."] if more > 0 else []
    return [
        *(["", "## What waits for approval", "", *waiting] if waiting else []),
        *(["", "## What failed", "", *lines] if lines else []),
        *(["", "## What was sent back before", "", *before] if before else []),
        *beyond,
    ]


def _has_failed(row: TaskRow) -> bool:
    return bool(row.failure_reason) and row.state != "done"


def _waiting(run: str, row: TaskRow) -> list[str]:
    """What it changed, and what a person says to it."""
    look = f"swarm diff {row.id} --run {run}"
    said = ", ".join(f"`{word}`" for word in (look, *words_for(run, row.id)))
    return [f"- `{row.id}` {WAITS_FOR_APPROVAL}: {escape(row.failure_reason)}", f"  - {said}"]


def _failure(row: TaskRow) -> list[str]:
    """What a task failed with, and what was tried before that."""
    kind, reason = row.failure_kind, row.failure_reason
    said = failure_with_reason(kind, reason, escape) if kind else escape(reason)
    said = f"({kind or row.state}): {said}"
    return [f"- `{row.id}` {said}", *_tried(row)]


def _tried(row: TaskRow) -> list[str]:
    """Each attempt that did not land, and the end of what the last of them left."""
    return [
        *(
            f"  - attempt {one.attempt}, {duration((one.ended_ms - one.since_ms) / 1000)} on"
            f" {escape(one.worker)}: {failure_with_reason(one.kind, one.message, escape)}"
            for one in row.history
        ),
        *fenced(row.evidence, indent="  "),
    ]


def _review(row: TaskRow) -> list[str]:
    """The verdict on what was handed in last, and each finding."""
    verdict, *findings = map(escape, row.review)
    return [f"- `{row.id}`: {verdict}", *(f"  - {finding}" for finding in findings)]


def fenced(lines: Sequence[str], *, indent: str = "") -> list[str]:
    """Printable lines as a block of code that they cannot end; nothing where there are none."""
    if not lines:
        return []
    fence = "`" * max(3, 1 + max(map(len, _BACKTICKS.findall("\n".join(lines))), default=0))
    return ["", *(f"{indent}{line}" for line in (f"{fence}text", *lines, fence)), ""]


def _usd(dollars: float) -> str:
    return money(round(dollars * 1e6))


def _row(row: TaskRow) -> str:
    recall, precision = (row.scope.recall, row.scope.precision) if row.scope else (None, None)
    return (
        f"| `{row.id}` | {SHAPES.get(row.state, '')} {row.state_said} | {row.attempts}"
        f" | {duration(row.duration_s) if row.duration_s else '-'}"
        f" | {duration(row.lock_wait_s) if row.lock_wait_s else '-'}"
        f" | {share(recall)} | {share(precision)}"
        f" | {f'`{row.commit[:12]}`' if row.commit else '-'}"
        f" | {price(round(row.cost_usd * 1e6), is_priced=row.priced)} |"
    )
