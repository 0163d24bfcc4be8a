"""What every command starts from: the folder, its settings, its queue, and the run that is meant."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from swarm.cli.complete import complete_run, complete_task
from swarm.errors import StoreUnreachableError, UnknownRunError, UnknownTaskError, UsageError

if TYPE_CHECKING:
    import os

    from swarm.archive.reads import ArchivedReads
    from swarm.archive.shelf import Shelf
    from swarm.engine.engine import Engine
    from swarm.engine.reads import Reads
    from swarm.settings import Settings

LATEST = "latest"
PATIENCE_S = 2.0
LONG_PATIENCE_S = 60.0


class Context(NamedTuple):
    """Where the command was started; settings are read when a command asks for them."""

    directory: Path = Path()

    def path(self, file: "str | os.PathLike[str]") -> Path:
        """A file named on the command line, which is relative to `directory`; `-` stays itself."""
        return Path(file) if str(file) == "-" else self.directory / file

    def settings(self, **flags: object) -> "Settings":
        """The settings in force here, with the command's own flags on top; None is not given."""
        from swarm.settings import load_settings

        return load_settings(self.directory, flags)

    def shelf(self) -> "Shelf":
        """The archived runs of this folder."""
        from swarm.archive.shelf import Shelf

        return Shelf(self.settings().runs)

    def engine(self, *, patience_s: float = PATIENCE_S) -> "Engine":
        """The queue that this folder's settings name; its connection ends with the command.

        A call is repeated for `patience_s` while the server does not answer: a person who asks wants
        to hear soon that it is away, a command that waits for hours outlives a restart.

        Raises:
            StoreUnreachableError: no server is configured, and none was ever started here.
        """
        settings = self.settings()
        url = server_url(settings)
        from swarm.engine.connect import engine_for

        is_gone = partial(_is_put_down, settings)
        engine = engine_for(settings, url, patience_s=patience_s, is_put_down=is_gone)
        click.get_current_context().call_on_close(engine.close)
        return engine

    def reads(self, *, patience_s: float = PATIENCE_S) -> "ArchivedReads":
        """As `engine`, for a command that only looks: it starts sooner, and also finds archived runs."""
        settings = self.settings()
        url = server_url(settings)
        from swarm.archive.reads import ArchivedReads
        from swarm.archive.shelf import Shelf
        from swarm.engine.connect import open_store
        from swarm.engine.patience import Patience, patient_pipeline
        from swarm.keys import Keys

        store = open_store(url)
        click.get_current_context().call_on_close(store.close)
        is_gone = partial(_is_put_down, settings)
        ask = patient_pipeline(store, Patience(patience_s, is_put_down=is_gone))
        return ArchivedReads(ask, Keys(settings.project), Shelf(settings.runs))


pass_context = click.make_pass_decorator(Context, ensure=True)
run_argument = click.argument("run", required=False, default=LATEST, shell_complete=complete_run)
hub_option = click.option(
    "--hub",
    metavar="URL",
    help="Git server that hosts share attempts and landings by: ssh://, https:// or a path.",
)
run_option = click.option(
    "--run",
    default=LATEST,
    metavar="RUN",
    help="Of which run; an id, the beginning of one, or `latest`.",
    shell_complete=complete_run,
)
task_argument = click.argument("task", shell_complete=complete_task)


class FilePath(click.Path):
    """A file as the command line names it: relative to the folder of -C, as for git; `-` stays itself."""

    def __init__(self, *, dir_okay: bool = True) -> None:
        super().__init__(dir_okay=dir_okay, path_type=Path)

    def convert(
        self, value: "str | os.PathLike[str]", param: click.Parameter | None, ctx: click.Context | None
    ) -> Path:
        """The path from where the command was started."""
        context = ctx.find_object(Context) if ctx else None
        path = value if context is None else context.path(value)
        return Path(str(super().convert(path, param, ctx)))


def server_url(settings: "Settings") -> str:
    """The configured Redis, else the embedded server of this repository, started again if it has data.

    One that a person has stopped is stopped again when the command ends.

    Raises:
        StoreUnreachableError: nothing is configured, and nothing was ever run here.
    """
    from swarm.fleet.server_file import has_data, is_stopped, running_url

    url = settings.redis_url or running_url(settings.home)
    if not settings.redis_url and has_data(settings.home) and (not url or is_stopped(settings.home)):
        from swarm.fleet.stopped import server_for_a_look

        url = click.get_current_context().with_resource(server_for_a_look(settings)).url
    if not url:
        raise StoreUnreachableError(
            f"no server is running for {settings.root}",
            hint="start one with `swarm run` or set REDIS_URL",
        )
    return url


def _is_put_down(settings: "Settings") -> bool:
    """A person has stopped the server, and it is not running for a look."""
    from swarm.fleet.server_file import running_url
    from swarm.fleet.stopped import is_put_down

    return is_put_down(settings) and running_url(settings.home) is None


def find_run(reads: "ArchivedReads", text: str) -> str:
    """As `resolve_run`, also among runs that Redis has forgotten; says on stderr when it is one of them."""
    live = reads.run_ids()
    if live and (text == LATEST or any(run.startswith(text) for run in live)):
        return _match(live, text)
    run = _match(reads.all_run_ids(), text)
    click.echo(f"run {run} is read from its archive, {reads.shelf.folder(run)}", err=True)
    return run


def resolve_run(reads: "Reads", text: str, shelf: "Shelf") -> str:
    """The run in Redis meant by an id, a unique beginning of one, or `latest`.

    Raises:
        UnknownRunError: none or several match; says so when it is one that is archived.
    """
    _refuse_nothing("run", text)
    runs = reads.run_ids()
    if not any(run.startswith(text) for run in runs) and (text != LATEST or not runs):
        _refuse_archived(shelf, text)
    return _match(runs, text)


def _refuse_archived(shelf: "Shelf", text: str) -> None:
    """Raise when the text names a run that only the archive has."""
    archived = shelf.run_ids()
    found = archived[-1:] if text == LATEST else [run for run in archived if run.startswith(text)]
    if len(found) != 1:
        return
    again, folder = shelf.begins_anew(found[0]), shelf.folder(found[0])
    raise UnknownRunError(
        f"run {found[0]} is archived: Redis has forgotten it",
        hint=f"`{again}` begins it anew; `swarm report {found[0]}` reads its archive, {folder}",
    )


def resolve_target(
    reads: "Reads", word: str, task: str | None, shelf: "Shelf", *, is_task: bool = False
) -> tuple[str, str]:
    """The run and the task that a command line means which may name a run, a task, or both.

    A word alone that begins no run is a task of the latest one; with `is_task`, any word alone is. The task
    is empty when none is named.

    Raises:
        UnknownRunError: none or several match.
        UnknownTaskError: the same.
        UsageError: one of them is named by nothing, as an unset variable does.
    """
    if task is not None:
        run = resolve_run(reads, word, shelf)
        return run, resolve_task(reads, run, task)
    runs = reads.run_ids()
    names_run = not runs or word == LATEST or any(run.startswith(word) for run in runs)
    if names_run and not is_task:
        return resolve_run(reads, word, shelf), ""
    run = resolve_run(reads, LATEST, shelf)
    try:
        return run, resolve_task(reads, run, word)
    except UnknownTaskError:
        if not is_task and not any(one.startswith(word) for one in reads.task_ids(run)):
            _refuse_archived(shelf, word)
        raise


def resolve_words(reads: "Reads", verb: str, words: tuple[str, ...], shelf: "Shelf") -> tuple[str, str]:
    """The run and the task of a command line `[RUN] TASK`; without the run it is the latest.

    Raises:
        UsageError: there are more words than these.
        UnknownRunError, UnknownTaskError: as `resolve_target`.
    """
    if len(words) > 2:  # noqa: PLR2004  # a run and a task
        raise UsageError(f"{verb}: {words[2]!r} is one word too many", hint=f"`swarm {verb} [RUN] TASK`")
    return resolve_target(reads, words[0], words[1] if words[1:] else None, shelf, is_task=True)


def _match(runs: list[str], text: str) -> str:
    _refuse_nothing("run", text)
    if not runs:
        raise UnknownRunError("there is no run yet", hint="start one with `swarm run FILE`")
    if text == LATEST:
        return runs[-1]
    if text in runs:
        return text
    matches = [run for run in runs if run.startswith(text)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        shown = ", ".join(repr(run) for run in matches[:5])
        raise UnknownRunError(f"{text!r} begins {len(matches)} runs: {shown}", hint="give more of the id")
    raise UnknownRunError(
        f"no run {text!r}",
        hint="`swarm runs` lists them",
    )


def _refuse_nothing(what: str, text: str) -> None:
    if not text:
        raise UsageError(f"the {what} that is named is empty", hint="is a variable of your script not set?")


def resolve_task(reads: "Reads", run: str, text: str) -> str:
    """The task meant by an id or a unique beginning of one.

    Raises:
        UnknownTaskError: none or several match; names what is near.
        UsageError: it is empty.
    """
    _refuse_nothing("task", text)
    if reads.known_ids(run, [text]):
        return text
    tasks = reads.task_ids(run)
    if text in tasks:
        return text
    matches = [task for task in tasks if task.startswith(text)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        shown = ", ".join(repr(task) for task in matches[:5])
        raise UnknownTaskError(f"{text!r} begins {len(matches)} tasks: {shown}", hint="give more of the id")
    from difflib import get_close_matches

    near = get_close_matches(text, tasks, n=3)
    hint = f"did you mean {', '.join(map(repr, near))}?" if near else f"`swarm tasks {run}` lists them"
    raise UnknownTaskError(f"run {run} has no task {text!r}", hint=hint)
