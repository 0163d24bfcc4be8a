"""How every test ends: the checker looks at the servers that it used, and at the homes in its folder."""

import re
from collections.abc import Iterable
from pathlib import Path

from swarm.engine.connect import open_store
from swarm.engine.engine import Engine
from swarm.engine.store import Store
from swarm.engine.words import words_of
from swarm.errors import StoreUnreachableError
from swarm.keys import BEGINNING
from swarm.testing.checker import check_everything

CANARY = "canary-5c1d8e-never-to-be-seen"
"""A credential in the environment of every test."""

_PROJECT = re.compile(re.escape(BEGINNING) + r"(.*?)}:")
_HOMES = ("repo.git", "*/repo.git", "*/*/repo.git", "*/*/*/repo.git")
_SHARED = ("shared.git", "*/shared.git")


def violations(urls: Iterable[str], folder: Path | None) -> list[str]:
    """Everything that does not hold of any project on these servers, and of the homes in the test's folder.

    A server that the test has ended is passed over.
    """
    found: list[str] = []
    homes = homes_in(folder) if folder else []
    # What hosts share is the truth, and the hub of each but what it has seen of it.
    shared = sorted({hub for pattern in _SHARED for hub in folder.glob(pattern)}) if folder else []
    hubs = shared + [home / "repo.git" for home in homes]
    for url in urls:
        store = open_store(url)
        try:
            for project in projects_of(store):
                found += _of_project(store, project, homes, hubs)
        except StoreUnreachableError:
            continue
        finally:
            store.close()
    return found


def homes_in(folder: Path) -> list[Path]:
    """The folders of swarm's state: those with a hub in them."""
    return sorted({hub.parent for pattern in _HOMES for hub in folder.glob(pattern)})


def projects_of(store: Store) -> list[str]:
    """Whose keys there are."""
    keys = words_of(store.call("KEYS", f"{BEGINNING}*"))
    return sorted({found[1] for key in keys if (found := _PROJECT.match(key))})


def _of_project(store: Store, project: str, homes: list[Path], hubs: list[Path]) -> list[str]:
    engine = Engine(store, project)
    if not homes:
        return check_everything(engine, store, canary=CANARY)
    return [
        violation
        for home in homes
        for violation in check_everything(engine, store, home=home, hubs=hubs, canary=CANARY, within_s=5)
    ]
