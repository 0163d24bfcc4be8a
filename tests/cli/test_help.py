"""`swarm --help`: the table of verbs and the commands themselves say the same."""

import subprocess
import sys

import click
import pytest

from swarm.cli.app import VERBS, Verb

PANELS = ["start", "plan", "run", "see", "agents", "operate", "integrate"]


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_the_help_line_in_the_table_is_the_commands_own(verb: Verb) -> None:
    """`swarm --help` imports no command, so it must not drift from what each says of itself."""
    command = verb.load()

    own_first_line = (command.help or "").strip().splitlines()[0]

    assert own_first_line == verb.help


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_command_takes_json(verb: Verb) -> None:
    """A program never has to read what was written for people."""
    command = verb.load()
    leaves = list(command.commands.values()) if isinstance(command, click.Group) else [command]

    without = [leaf.name for leaf in leaves if not any("--json" in param.opts for param in leaf.params)]

    assert without == []


def test_the_panels_come_in_the_documented_order() -> None:
    """The help reads from the first minutes to the daily work."""
    shown = list(dict.fromkeys(verb.panel for verb in VERBS))

    assert shown == [panel for panel in PANELS if panel in shown]


def test_swarm_alone_prints_the_help() -> None:
    """Somebody who types only the name learns what there is."""
    alone = subprocess.run([sys.executable, "-m", "swarm"], capture_output=True, text=True, check=False)

    assert alone.returncode == 0
    assert alone.stdout.startswith("Usage: swarm")
    assert all(f"\n  {verb.name} " in alone.stdout for verb in VERBS)
