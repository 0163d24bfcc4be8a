"""The `swarm` command: which verbs there are, where each lives, and how every one of them ends.

`swarm --help` and `swarm status` must start at once, so this table holds the one-line helps and a
command's module is imported only when that command is invoked.
"""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import click

from swarm import __version__
from swarm.cli.context import Context
from swarm.cli.failures import ReaderLeftError, end


class Verb(NamedTuple):
    """One command: its panel, its name, `module:attribute`, and the first line of its help."""

    panel: str
    name: str
    target: str
    help: str

    def load(self) -> click.Command:
        """Import the command."""
        module, _, attribute = self.target.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{self.target} is not a command")
        return command


VERBS: tuple[Verb, ...] = (
    Verb(
        "start", "init", "swarm.cli.start:init", "Write a swarm.toml with a gate that fits this repository."
    ),
    Verb(
        "start",
        "doctor",
        "swarm.cli.start:doctor",
        "Check what swarm needs here, and say what to do about what is missing.",
    ),
    Verb(
        "start",
        "demo",
        "swarm.cli.start:demo",
        "Run the whole way on an example: no key, no Docker, no Redis needed.",
    ),
    Verb("plan", "plan", "swarm.cli.plan:plan", "Turn a requirements file into a plan, with the model."),
    Verb(
        "plan",
        "validate",
        "swarm.cli.plan:validate",
        "Check a plan and list everything that is wrong with it.",
    ),
    Verb("plan", "show", "swarm.cli.plan:show", "Draw a plan, or a run as it stands."),
    Verb(
        "plan",
        "simulate",
        "swarm.cli.simulate:simulate",
        "Say how long a plan would take, by the real scheduler in virtual time.",
    ),
    Verb("run", "run", "swarm.cli.run:run", "Run a plan (or requirements) on this machine, and report."),
    Verb(
        "run",
        "submit",
        "swarm.cli.run:submit",
        "Queue a plan and print the run's id; workers elsewhere do it.",
    ),
    Verb("run", "watch", "swarm.cli.watch:watch", "Follow a run live until it ends."),
    Verb("run", "wait", "swarm.cli.control:wait", "Block until a run ends, and exit by how it ended."),
    Verb("run", "cancel", "swarm.cli.control:cancel", "Stop a run, or one task and what depends on it."),
    Verb("run", "retry", "swarm.cli.control:retry", "Queue failed and cancelled tasks again."),
    Verb("run", "pause", "swarm.cli.pausing:pause", "Give out no more tasks; what is held goes on."),
    Verb("run", "resume", "swarm.cli.pausing:resume", "Give out tasks again after a pause."),
    Verb("run", "approve", "swarm.cli.approve:approve", "Let an attempt land that changes what is guarded."),
    Verb("run", "reject", "swarm.cli.approve:reject", "Send such an attempt back, and say why."),
    Verb(
        "run", "skip", "swarm.cli.control:skip", "Go on without a task: what depends on it counts it as done."
    ),
    Verb("see", "status", "swarm.cli.see:status", "Show where a run stands."),
    Verb("see", "runs", "swarm.cli.see:runs", "List the runs of this project, oldest first."),
    Verb("see", "tasks", "swarm.cli.see:tasks", "List a run's tasks."),
    Verb("see", "agents", "swarm.cli.see:agents", "List workers and supervisors, and what each is doing."),
    Verb("see", "queue", "swarm.cli.queues:queue", "Show how deep each queue is."),
    Verb("see", "locks", "swarm.cli.queues:locks", "List held locks, who holds them and who waits."),
    Verb("see", "logs", "swarm.cli.logs:logs", "Print what a task's attempt wrote."),
    Verb("see", "events", "swarm.cli.logs:events", "Print what happened, one JSON object a line."),
    Verb("see", "why", "swarm.cli.why:why", "Say why a task is where it is, link by link."),
    Verb("see", "diff", "swarm.cli.diff:diff", "Print what a task changed."),
    Verb("see", "cost", "swarm.cli.cost:cost", "Show what a run has spent on models."),
    Verb(
        "operate",
        "worker",
        "swarm.cli.operate:worker",
        "Run one worker in the foreground until it is told to stop.",
    ),
    Verb(
        "operate",
        "supervisor",
        "swarm.cli.operate:supervisor",
        "Run one supervisor in the foreground: reclaim, merge, publish.",
    ),
    Verb(
        "operate",
        "limit",
        "swarm.cli.pausing:limit",
        "Bound how many tasks of a type workers hold at once.",
    ),
    Verb(
        "operate", "down", "swarm.cli.operate:down", "Stop this repository's embedded server; its data stays."
    ),
    Verb("operate", "gate", "swarm.cli.gate:gate", "List the gates that judge attempts, or run them."),
    Verb("operate", "bench", "swarm.cli.bench:bench", "Measure swarm on this machine."),
    Verb(
        "integrate",
        "land",
        "swarm.cli.land:land",
        "Bring what a run has landed into a branch of yours: fast-forwarded, else merged.",
    ),
    Verb(
        "integrate",
        "pr",
        "swarm.cli.pr:pr",
        "Write title and body of a pull request for what a run has landed.",
    ),
    Verb("integrate", "report", "swarm.cli.report:report", "Report on a run: how it went, and what it took."),
    Verb(
        "integrate",
        "config",
        "swarm.cli.config:config",
        "Show the settings in force and where each came from.",
    ),
    Verb("integrate", "schema", "swarm.cli.plan:schema", "Print the JSON Schema of the plan file."),
    Verb(
        "integrate", "completion", "swarm.cli.config:completion", "Print the completion script for a shell."
    ),
    Verb("integrate", "explain", "swarm.cli.config:explain", "Say what an error code means and what to do."),
)
"""Every verb, in the order of the help; a test holds each line equal to its command's own."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are invoked, not when they are listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs in the order of the table."""
        del ctx
        return [verb.name for verb in VERBS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command, or None for an unknown name."""
        del ctx
        return next((verb.load() for verb in VERBS if verb.name == cmd_name), None)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or name the ones whose names are near."""
        name = args[0]
        if not name.startswith("-") and name not in self.list_commands(ctx) and not ctx.resilient_parsing:
            from difflib import get_close_matches

            near = get_close_matches(name, self.list_commands(ctx), n=3)
            did_you_mean = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
            ctx.fail(f"no such command {name!r}{did_you_mean}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; click would end with 1 when the reader of a pipe has left."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise ReaderLeftError from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one panel after another from the table alone."""
        del ctx
        column = max(len(verb.name) for verb in VERBS)
        for panel in dict.fromkeys(verb.panel for verb in VERBS):
            with formatter.section(panel):
                formatter.write_dl([(v.name.ljust(column), v.help) for v in VERBS if v.panel == panel])


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="stdout is data, stderr is progress. Every command takes --json."
    " `swarm explain CODE` explains an error.",
)
@click.option(
    "-C",
    "--directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="The repository's folder, and where relative FILEs are; default is where you are.",
)
@click.version_option(__version__, prog_name="swarm", message="%(prog)s %(version)s")
@click.pass_context
def swarm(ctx: click.Context, directory: Path) -> None:
    """Turn a requirements file into a merged, tested branch, with many coding agents at once."""
    ctx.obj = Context(directory)
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
        return
    from swarm.settings import is_colour_refused

    if is_colour_refused():
        ctx.color = False


def run_cli(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; nothing escapes but the code."""
    return end(lambda: swarm.main(list(arguments), prog_name="swarm", standalone_mode=False), arguments)
