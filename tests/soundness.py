"""What every test ends with: the checker, of each project on each server that the test was given."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from swarm.archive.shelf import Shelf
from swarm.engine.connect import open_store
from swarm.engine.engine import Engine
from swarm.engine.records import Event
from swarm.engine.store import Store
from swarm.engine.words import words_of
from swarm.keys import BEGINNING
from swarm.testing.checker import check_everything

UNSOUND = "unsound"
"""The mark of a test that breaks by hand what the checker looks at; its argument says what."""


@contextmanager
def ending_soundly(request: pytest.FixtureRequest, url: str) -> Iterator[None]:
    """Fail the test with every violation after the block; with a merge queue git is looked at, too."""
    folder = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    if request.node.get_closest_marker(UNSOUND):
        return
    homes = homes_below(folder) if folder else []
    is_merged = "board" in request.fixturenames and len(homes) == 1  # hosts that share a hub have one each
    with closing(open_store(url)) as store:
        found = [
            violation
            for project in projects_on(store)
            for violation in _violations(store, project, homes, is_merged=is_merged)
        ]
    assert not found, "\n".join(found)


def homes_below(folder: Path) -> list[Path]:
    """What holds a hub, or archives."""
    found = [*folder.glob("*/*/repo.git"), *folder.glob("*/runs"), *folder.glob("*/*/runs")]
    return sorted({path.parent for path in found})


def projects_on(store: Store) -> list[str]:
    """The projects of which there is a run."""
    names = words_of(store.call("KEYS", f"{BEGINNING}*:runs"))
    return [name.removeprefix(BEGINNING).removesuffix("}:runs") for name in names]


def _violations(store: Store, project: str, homes: list[Path], *, is_merged: bool) -> list[str]:
    with closing(Engine(store, project)) as engine:
        archived = _archived(homes[0], engine) if homes else []
        home = homes[0] if is_merged else None
        return check_everything(engine, store, home=home, archived=archived, within_s=10)


def _archived(home: Path, engine: Engine) -> list[Event]:
    """The events that the stream has no more."""
    shelf = Shelf(home / "runs")
    first = next(iter(engine.events(after="0-0")), None)
    events = [event for run in _folders(home / "runs") for event in shelf.events(run)]
    before = [event for event in events if first is None or _place(event)[:2] < _place(first)[:2]]
    return sorted(before, key=_place)


def _folders(runs: Path) -> Iterator[str]:
    return (path.name for path in runs.glob("*") if path.is_dir())


def _place(event: Event) -> tuple[int, ...]:
    return tuple(map(int, event.id.replace(".", "-").split("-")))
