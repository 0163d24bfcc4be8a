"""`config show`, `completion`, `explain`: swarm about itself."""

import re
from dataclasses import fields
from urllib.parse import urlsplit

import click

from swarm.cli.context import Context, pass_context
from swarm.cli.error_guide import ErrorEntry, explain_error
from swarm.cli.output import emit, json_option, table
from swarm.engine.addresses import without_secret
from swarm.repo.hub.address import masked
from swarm.settings import SECRET, Settings

SHELLS = ("bash", "zsh", "fish")


@click.group()
def config() -> None:
    """Show the settings in force and where each came from."""


@config.command("show")
@json_option
@pass_context
def show_config(context: Context, as_json: bool) -> None:
    """List every setting: its value, where it came from, what it is for.

    Secrets are shown as set or not set.
    """
    rows = _rows(context.settings())
    emit(
        [dict(zip(("name", "value", "source", "help"), row, strict=True)) for row in rows],
        as_json,
        lambda: table(("SETTING", "VALUE", "FROM", "FOR"), [[str(cell) for cell in row] for row in rows]),
    )


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@json_option
@click.pass_context
def completion(ctx: click.Context, shell: str, as_json: bool) -> None:
    """Print the completion script for a shell.

    Add `eval "$(swarm completion bash)"` to ~/.bashrc, the same with zsh to ~/.zshrc, or save the
    output of `swarm completion fish` as ~/.config/fish/completions/swarm.fish.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise click.BadParameter(f"click has no completion for {shell!r}")
    script = kind(ctx.find_root().command, {}, "swarm", "_SWARM_COMPLETE").source()
    emit({"shell": shell, "script": script}, as_json, lambda: script)


@click.command()
@click.argument("code", required=False, default="all")
@json_option
def explain(code: str, as_json: bool) -> None:
    """Say what an error code means and what to do.

    CODE is as printed, such as SW011; without one, or with `all`, they are listed.
    """
    if code.lower() == "all":
        entries = explain_error("")
        emit(entries, as_json, lambda: _listed(entries))
        return
    entry = explain_error(code)[0]
    emit(
        entry,
        as_json,
        lambda: _explained(entry),
    )


def _rows(settings: Settings) -> list[tuple[str, object, str, str]]:
    return [
        (
            field.name,
            _shown(field.name, getattr(settings, field.name)),
            settings.sources.get(field.name, "default"),
            str(field.metadata.get("help", "")),
        )
        for field in fields(settings)
        if field.name != "sources"
    ]


def _shown(name: str, value: object) -> object:
    if name in SECRET:
        return "set" if value else "not set"
    if name == "hub":
        return masked(str(value))
    if name.endswith("_url"):
        return without_password(str(value))
    return value if isinstance(value, bool | int | float) else str(value)


def without_password(url: str) -> str:
    """The URL with `***` where its passwords were."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return without_secret(url)
    if not parts.password and "@" in parts.path + parts.query + parts.fragment:
        return without_secret(url)  # a password that was not escaped may end anywhere
    shown = url.replace(f":{parts.password}@", ":***@", 1) if parts.password else url
    return re.sub(r"(password=)[^&]*", r"\1***", shown)


def _explained(entry: ErrorEntry) -> str:
    again = "worth trying again" if entry.retryable else "the same call fails again"
    head = click.style(f"{entry.code}  {entry.name}", bold=True)
    return f"{head}\n{entry.meaning}\n\n{entry.next_step}\nExit code {entry.exit_code}; {again}."


def _listed(entries: tuple[ErrorEntry, ...]) -> str:
    rows = [(entry.code, str(entry.exit_code), entry.meaning) for entry in entries]
    return table(("CODE", "EXIT", "MEANING"), rows, right=(1,))
