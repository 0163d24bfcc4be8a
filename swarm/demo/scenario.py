"""The demo's parts: a small real repository, what is wanted of it, and the model that does it."""

from collections.abc import Callable, Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from swarm.demo.script import demo_rules
from swarm.testing.repository import make_repository
from swarm.testing.script import ModelRequest, ScriptedReply, first_match


def demo_repository(folder: Path) -> Path:
    """Make the repository of `tally` in a new or empty folder; most tests fail until the work is done."""
    top = files("swarm.demo").joinpath("repository")
    contents = {name: file.read_text(encoding="utf-8") for name, file in _files_below(top, "")}
    return make_repository(folder, contents, message="Agree on the data model and the tests").path


def demo_requirements() -> str:
    """What a person wants of `tally`."""
    return files("swarm.demo").joinpath("requirements.md").read_text(encoding="utf-8")


def demo_script() -> Callable[[ModelRequest], ScriptedReply]:
    """The script of the demo's model, for `ScriptedModel`."""
    return first_match(demo_rules())


def _files_below(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_file() and not entry.name.endswith(".pyc"):
            yield prefix + entry.name, entry
        elif entry.is_dir() and entry.name != "__pycache__":
            yield from _files_below(entry, f"{prefix}{entry.name}/")
