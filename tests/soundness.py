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
    """Fail the test with every violation after the block; a home below its folder is looked at, too."""
    folder = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    if request.node.get_closest_marker(UNSOUND):
        return
    with closing(open_store(url)) as store:
        found = [violation for name in projects_on(store) for violation in _violations(store, name, folder)]
    assert not found, "\n".join(found)


def projects_on(store: Store) -> list[str]:
    """The projects of which there is a run."""
    names = words_of(store.call("KEYS", f"{BEGINNING}*:runs"))
    return [name.removeprefix(BEGINNING).removesuffix("}:runs") for name in names]


def _violations(store: Store, project: str, folder: Path | None) -> list[str]:
    with closing(Engine(store, project)) as engine:
        home = _home_below(folder, engine.run_ids()) if folder else None
        archived = _archived(home, engine) if home else []
        return check_everything(engine, store, home=home, archived=archived, within_s=10)


def _home_below(folder: Path, runs: list[str]) -> Path | None:
    """The home of these runs: what knows their branches, or has a folder of one."""
    homes = [path.parent for path in (*folder.glob("*/repo.git"), *folder.glob("*/*/repo.git"))]
    homes += [path.parent for path in (*folder.glob("*/runs"), *folder.glob("*/*/runs"))]
    return next(iter(homes), None) if runs else None


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
