"""`pause`, `resume`, `limit`: how much is given out."""

import shlex
from collections.abc import Callable

import click

from swarm.cli.complete import complete_run
from swarm.cli.context import LATEST, Context, pass_context, resolve_run
from swarm.cli.control import has_ended, say_if_nobody_works
from swarm.cli.output import emit, json_option, pairs, say
from swarm.errors import UsageError
from swarm.limits import MOST
from swarm.plan.naming import check_name


def scope(command: Callable[..., None]) -> Callable[..., None]:
    """What `pause` and `resume` are about: a run, a type, or everything."""
    for add in (
        pass_context,
        json_option,
        click.option("--all", "everything", is_flag=True, help="Every task of the project."),
        click.option("--type", "kind", help="Tasks of this type, of every run."),
        click.argument("run", required=False, shell_complete=complete_run),
    ):
        command = add(command)
    return command


@click.command()
@scope
def pause(context: Context, run: str | None, kind: str | None, everything: bool, as_json: bool) -> None:
    """Give out no more tasks; what is held goes on.

    RUN is an id, the beginning of one, or `latest` (the default).
    """
    kind = _checked(run, kind, everything)
    engine = context.engine()
    if kind:
        engine.pause_type(kind)
        emit({"type": kind, "paused": True}, as_json, lambda: f"{_named(kind)} paused: {_undo(kind)} goes on")
        if kind != "*" and all(kind != one.type.partition("+")[0] for one in engine.queues()):
            say(f"no task of type {kind!r} was ever submitted here; the pause holds for those to come")
        return
    run = resolve_run(engine, LATEST if run is None else run, context.shelf())
    engine.pause(run)
    emit(
        {"run": run, "paused": True},
        as_json,
        lambda: f"run {run} paused: `swarm resume {run}` goes on with it",
    )
    if engine.run(run).state.is_terminal:
        say(f"run {run} has ended; the pause holds for what a retry brings back")


@click.command()
@scope
def resume(context: Context, run: str | None, kind: str | None, everything: bool, as_json: bool) -> None:
    """Give out tasks again after a pause.

    RUN is an id, the beginning of one, or `latest` (the default). A run whose workers are gone is gone on
    with by `swarm run --resume RUN`. Each pause is taken back by itself:
    that of a run by its RUN, that of a type by --type, that of everything by --all.
    """
    kind = _checked(run, kind, everything, is_lifted=True)
    engine = context.engine()
    if kind:
        engine.resume_type(kind)
        emit({"type": kind, "paused": False}, as_json, lambda: f"{_named(kind)} given out again")
    else:
        run = resolve_run(engine, LATEST if run is None else run, context.shelf())
        was_paused = engine.run(run).is_paused
        engine.resume(run)
        state = engine.run(run).state
        resumed = (
            f"{has_ended(run, state)}; it is paused no more" if state.is_terminal else f"run {run} goes on"
        )
        emit(
            {"run": run, "paused": False},
            as_json,
            lambda: resumed if was_paused else f"run {run} was not paused",
        )
        if not state.is_terminal:
            say_if_nobody_works(engine, run)
    for other in engine.controls().paused:
        say(f"{_named(other)} is still paused: {_undo(other)} goes on")


@click.command(context_settings={"ignore_unknown_options": True})  # a negative N is an N
@click.argument("kind", metavar="[TYPE]", required=False)
@click.argument("most", metavar="[N]", required=False)
@json_option
@pass_context
def limit(context: Context, kind: str | None, most: str | None, as_json: bool) -> None:
    """Bound how many tasks of a type workers hold at once.

    TYPE '*' bounds all types together (in quotes, for the shell); N `none` lifts the limit. Without N the
    limit of TYPE is shown, without arguments all in force. A table [limits] in swarm.toml sets them with
    each run that is submitted from there.
    """
    engine = context.engine()
    if kind is None:
        limits = engine.controls().limits
        emit(limits, as_json, lambda: pairs(limits) if limits else "no limit is set")
        return
    # What an older version let pass can be looked at, and lifted.
    if kind != "*" and (most not in {None, "none"} or kind not in engine.controls().limits):
        check_name(kind, hint="such as `swarm limit docs 4`; '*' is all")
    if most is None:
        own = engine.controls().limits.get(kind)
        emit({"type": kind, "most": own}, as_json, lambda: f"{_named(kind)}: {_bound(own)}")
        return
    number = _number(kind, most)
    held = engine.limit(kind, number)
    emit(
        {"type": kind, "most": number, "held": held},
        as_json,
        lambda: f"{_named(kind)}: {_bound(number)}; {held} held now",
    )


def _checked(run: str | None, kind: str | None, everything: bool, *, is_lifted: bool = False) -> str:
    """The type that is meant, `*` for all, or empty when it is about a run.

    To be lifted it may be what no task can have: older versions let that be paused.
    """
    if sum((run is not None, kind is not None, everything)) > 1:
        raise UsageError("a run, --type or --all: only one of them", hint="such as `swarm pause --type docs`")
    if kind is not None and not (kind and is_lifted):
        check_name(kind, option="--type: ", hint="such as `swarm pause --type docs`; --all is everything")
    return "*" if everything else kind or ""


def _bound(most: int | None) -> str:
    return "no limit" if most is None else f"at most {most} at once"


def _number(kind: str, text: str) -> int | None:
    if text == "none":
        return None
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(MOST))
    if not is_number or not 1 <= int(text) <= MOST:
        raise UsageError(
            f"limit: N must be a whole number from 1 up to {MOST:,}, or `none`, got {text!r}",
            hint=f"`swarm limit {shlex.quote(kind)} 4`; `swarm pause --type` gives out nothing at all",
        )
    return int(text)


def _undo(kind: str) -> str:
    return "`swarm resume --all`" if kind == "*" else f"`swarm resume --type {shlex.quote(kind)}`"


def _named(kind: str) -> str:
    return "everything" if kind == "*" else f"type {kind!r}"
