"""`plan`, `validate`, `show`, `schema`: everything about a plan before and while it runs."""

import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import click

from swarm.cli.context import LATEST, Context, FilePath, find_run, pass_context
from swarm.cli.output import emit, json_option, say, table, to_json
from swarm.cli.waiting import waiting
from swarm.errors import UsageError
from swarm.observe.wording import duration, one_line, plural, price

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from swarm.plan.lint import Finding
    from swarm.plan.model import Plan, TaskSpec
    from swarm.planning.planner import PlannedResult
    from swarm.settings import Settings
    from swarm.states import TaskState

FORMATS = ("tree", "mermaid", "dot", "json")
MOST_ROWS = 60
MOST_INDENTED = 1000
MOST_DOUBTS = 8
MOST_ALIKE = 20


@click.command()
@click.argument("file", type=FilePath())
@click.option("-o", "--output", type=FilePath(dir_okay=False), help="Write the plan here.")
@json_option
@pass_context
def plan(context: Context, file: Path, output: Path | None, as_json: bool) -> None:
    """Turn a requirements file into a plan, with the model.

    FILE is text in any form; `-` is stdin. Without -o the plan goes to stdout, what a person reads
    about it to stderr.
    """
    settings = context.settings()
    from swarm.plan.document import dump_plan

    result = _ask(settings, read_text(file), source=str(file), quiet=as_json)
    document = dump_plan(result.plan)
    if output is not None:
        _write(output, document)
    if as_json:
        made = {"output": output, "repairs": result.repairs, "cost_usd": result.usage.cost_microusd / 1e6}
        made["priced"] = result.usage.is_priced
        click.echo(to_json({**plan_data(result.plan), **made}))
        return
    say(summarise_plan(result.plan))
    if output is None:
        click.echo(document.rstrip("\n"))
        return
    cost = price(result.usage.cost_microusd, is_priced=result.usage.is_priced)
    say(f"\nwrote {output}, cost: {cost}; next: `swarm run {output}`")


@click.command()
@click.argument("file", metavar="PLAN", type=FilePath())
@json_option
def validate(file: Path, as_json: bool) -> None:
    """Check a plan and list everything that is wrong with it.

    PLAN is a file, `-` is stdin. Exit code 2 when it cannot be run; warnings alone do not fail it, and of
    one kind the first 20 are shown.
    """
    from swarm.plan.document import parse_plan
    from swarm.plan.lint import lint, refuse

    click.get_current_context().with_resource(waiting(f"checking {file}"))
    checked = parse_plan(read_text(file), source=str(file))
    findings = lint(checked)
    refuse(findings, source=str(file))
    data = {
        "ok": True,
        "tasks": len(checked.tasks),
        "dependencies": _edges(checked),
        "findings": findings,
    }
    head = f"{file}: {plural(len(checked.tasks), 'task')}, {plural(len(findings), 'warning')}"
    emit(data, as_json, lambda: "\n".join([head, *(f"  {line}" for line in _some_of_each_kind(findings))]))


@click.command()
@click.argument("what", metavar="[PLAN|RUN]", required=False, default=LATEST)
@click.option("--format", "form", type=click.Choice(FORMATS), default="tree", show_default=True, help="How.")
@json_option
@pass_context
def show(context: Context, what: str, form: str, as_json: bool) -> None:
    """Draw a plan, or a run as it stands.

    PLAN is a file, `-` is stdin; RUN is an id, the beginning of one, or `latest` (the default).
    """
    shown, states = _plan_or_run(context, what)
    from swarm.observe.drawing import draw_dot, draw_mermaid, draw_tree

    if as_json or form == "json":
        # The indenting encoder is the slow one.
        indent = 2 if len(shown.tasks) <= MOST_INDENTED else None
        click.echo(to_json(plan_data(shown, states), indent=indent))
        return
    draw = {"tree": draw_tree, "mermaid": draw_mermaid, "dot": draw_dot}[form]
    click.echo(draw(shown, states))


@click.command()
@click.argument("what", type=click.Choice(["plan"]), default="plan")
@json_option
def schema(what: str, as_json: bool) -> None:
    """Print the JSON Schema of the plan file."""
    del what, as_json
    from swarm.plan.schema import plan_schema

    click.echo(to_json(plan_schema()))


def plan_text(settings: "Settings", text: str, *, source: str, quiet: bool) -> "Plan":
    """Ask the model for a plan of these requirements; says on stderr that it does unless `quiet`.

    Raises:
        AuthenticationError: no credential is set.
        PlanError: the model's answer is no plan, after its repairs; names where it is kept.
    """
    return _ask(settings, text, source=source, quiet=quiet).plan


def summarise_plan(plan: "Plan") -> str:
    """What a person wants to know before saying yes: size, critical path, each task, and what is doubtful."""
    from swarm.plan.graph import critical_path, waves
    from swarm.plan.lint import lint

    path, path_s = critical_path(plan)
    levels = waves(plan)
    work_s = sum(task.expected_s for task in plan.tasks)
    size = (
        plural(len(plan.tasks), "task"),
        plural(_edges(plan), "dependency", "dependencies"),
        plural(len(levels), "wave"),
        f"at most {max(map(len, levels))} at once",
    )
    path_shown = one_line(" → ".join(path), 60)
    head = [
        one_line(plan.goal, 100),
        ", ".join(size),
        f"estimate {duration(path_s)} on the critical path, of {duration(work_s)} of work: {path_shown}",
    ]
    rows = [
        _summary_row(level, plan.by_id[name]) for level, names in enumerate(levels, start=1) for name in names
    ]
    listed = table(("WAVE", "TASK", "TYPE", "ESTIMATE", "AFTER", "WRITES"), rows[:MOST_ROWS], right=(0, 3))
    more = [f"and {len(rows) - MOST_ROWS} more tasks"] if len(rows) > MOST_ROWS else []
    doubts = [f"{one.level}: {one_line(str(one))}" for one in lint(plan)]
    if len(doubts) > MOST_DOUBTS:
        doubts[MOST_DOUBTS:] = [f"and {len(doubts) - MOST_DOUBTS} more; `swarm validate` says more"]
    return "\n".join([*filter(None, head), "", listed, *more, *([""] if doubts else []), *doubts])


def plan_data(plan: "Plan", states: "Mapping[str, TaskState] | None" = None) -> dict[str, object]:
    """A plan and what its graph says, as JSON; with `states`, each task's state."""
    from swarm.plan.graph import critical_path, waves

    path, path_s = critical_path(plan)
    return {
        "version": plan.version,
        "goal": plan.goal,
        "tasks": [{**shallow(task), **({"state": states[task.id]} if states else {})} for task in plan.tasks],
        "waves": waves(plan),
        "critical_path": list(path),
        "critical_path_s": path_s,
        "work_s": sum(task.expected_s for task in plan.tasks),
    }


def _ask(settings: "Settings", text: str, *, source: str, quiet: bool) -> "PlannedResult":
    from swarm.planning import requirements

    return requirements.plan_text(settings, text, source=source, tell=_say_nothing if quiet else say)


def _say_nothing(_: str) -> None:
    """Of a command that prints JSON alone."""


def _some_of_each_kind(findings: "Sequence[Finding]") -> "Iterator[str]":
    """The first of those that end in the same advice, and how many more there are of them."""
    kinds: dict[str, list[Finding]] = {}
    for one in findings:
        kinds.setdefault(one.hint, []).append(one)
    for alike in kinds.values():
        yield from (one_line(str(one)) for one in alike[:MOST_ALIKE])
        if len(alike) > MOST_ALIKE:
            yield f"… and {len(alike) - MOST_ALIKE:,} more like it: --json has all"


def _write(output: Path, document: str) -> None:
    try:
        output.write_text(document, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{output}: cannot be written: {error}", hint="name another file with -o") from error


def shallow(task: "TaskSpec") -> dict[str, object]:
    """A task's fields by name; `asdict` would copy each value, and there may be 10,000 tasks."""
    return {field.name: getattr(task, field.name) for field in fields(task)}


def read_text(file: Path) -> str:
    """The file's text, or stdin's for `-`.

    Raises:
        UsageError: it cannot be read, or is no UTF-8.
    """
    try:
        if str(file) == "-":
            return sys.stdin.read()
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: cannot be read: {error}", hint="give a file of UTF-8 text") from error


def _plan_or_run(context: Context, what: str) -> "tuple[Plan, dict[str, TaskState] | None]":
    from swarm.engine.spliced import as_happened
    from swarm.plan.model import Plan

    path = context.path(what)
    if what == "-" or what.endswith(".json") or path.is_file():
        from swarm.plan.document import parse_plan

        return parse_plan(read_text(path), source=str(path)), None
    reads = context.reads()
    run = find_run(reads, what)
    tasks = reads.tasks(run)
    stored = Plan(tuple(as_happened(tasks)), goal=reads.run(run).goal)
    return stored, {task.spec.id: task.state for task in tasks}


def _summary_row(wave: int, task: "TaskSpec") -> tuple[str, ...]:
    return (
        str(wave),
        one_line(task.id, 32),
        one_line(task.type, 14),
        duration(task.expected_s),
        one_line(", ".join(task.dependencies), 30) or "-",
        one_line(", ".join(task.files), 40) or "nothing",
    )


def _edges(plan: "Plan") -> int:
    return sum(len(task.dependencies) for task in plan.tasks)
