"""`approve` and `reject`: what a person says of an attempt that changes gates, CI files or the like."""

import getpass
import socket
from typing import TYPE_CHECKING

import click

from swarm.cli.complete import complete_task
from swarm.cli.context import Context, pass_context, resolve_words
from swarm.cli.control import say_if_nobody_works
from swarm.cli.output import emit, json_option
from swarm.errors import RefusedError
from swarm.states import FailureKind, TaskState

if TYPE_CHECKING:
    from swarm.engine.engine import Engine
    from swarm.repo.hub.hub import Hub
    from swarm.repo.hub.reading import AttemptRef


SHORTEST = 7
"""Letters of a commit that name it; fewer may be a number."""

attempt_option = click.option(
    "--attempt", metavar="N|COMMIT", help="Only this attempt: refused where another waits by now."
)


@click.command()
@click.argument("words", metavar="[RUN] TASK", nargs=-1, required=True, shell_complete=complete_task)
@click.option("--message", "-m", default="", help="Why, for whoever reads it later.")
@attempt_option
@json_option
@pass_context
def approve(
    context: Context, words: tuple[str, ...], message: str, attempt: str | None, as_json: bool
) -> None:
    """Let an attempt land that changes what is guarded.

    That is gates, CI files, lockfiles and agents' settings; `swarm diff TASK` shows what it changes. RUN is
    an id, the beginning of one, or `latest` (the default). The word holds for this attempt alone, which is
    then judged as any other; its agent is not run again.
    """
    engine = context.engine()
    run, task = resolve_words(engine, "approve", words, context.shelf())
    from swarm.repo.hub.opening import open_hub_for
    from swarm.repo.merging.approvals import approve as give_word

    record = engine.run(run)
    hub = open_hub_for(context.settings(), record)
    number, waiting = _waiting(engine, hub, run, task, attempt)
    by = f"{getpass.getuser()}@{socket.gethostname()}"
    give_word(hub, run, task, commit=waiting.commit, by=by, message=message)
    engine.retry(run, task)
    data = {"run": run, "task": task, "attempt": number, "commit": waiting.commit, "by": by}
    emit(data, as_json, lambda: f"attempt {number} of {task} may land: {waiting.commit[:12]}")
    say_if_nobody_works(engine, run)


@click.command()
@click.argument("words", metavar="[RUN] TASK", nargs=-1, required=True, shell_complete=complete_task)
@click.option("--message", "-m", required=True, help="What the next attempt is to do otherwise.")
@attempt_option
@json_option
@pass_context
def reject(
    context: Context, words: tuple[str, ...], message: str, attempt: str | None, as_json: bool
) -> None:
    """Send such an attempt back, and say why.

    Its task is tried again, and told. RUN is an id, the beginning of one, or `latest` (the default).
    `swarm skip TASK` goes on without the task.
    """
    engine = context.engine()
    run, task = resolve_words(engine, "reject", words, context.shelf())
    from swarm.repo.hub.opening import open_hub_for

    record = engine.run(run)
    hub = open_hub_for(context.settings(), record)
    number, waiting = _waiting(engine, hub, run, task, attempt)
    hub.reject_attempts(run, task, upto=waiting.attempt)
    engine.retry(run, task, evidence=f"a person has rejected the last attempt: {message}")
    data = {"run": run, "task": task, "attempt": number, "message": message}
    emit(data, as_json, lambda: f"attempt {number} of {task} is rejected; it will be tried again")
    say_if_nobody_works(engine, run)


def _waiting(
    engine: "Engine", hub: "Hub", run: str, task: str, wanted: str | None
) -> tuple[int, "AttemptRef"]:
    """The attempt that waits for a person's word, and its number as the task has it.

    Work that was put back, and claimed again, is kept under the number that it was done with.

    Raises:
        RefusedError: none does, or not the one that is wanted, by its number or the beginning of its commit.
    """
    record = engine.task(run, task)
    found = hub.find_attempt(run, task)
    if record.state is not TaskState.FAILED or record.failure_kind != FailureKind.APPROVAL:
        raise RefusedError(
            f"{task} waits for no approval: it is {record.state}",
            hint=f"`swarm why {task} --run {run}` says more",
        )
    if found is None:
        raise RefusedError(
            f"the attempt of {task} is not in this repository's hub",
            hint="say it where the run's supervisor is",
        )
    names_it = wanted is None or wanted == str(record.attempt)
    if not names_it and not (len(wanted or "") >= SHORTEST and found.commit.startswith(wanted or "")):
        raise RefusedError(
            f"it is attempt {record.attempt} of {task} that waits, at {found.commit[:12]}, and not {wanted}",
            hint=f"`swarm diff {task} --run {run}` shows what it changes; name it if that may land",
        )
    return record.attempt, found
