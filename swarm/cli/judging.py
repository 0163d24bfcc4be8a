"""Gates that run one after another while a person looks on: what each is, and what it has said."""

import shlex
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from swarm.observe.wording import duration, printable

if TYPE_CHECKING:
    from pathlib import Path

    from swarm.repo.gates.gate import Gate, GateResult
    from swarm.settings import Settings


def judge_aloud(
    settings: "Settings",
    commit: str,
    gates: "Sequence[Gate]",
    *,
    log: "Path",
    against: str,
    tell: Callable[[str], None],
    goes_on: bool,
) -> "list[GateResult]":
    """Run gates on a commit of the hub as the merge queue would, and tell of each before and after it.

    Args:
        settings: of the repository.
        commit: what is judged.
        gates: in their order.
        log: begun anew; what the gates print is kept there.
        against: the commit that it is compared with; empty: all in it is new.
        tell: gets a line.
        goes_on: also after one that is required is red.
    """
    from swarm.base_check import run_on
    from swarm.fleet.launch import open_launcher

    launcher = open_launcher(settings)
    log.unlink(missing_ok=True)
    results: list[GateResult] = []
    for one in gates:
        tell(f"{one.name}: {what_it_does(one)}")
        results += run_on(settings, commit, [one], launcher, log=log, against=against).results
        tell(_verdict(results[-1]))
        if one.required and not results[-1].passed and not goes_on:
            break
    return results


def what_it_does(one: "Gate") -> str:
    """The command, and what its kind does besides."""
    command = printable(shlex.join(one.command))
    more = {
        "tests": "affected tests first" if one.affected else "",
        "conflicts": "no conflict's markers in what changed",
        "security": "no new secrets" + (", no new findings" if one.command else ""),
        "performance": f"at most {one.threshold:.0%} slower than the base, {one.runs} pairs of runs",
    }.get(one.kind.value, "")
    return "; ".join(filter(None, [command, more]))


def _verdict(result: "GateResult") -> str:
    told = f"{result.name}: green" if result.passed else str(result)
    told += "" if result.required else " (advisory)"
    if result.note:  # how long it took would be read as what it measured
        return click.style(f"{told}, but it {result.note}", fg="yellow")
    after = "" if result.timed_out else f", after {duration(result.duration_s)}"
    return click.style(told + after, fg="green" if result.passed else "red")
