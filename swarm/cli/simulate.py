"""`simulate`: what a plan or a recorded run takes in virtual time, by the scripts that schedule real ones."""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from swarm.cli.context import Context, FilePath, find_run, pass_context
from swarm.cli.output import emit, json_option, pairs
from swarm.cli.plan import read_text
from swarm.cli.run import deadline_option
from swarm.cli.waiting import waiting
from swarm.errors import UsageError
from swarm.observe.wording import duration, plural
from swarm.states import RunState

if TYPE_CHECKING:
    from collections.abc import Callable

    from swarm.simulation.forecast import Simulation
    from swarm.simulation.recorded import RecordedRun

POLICIES = ("critical-path", "fifo", "lock-aware")
RANKS = {
    "plan": "from the plan's estimates, corrected by what is learnt",
    "measured": "from what tasks took",
    "unmeasured": "from the plan's estimates: nothing was measured",
    "learnt": "from the means of types, learnt as tasks end",
    "none": "none: no duration is known",
}
WORKERS = 4
_LONG_S = 600.0


@click.command()
@click.argument("file", metavar="[PLAN]", type=FilePath(), required=False)
@click.option("--workers", type=click.IntRange(1, 10_000), help="How many; default 4, or as many as RUN had.")
@click.option(
    "--policy",
    type=click.Choice(POLICIES),
    default="lock-aware",
    show_default=True,
    help="In which order; the default is what real runs do.",
)
@click.option(
    "--estimates",
    type=click.Choice(("plan", "measured", "learnt", "none")),
    default="plan",
    show_default=True,
    help="What ranks know of durations: the plan's estimates, what RUN measured, means by type, nothing.",
)
@click.option(
    "--events", "run", metavar="RUN", help="Replay a recorded run instead, with measured durations."
)
@deadline_option
@json_option
@pass_context
def simulate(
    context: Context,
    file: Path | None,
    workers: int | None,
    policy: str,
    estimates: str,
    run: str | None,
    deadline_s: float | None,
    as_json: bool,
) -> None:
    """Say how long a plan would take, by the real scheduler in virtual time.

    PLAN is a file, `-` is stdin; each task lasts its `estimate_s`, times `best_of`. The scheduler's own
    scripts run on a temporary server of their own, with locks and limits; the same every time. Git and
    merging take no time here.
    """
    if (file is None) == (run is None):
        raise UsageError(
            "give either a PLAN or --events RUN", hint="such as `swarm simulate plan.json --workers 8`"
        )
    from swarm.simulation.forecast import simulate as forecast
    from swarm.simulation.virtual_run import Estimates, Policy

    at = click.get_current_context().with_resource(waiting("reading")).at
    ask = partial(
        forecast, policy=Policy(policy), estimates=Estimates(estimates), deadline_s=deadline_s, at=at
    )
    if file is not None:
        found = _forecast_of_plan(ask, context, file, workers)
        emit(found, as_json, lambda: _text(found))
    else:
        _replay(ask, context, run or "", workers, as_json)


def _forecast_of_plan(
    ask: "Callable[..., Simulation]", context: Context, file: Path, workers: int | None
) -> "Simulation":
    """By the plan's own estimates, under the limits that the repository sets."""
    from swarm.limits import load_limits
    from swarm.plan.document import parse_plan

    plan = parse_plan(read_text(file), source=str(file))
    return ask(plan, workers=workers or WORKERS, limits=load_limits(context.settings().root))


def _replay(
    ask: "Callable[..., Simulation]", context: Context, run: str, workers: int | None, as_json: bool
) -> None:
    """By what a recorded run measured, under the limits in force; what it took stands beside."""
    from swarm.driving import refuse_loading
    from swarm.simulation.recorded import recorded_run

    reads = context.reads()
    run = find_run(reads, run)
    if reads.run(run).state is RunState.LOADING:
        refuse_loading(run)
    recorded = recorded_run(reads, run)
    found = ask(
        recorded.plan,
        workers=workers or recorded.workers or WORKERS,
        durations_s=recorded.durations_s,
        limits=reads.controls().limits,
    )
    took = {
        "run": recorded.run,
        "recorded_makespan_s": recorded.makespan_s,
        "unmeasured": recorded.unmeasured,
    }
    emit({**asdict(found), **took}, as_json, lambda: f"{_text(found)}\n{_beside(recorded)}")


def _text(found: "Simulation") -> str:
    saved = 1 - found.makespan_s / found.fifo_makespan_s if found.fifo_makespan_s else 0.0
    beside = f", of which this saves {saved:.1%}" if saved >= 0 else f", and this costs {-saved:.1%} more"
    rows = {
        "takes": f"{_exact(found.makespan_s)} for {plural(found.tasks, 'task')} with"
        f" {plural(found.workers, 'worker')}, {found.policy}",
        "bound": f"{_exact(found.lower_bound_s)}, so {found.ratio:.3f} times it;"
        f" {_exact(found.tight_bound_s)} from heads and tails",
        "fifo": f"{_exact(found.fifo_makespan_s)}{beside}",
        "busy": f"{found.utilisation:.0%} of the workers' time",
    }
    if found.policy != "fifo":
        rows["ranks"] = RANKS[found.estimates]
    if found.limits:
        rows["limits"] = "; ".join(f"{kind}: at most {most} at once" for kind, most in found.limits.items())
    if found.late:
        from swarm.plan.spelling import first_few

        rows["late"] = f"past their deadline, where a run would fail them: {first_few(found.late)}"
    return pairs(rows)


def _beside(recorded: "RecordedRun") -> str:
    unmeasured = f", {recorded.unmeasured} of its tasks by their estimates" if recorded.unmeasured else ""
    return pairs(
        {"took": f"{_exact(recorded.makespan_s)} in run {recorded.run}, merging included{unmeasured}"}
    )


def _exact(seconds: float) -> str:
    """Short times to the millisecond: a plan of quick commands is over in less than a minute."""
    return duration(seconds) if seconds >= _LONG_S else f"{seconds:.3f} s"
