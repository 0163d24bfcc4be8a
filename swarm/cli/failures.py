"""How a command line ends: each error becomes two lines and an exit code, never a traceback."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from swarm.errors import PlanError, SwarmError, UsageError

EXIT_INTERRUPTED, EXIT_BROKEN_PIPE = 130, 141


class ReaderLeftError(Exception):
    """Whoever read our stdout has closed it."""


def end(command: Callable[[], object], arguments: Sequence[str]) -> int:
    """Run a command and return its exit code; whatever it raises is told to the user first."""
    as_json = "--json" in arguments
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A name that is no UTF-8 must not end a listing.
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _run(command, as_json)
        sys.stdout.flush()
    except (BrokenPipeError, ReaderLeftError):
        # The reader has left. Point stdout elsewhere, or the interpreter's own flush complains.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    return code


def _run(command: Callable[[], object], as_json: bool) -> int:
    try:
        result = command()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
    except (BrokenPipeError, ReaderLeftError):
        raise
    except (click.Abort, KeyboardInterrupt, EOFError):
        click.echo("interrupted", err=True)
        return EXIT_INTERRUPTED
    except click.ClickException as error:
        return tell(_as_usage_error(error), as_json)
    except SwarmError as error:
        return tell(error, as_json)
    except Exception as error:  # noqa: BLE001  # the one place where anything at all becomes two lines
        return tell(_as_internal_error(error), as_json)
    return result if isinstance(result, int) else 0


def tell(error: SwarmError, as_json: bool) -> int:
    """Print an error the way the caller asked for; return its exit code."""
    from swarm.cli.output import to_json
    from swarm.observe.wording import printable

    problems = error.problems if isinstance(error, PlanError) else ()
    if as_json:
        body: dict[str, object] = {
            "code": error.code,
            "message": error.message,
            "hint": error.help,
            "retryable": error.retryable,
        }
        if problems:
            body["problems"] = list(problems)
        click.echo(to_json({"error": body}))
        return error.exit_code
    head = click.style(f"error[{error.code}]", fg="red", bold=True)
    lines = [f"{head}: {printable(error.message)}"]
    lines += [f"  {printable(str(one))}" for one in problems if str(one) not in error.message]
    lines.append(f"{click.style('help', fg='cyan', bold=True)}: {printable(error.help)}")
    click.echo("\n".join(lines), err=True)
    return error.exit_code


def _as_usage_error(error: click.ClickException) -> UsageError:
    message = error.format_message().rstrip(".")
    context = error.ctx if isinstance(error, click.UsageError) else None
    path = context.command_path if context else "swarm"
    return UsageError(message[:1].lower() + message[1:], hint=f"`{path} --help` shows how to use it")


def _as_internal_error(error: Exception) -> SwarmError:
    where = _keep_traceback(error)
    said = str(error).strip().splitlines()
    reason = f"{type(error).__name__}: {said[0]}" if said else type(error).__name__
    hint = "please report it" + (f", with {where}" if where else "")
    return SwarmError(f"internal error: {reason}", hint=hint)


def _keep_traceback(error: Exception) -> Path | None:
    """Write the traceback where it can be found; None when no folder takes it."""
    import tempfile
    import time
    import traceback

    from swarm.checkout import find_main_worktree, find_root
    from swarm.settings import HOME_NAME

    name = f"crash-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{os.getpid()}.txt"
    text = "".join(traceback.format_exception(error))
    home = find_main_worktree(find_root(Path())) / HOME_NAME
    for folder in ([home / "crashes"] if home.is_dir() else []) + [Path(tempfile.gettempdir())]:
        try:
            folder.mkdir(exist_ok=True)
            path = folder / name
            with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
                file.write(text)
        except OSError:
            continue
        return path
    return None
