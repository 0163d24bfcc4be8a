"""Streams that begin anew or come back older, and homes that take turns."""

import fcntl
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from archived_runs import Fresh, ended_run

from swarm.archive.archiver import Archiver
from swarm.archive.shelf import Shelf
from swarm.crashpoints import CrashPointError, arm
from swarm.engine.engine import Engine
from swarm.engine.store import Store
from swarm.engine.words import text_of
from swarm.settings import Settings
from swarm.testing.engines import make_engine


def commands_of(store: Store) -> int:
    """How many commands the server has done."""
    info = text_of(store.call("INFO", "stats"))
    return int(re.findall(r"total_commands_processed:(\d+)", info)[0])


def refill(store: Store, name: str, events: list[tuple[str, str]]) -> None:
    """A stream that began anew, with these (id, kind) of the run `same`."""
    store.call("FLUSHALL")
    store.pipeline([["XADD", name, id_, kind, "run=same"] for id_, kind in events])


@pytest.mark.parametrize("point", ["", "archive.after_events", "in charge"])
@pytest.mark.parametrize(
    "later",
    [
        [("40-0", "new"), ("60-0", "new")],  # the clock is behind
        [("40-0", "new"), ("200-0", "new"), ("900-0", "new")],  # and has passed the old place since
        [("100-0", "old"), ("150-0", "new"), ("160-0", "new")],  # restored from an older copy
        [("100-0", "new"), ("200-0", "new")],  # the very same ids
    ],
)
def test_of_a_stream_that_began_anew_nothing_is_lost_or_doubled(
    store: Store, engine: Engine, settings: Settings, later: list[tuple[str, str]], point: str
) -> None:
    """Although the files of its runs end with ids of the stream before it."""
    name, shelf = engine.keys.of("events"), Shelf(settings.runs)
    before = [("100-0", "old"), ("200-0", "old"), ("300-0", "old")]
    refill(store, name, before)
    Archiver(make_engine(store), settings).step()
    refill(store, name, later)
    if point == "in charge":
        note = json.loads(next(settings.home.glob("archive/*.json")).read_text())
        engine.trim_events(note["archive"], upto="0-0")
    elif point:
        arm(f"{point}:1:raise")
        with pytest.raises(CrashPointError):
            Archiver(make_engine(store), settings).step()

    Archiver(make_engine(store), settings).step()
    store.call("XADD", name, "1000-0", "last", "run=same")
    Archiver(make_engine(store), settings).step()

    found = [(event.id, event.kind) for event in shelf.events("same")]
    assert found == [*before, *(event for event in later if event not in before), ("1000-0", "last")]


def test_an_older_stream_that_comes_back_is_not_archived_again(
    store: Store, engine: Engine, settings: Settings
) -> None:
    """Of two servers the one that was away serves again."""
    name, shelf = engine.keys.of("events"), Shelf(settings.runs)
    streams = [
        [("100-0", "a"), ("200-0", "a")],
        [("40-0", "b")],
        [("100-0", "a"), ("200-0", "a"), ("210-0", "a")],
    ]
    for stream in streams:
        refill(store, name, stream)
        Archiver(make_engine(store), settings).step()

    found = [(event.id, event.kind) for event in shelf.events("same")]
    assert found == [("100-0", "a"), ("200-0", "a"), ("40-0", "b"), ("210-0", "a")]


def test_a_second_home_archives_nothing_while_the_first_is_in_charge(
    engine: Engine, archiver: Fresh, settings: Settings, tmp_path: Path
) -> None:
    """Two halves of a log would be none; the first one's silence of an hour hands it over."""
    archiver().step()
    ended_run(engine)
    other = replace(settings, home=tmp_path / "other")

    assert Archiver(engine, other).step()

    assert not other.runs.exists()


def test_finish_archives_a_run_that_has_ended(engine: Engine, archiver: Fresh, shelf: Shelf) -> None:
    """What `swarm run` does at its end."""
    run = ended_run(engine)

    assert archiver().finish(run)

    assert shelf.has(run)


def test_finish_waits_for_another_process_without_keeping_redis_busy(
    store: Store, engine: Engine, archiver: Fresh, settings: Settings
) -> None:
    """It looks now and then, however many runs there are, and gives up in time."""
    run = ended_run(engine)
    for number in range(20):
        ended_run(engine, str(number))
    lock = settings.home / "archive" / f"{settings.project}.lock"
    lock.parent.mkdir(parents=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        before = commands_of(store)

        is_archived = archiver().finish(run, patience_s=0.5)

        sent = commands_of(store) - before
    assert not is_archived
    assert sent <= 25


def test_a_stream_that_began_anew_is_archived_from_its_beginning(
    store: Store, engine: Engine, archiver: Fresh, settings: Settings
) -> None:
    """After a FLUSHALL whose clock is behind, nothing is waited for that will not come."""
    ended_run(engine)
    keeper = archiver()
    keeper.step()
    store.call("FLUSHALL")
    store.call("XADD", engine.keys.of("events"), "5-1", "k", "run=later")

    Archiver(make_engine(store), settings).step()

    assert [event.id for event in Shelf(settings.runs).events("later")] == ["5-1"]
