"""`land`: what a run has landed, in a branch of yours."""

from functools import partial
from typing import TYPE_CHECKING

import click

from swarm.cli.context import Context, find_run, pass_context, run_argument
from swarm.cli.judging import judge_aloud
from swarm.cli.output import emit, json_option, say
from swarm.cli.unwinding import unwound_by_signals
from swarm.errors import RefusedError
from swarm.observe.wording import plural
from swarm.settings import CONFIG_NAME

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from swarm.observe.report_data import Report
    from swarm.repo.gates.gate import GateResult

_TOLD = {
    "created": "{into} now exists, at {commit}",
    "advanced": "{into} was fast-forwarded to {commit}",
    "merged": "{branch} was merged into {into}, at {commit}; {judged}",
    "squashed": "all of {branch} is one commit on {into}, at {commit}",
    "squashed_again": "what landed on {branch} after {since} is one commit on {into}, at {commit};"
    " what landed before was brought there before",
    "up_to_date": "all of it was brought to {into} before, which is at {commit}",
}


@click.command()
@run_argument
@click.option("--into", required=True, metavar="BRANCH", help="Yours; created where it does not exist.")
@click.option("--squash", is_flag=True, help="As one commit, not one a task; again: what landed since.")
@json_option
@pass_context
def land(context: Context, run: str, into: str, squash: bool, as_json: bool) -> None:
    """Bring what a run has landed into a branch of yours: fast-forwarded, else merged.

    A merge lands only if all gates of your branch are green on it, those that are sampled among them. A
    branch that is checked out is left alone: no file, index or HEAD of yours is ever changed.
    """
    settings, reads = context.settings(), context.reads()
    record = reads.run(find_run(reads, run))
    if not record.state.is_terminal:
        raise RefusedError(
            f"run {record.run!r} is {record.state.value}: more is to land",
            hint=f"`swarm wait {record.run}` blocks until it ends",
        )
    from swarm.engine.snapshot import take_snapshot
    from swarm.observe.pull_request import missing_from, not_in_it
    from swarm.observe.report import build_report
    from swarm.repo.delivery import deliver
    from swarm.repo.gates.definitions import load_gates
    from swarm.repo.gates.gate import GateReport
    from swarm.repo.hub.opening import open_hub_for
    from swarm.repo.workspaces.checkout import sweep_checkouts

    measured = build_report(take_snapshot(reads, record.run))
    message, missing = partial(_message, measured) if squash else None, missing_from(measured)
    hub = open_hub_for(settings, record)
    log = settings.home / "logs" / "land.gate.log"
    tell = _say_nothing if as_json else say

    seen: list[GateResult] = []

    def judge(commit: str, defined_in: str) -> GateReport:
        gates = load_gates(hub, defined_in)
        tell(f"judging {record.branch} merged into {into}, as {commit[:12]}; {plural(len(gates), 'gate')}")
        judged = judge_aloud(settings, commit, gates, log=log, against=defined_in, tell=tell, goes_on=False)
        seen.extend(judged)
        return GateReport(tuple(judged))

    with unwound_by_signals():
        sweep_checkouts(hub)
        delivered = deliver(
            hub, settings.root, record.branch, into, base=record.base, judge=judge, squash=message, log=log
        )
    data = {
        "run": record.run,
        "branch": record.branch,
        "into": delivered.into,
        "how": delivered.how.value,
        "commit": delivered.commit,
        "since": delivered.since or None,
        "missing": [row.id for row in missing],
        "gates": {result.name: result.passed for result in seen},
        "gates_hollow": [f"{result.name}: {result.note}" for result in seen if result.note],
    }
    shown = {
        "judged": _told_of(seen),
        "branch": record.branch,
        "into": delivered.into,
        "commit": delivered.commit[:12],
        "since": delivered.since[:12],
    }
    how = f"{delivered.how}_again" if delivered.since else delivered.how.value
    emit(data, as_json, lambda: _TOLD[how].format(**shown))
    if missing:
        say(not_in_it(missing))


def _told_of(results: "Sequence[GateResult]") -> str:
    """What judged both together; a red gate among them is an advisory one."""
    if not results:
        return f"nothing has judged both together: {CONFIG_NAME} there defines no gate"
    red = [result.name for result in results if not result.passed]
    said = f"red, but only advisory: {', '.join(red)}" if red else "the gates are green on both"
    return "; ".join([said, *(f"{result.name} {result.note}" for result in results if result.note)])


def _say_nothing(text: str) -> None:
    """A program does not look on."""
    del text


def _message(report: "Report", held: "Collection[str]", since: str) -> str:
    """Of the one commit: what the run was for, and what each task was whose landing is in it."""
    from swarm.observe.pull_request import title_of
    from swarm.observe.wording import one_line

    landed = [row for row in report.tasks if row.commit in held]
    told = "\n".join(f"- {row.id}: {one_line(row.description)}" for row in landed)
    before = f"\n\nNot in this commit is what landed up to {since[:12]}: it was brought here before."
    return f"{title_of(report)}\n\n{told}{before if since else ''}\n\nSwarm-Run: {report.run}\n"
