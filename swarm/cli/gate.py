"""`swarm gate list` and `run`: what judges attempts, and how it judges a commit."""

import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from swarm.cli.context import Context, pass_context
from swarm.cli.judging import judge_aloud, what_it_does
from swarm.cli.output import emit, json_option, say, table
from swarm.cli.unwinding import unwound_by_signals
from swarm.errors import RepositoryError, UsageError
from swarm.observe.wording import duration, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swarm.repo.gates.gate import Gate, GateResult
    from swarm.settings import Settings

LAST_LINES = 20
_FAILED = 1
_COMPARING = ("conflicts", "security", "performance")
"""Kinds whose verdict is about what is new."""

revision_option = click.option(
    "--rev",
    "revision",
    default="HEAD",
    show_default=True,
    help="The commit; what is not committed takes no part.",
)


@click.group()
def gate() -> None:
    """List the gates that judge attempts, or run them."""


@gate.command("list")
@revision_option
@json_option
@pass_context
def list_gates(context: Context, revision: str, as_json: bool) -> None:
    """List the gates of a commit, in the order in which they run."""
    commit, gates = _gates_of(context.settings(), revision)
    rows = [_row(one) for one in gates]
    emit({"commit": commit, "gates": rows}, as_json, lambda: _listed(commit, gates))


@gate.command("run")
@click.argument("names", nargs=-1, metavar="[GATE]...")
@revision_option
@click.option(
    "--against",
    default="",
    metavar="REV",
    help="What it is compared with; default is its parent, if it has one.",
)
@json_option
@pass_context
def run_gates(context: Context, names: tuple[str, ...], revision: str, against: str, as_json: bool) -> None:
    """Run gates on a commit as the merge queue would: each in a clean checkout, in the sandbox of a gate.

    All of them, or those named; a red one does not keep the others from running, and what is sampled is run.
    The exit code is 1 if one that is required is red.
    """
    settings = context.settings()
    commit, gates = _gates_of(settings, revision)
    chosen = _choose(gates, names)
    base = _imported(settings, against) if against else _parent_of(settings, commit, chosen)
    from swarm.repo.hub.opening import open_hub
    from swarm.repo.workspaces.checkout import sweep_checkouts

    if not base:
        say(f"no commit before {commit[:12]} is known: it is compared with nothing, and all in it is new")
    log = settings.home / "logs" / "gate.log"
    with unwound_by_signals():
        sweep_checkouts(open_hub(settings))
        results = judge_aloud(settings, commit, chosen, log=log, against=base, tell=say, goes_on=True)
    passed = all(one.passed for one in results if one.required)
    data = {
        "commit": commit,
        "against": base or None,
        "passed": passed,
        "gates": [_row(one) | _result(result) for one, result in zip(chosen, results, strict=True)],
    }
    emit(data, as_json, lambda: _told(results, log=str(log)))
    if not passed:
        sys.exit(_FAILED)


def _gates_of(settings: "Settings", revision: str) -> "tuple[str, tuple[Gate, ...]]":
    """The commit, which is imported into the hub, and its gates; HEAD's may not be those in the checkout."""
    from swarm.base_check import uncommitted_note
    from swarm.repo.gates.definitions import load_gates
    from swarm.repo.hub.opening import open_hub

    commit = _imported(settings, revision)
    if revision == "HEAD" and (note := uncommitted_note(settings, commit)):
        say(note)
    return commit, load_gates(open_hub(settings), commit)


def _imported(settings: "Settings", revision: str) -> str:
    from swarm.repo.hub.opening import open_hub

    return open_hub(settings).import_base(settings.root, revision)


def _parent_of(settings: "Settings", commit: str, chosen: "Sequence[Gate]") -> str:
    """The first parent; empty for a first commit, and where a shallow clone ends and no gate compares.

    Raises:
        UsageError: a shallow clone ends here, and all in it would count as new.
    """
    from swarm.repo.hub.opening import open_hub

    hub = open_hub(settings)
    # As the commit itself says: git hides the parents of what it was fetched without, here and in the hub.
    head = hub.git.run("cat-file", "commit", commit).partition(b"\n\n")[0].decode("ascii", "replace")
    parent = next((line.split()[1] for line in head.splitlines() if line.startswith("parent ")), "")
    if not parent or hub.resolve(f"{parent}^{{commit}}"):
        return parent
    with suppress(RepositoryError):  # fetched since
        return _imported(settings, parent)
    if comparing := [one.name for one in chosen if one.kind in _COMPARING]:
        raise UsageError(
            f"commit {commit[:12]} is the end of this shallow clone: its parent {parent[:12]} is not here,"
            f" and {', '.join(comparing)} would take all in it for new",
            hint="`git fetch --deepen=1` gets it; `--against REV` compares with another commit",
        )
    return ""


def _choose(gates: "tuple[Gate, ...]", names: tuple[str, ...]) -> "list[Gate]":
    known = {one.name: one for one in gates}
    if not known:
        raise UsageError("there is no gate", hint="`swarm init` writes one into swarm.toml; commit it")
    for name in names:
        if name not in known:
            raise UsageError(f"no gate {name!r}", hint=f"known: {', '.join(known)}")
    return [known[name] for name in dict.fromkeys(names)] if names else list(gates)


def _row(one: "Gate") -> dict[str, object]:
    return {
        "name": one.name,
        "kind": one.kind.value,
        "command": list(one.command),
        "timeout_s": one.timeout_s,
        "env": dict(one.env),
        "required": one.required,
        "sample": one.sample,
    }


def _result(result: "GateResult") -> dict[str, object]:
    return {
        "passed": result.passed,
        "exit_code": result.exit_code,
        "duration_s": round(result.duration_s, 3),
        "timed_out": result.timed_out,
        "note": result.note,
        "output": result.output,
    }


def _listed(commit: str, gates: "tuple[Gate, ...]") -> str:
    if not gates:
        return f"none in swarm.toml at {commit[:12]}: only acceptance commands judge"
    rows = [
        [
            one.name,
            _judges(one),
            duration(one.timeout_s),
            what_it_does(one),
        ]
        for one in gates
    ]
    return table(["GATE", "JUDGES", "TIMEOUT", "WHAT"], rows, right=[2])


def _judges(one: "Gate") -> str:
    """What a red one means, and how many trains it sees."""
    share = "" if one.sample >= 1 else f", {one.sample:.0%} of trains"
    return ("required" if one.required else "advisory") + share


def _told(results: "list[GateResult]", *, log: str) -> str:
    """The end of what red ones printed, and where the rest is."""
    lines = []
    for result in results:
        if not result.passed:
            shown = [line for line in printable(result.output).splitlines() if line.strip()][-LAST_LINES:]
            lines += [click.style(str(result), bold=True), *(f"  | {line}" for line in shown)]
    green = sum(result.passed for result in results)
    hollow = [f"{result.name} {result.note.partition(':')[0]}" for result in results if result.note]
    told = "; ".join([f"{green} of {len(results)} green", *hollow, f"what they printed is in {log}"])
    return "\n".join([*lines, told])
