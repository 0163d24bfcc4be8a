"""Measure a run: makespan against its lower bound, use of workers, waits, failures, cost."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType

from swarm.engine.records import TaskRecord
from swarm.engine.snapshot import Snapshot
from swarm.engine.spliced import as_happened
from swarm.errors import UsageError
from swarm.models.usage import Usage
from swarm.observe.durations import HELD, all_landings_ms, duration_s, held_ms
from swarm.observe.red_verdicts import count_red
from swarm.observe.report_data import Report, TaskRow, Tokens
from swarm.observe.report_junit import render_junit
from swarm.observe.report_md import render_md
from swarm.observe.report_text import render_text
from swarm.observe.scopes import fit_of, sum_of
from swarm.observe.wording import is_waiting, last_lines
from swarm.plan.graph import critical_path
from swarm.plan.model import Plan
from swarm.repo.merging.gate_notes import NO_NOTES, GateNotes
from swarm.states import RunState, TaskState

FORMS = ("text", "md", "json", "junit")


def build_report(
    snapshot: Snapshot,
    *,
    red_on_base: str = "",
    touched: Mapping[str, Sequence[str]] = MappingProxyType({}),
    notes: Mapping[str, GateNotes] = MappingProxyType({}),
    left_out: Mapping[str, str] = MappingProxyType({}),
    unpublished: str = "",
) -> Report:
    """Measure a run from one snapshot; a run that goes on is measured up to the snapshot.

    `red_on_base` names the gate that was red before any work, and how it ended. `touched` are the paths that
    each task's landing changed, as git has them; of a task that is not among them that is not known.
    `notes` are what gates said of landings beside letting them pass, `left_out` what was not taken of what
    tasks wrote inside their scope. `unpublished` says why the branch does
    not hold the tip in the user's repository.
    """
    run, tasks, now_ms = snapshot.run, snapshot.tasks, snapshot.taken_ms
    work_s = {task.spec.id: duration_s(task, now_ms) for task in tasks}
    path, path_s = critical_path(Plan(tuple(as_happened(tasks))), work_s)
    workers = max(
        run.workers, len({task.worker_id for task in tasks if task.worker_id}) if not run.workers else 0
    )
    makespan_s = snapshot.elapsed_s
    # Workers share what they hold; landings on one branch come one after another.
    shared_s = sum(held_ms(task, now_ms) for task in tasks) / 1000 / workers if workers else 0.0
    landing_s = all_landings_ms(tasks, now_ms) / 1000
    usage = sum((task.usage for task in tasks), Usage())
    red = count_red(run, tasks)
    rows = tuple(
        _row(
            task,
            work_s[task.spec.id],
            touched.get(task.spec.id, ()),
            notes.get(task.spec.id, NO_NOTES),
            left_out.get(task.spec.id, ""),
        )
        for task in tasks
    )
    return Report(
        run=run.run,
        state=run.state.value,
        goal=run.goal,
        branch=run.branch,
        base=run.base,
        tip=run.tip,
        unpublished=unpublished,
        tasks_by_state=_by_state(tasks),
        attempts=sum(task.attempt for task in tasks),
        makespan_s=round(makespan_s, 3),
        lower_bound_s=round(max(path_s, shared_s, landing_s), 3),
        critical_path=path,
        workers=workers,
        utilisation=_utilisation(tasks, now_ms, workers, makespan_s),
        lock_wait_s=round(sum(task.lock_wait_ms for task in tasks) / 1000, 3),
        merges=sum(1 for task in tasks if task.merged_commit),
        conflicts=run.conflicts,
        gate_failures=red.gates,
        acceptance_failures=red.acceptance,
        review_rejections=red.reviews,
        red_on_base=red_on_base,
        human_interventions=run.interventions,
        clean=run.state is RunState.DONE and run.interventions == 0,
        tokens=_tokens(usage),
        cost_usd=usage.cost_microusd / 1e6,
        priced=all(task.usage.is_priced for task in tasks),
        wasted_cost_usd=sum(task.wasted.cost_microusd for task in tasks) / 1e6,
        scope=sum_of(row.scope for row in rows if row.scope),
        tasks=rows,
    )


def render_report(report: Report, form: str, *, anew: str = "") -> str:
    """The report as `text` (for a terminal), `md`, `json` or `junit`.

    `anew` is the command that begins the run anew, of a run that Redis has forgotten.
    """
    if form == "json":
        return json.dumps(_as_data(report), indent=2, ensure_ascii=False)
    if form == "md":
        return render_md(report)
    if form == "junit":
        return render_junit(report)
    if form == "text":
        return render_text(report, anew=anew)
    raise UsageError(f"no report format {form!r}", hint=f"one of {', '.join(FORMS)}")


def _as_data(report: Report) -> dict[str, object]:
    """What JSON says: a failed attempt is an object too."""
    data = asdict(report)
    for row, task in zip(data["tasks"], report.tasks, strict=True):
        row["history"] = [one._asdict() for one in task.history]
    return data


def _utilisation(tasks: Iterable[TaskRecord], now_ms: int, workers: int, makespan_s: float) -> float:
    """Share of the workers' time in which they held a task."""
    current_ms = sum(now_ms - task.claimed_ms for task in tasks if task.state in HELD)
    busy_s = (sum(task.busy_ms for task in tasks) + current_ms) / 1000
    available_s = workers * makespan_s
    return round(min(1.0, busy_s / available_s), 4) if available_s > 0 else 0.0


def _by_state(tasks: Iterable[TaskRecord]) -> dict[str, int]:
    count = Counter(task.state for task in tasks)
    return {state.value: count[state] for state in TaskState if count[state]}


def _row(task: TaskRecord, work_s: float, touched: Sequence[str], notes: GateNotes, left_out: str) -> TaskRow:
    has_nothing = task.state is TaskState.DONE and not task.merged_commit
    return TaskRow(
        id=task.spec.id,
        type=task.spec.type,
        state=task.state.value,
        waits_for_approval=is_waiting(task.state, task.failure_kind),
        description=task.spec.description,
        files=task.spec.files,
        attempts=task.attempt,
        failures=task.failures,
        crashes=task.crashes,
        worker=task.worker_id,
        duration_s=round(work_s, 3),
        lock_wait_s=round(task.lock_wait_ms / 1000, 3),
        commit=task.merged_commit,
        failure_kind=task.failure_kind,
        failure_reason=task.failure_reason,
        history=task.history,
        evidence=last_lines(task.evidence),
        review=task.review,
        tokens=_tokens(task.usage),
        cost_usd=task.usage.cost_microusd / 1e6,
        priced=task.usage.is_priced,
        wasted_cost_usd=task.wasted.cost_microusd / 1e6,
        widened=task.widened,
        scope=fit_of(task.planned_files, touched) if touched else None,
        red_advisory=tuple(notes.red.values()),
        gates_not_run=notes.not_run,
        gates_hollow=notes.hollow,
        landed_nothing=has_nothing and bool(task.spec.files) and not task.parts,
        left_out=left_out,
    )


def _tokens(usage: Usage) -> Tokens:
    return Tokens(usage.input_tokens, usage.output_tokens, usage.cache_read_tokens)
