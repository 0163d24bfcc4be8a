"""The archive: whole after a stop at any step, and the only way out of Redis."""

import fcntl
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from swarm.archive.archiver import LEAST_KEPT_MS, PAGE, Archiver
from swarm.archive.files import mend
from swarm.archive.shelf import EVENTS, Shelf
from swarm.crashpoints import CrashPointError, arm, disarm
from swarm.engine.claims import Failure
from swarm.engine.engine import Engine
from swarm.engine.records import Event
from swarm.engine.store import Store
from swarm.engine.words import text_of
from swarm.errors import UnknownRunError
from swarm.settings import Settings
from swarm.states import FailureKind, TaskState
from swarm.testing.clock import SkewedClock
from swarm.testing.engines import make_engine
from swarm.testing.plans import BASE, make_plan, make_task
from swarm.testing.stages import WORKER

DAY_MS = 86_400_000
Fresh = Callable[[], Archiver]


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    disarm()


def ended_run(engine: Engine, key: str = "") -> str:
    """A run whose first task failed, after a name that is no UTF-8."""
    plan = make_plan(make_task("eins", files=["a.py"]), make_task("zwei", after=["eins"]), "drei")
    run = engine.submit(plan, base=BASE, key=key)
    claim = engine.claim(WORKER, f"claim-{run}")
    assert claim is not None
    engine.fail(claim, Failure(FailureKind.TASK_ERROR, "grün \udcff", retryable=False, evidence="a\nb"))
    other = engine.claim(WORKER, f"claim2-{run}")
    assert other is not None
    engine.start(other)
    engine.finish(other)
    assert engine.run(run).state.is_terminal
    return run


def events_of(engine: Engine, run: str) -> list[Event]:
    """A run's events, from Redis."""
    return [event for event in engine.events(limit=100_000) if event.run == run]


def test_an_archived_run_is_what_redis_held(engine: Engine, archiver: Fresh, shelf: Shelf) -> None:
    """Record, tasks and events come back as they were."""
    run = ended_run(engine)
    events, tasks, record = events_of(engine, run), engine.tasks(run), engine.run(run)

    assert archiver().step()

    assert list(shelf.events(run)) == events
    assert shelf.tasks(run) == tasks
    assert shelf.run(run) == record._replace(is_archived=True)
    assert {"report.json", "report.md", "report.xml"} <= {path.name for path in shelf.folder(run).iterdir()}


def test_events_of_a_run_that_goes_on_are_archived_as_they_come(
    engine: Engine, archiver: Fresh, shelf: Shelf
) -> None:
    """The log grows with the run; `run.json` comes with its end."""
    run = engine.submit(make_plan("one"), base=BASE)
    keeper = archiver()
    keeper.step()
    assert [event.kind for event in shelf.events(run)][-1] == "run_activated"
    assert not shelf.has(run)

    engine.cancel(run)
    keeper.step()

    assert list(shelf.events(run)) == events_of(engine, run)
    assert shelf.has(run)


@pytest.mark.parametrize("point", ["archive.after_events", "archive.after_run"])
def test_a_crash_in_a_step_loses_and_doubles_nothing(
    engine: Engine, archiver: Fresh, shelf: Shelf, point: str
) -> None:
    """Wherever a process dies, the next ends with the same files."""
    run = ended_run(engine)
    events = events_of(engine, run)
    arm(f"{point}:1:raise")
    with pytest.raises(CrashPointError):
        archiver().step()

    assert archiver().step()

    assert list(shelf.events(run)) == events
    assert shelf.has(run)


def test_a_line_torn_by_a_stop_is_written_again(
    engine: Engine, archiver: Fresh, shelf: Shelf, settings: Settings
) -> None:
    """Cut anywhere, the log is mended and goes on with the event that was torn."""
    run = ended_run(engine)
    arm("archive.after_events:1:raise")
    with pytest.raises(CrashPointError):
        archiver().step()
    log = shelf.folder(run) / EVENTS
    whole = log.read_bytes()

    note = next(settings.home.glob("archive/*.json"))
    begun = note.read_text()
    for cut in (0, 1, len(whole) // 2, len(whole) - 1, whole.rindex(b"\n", 0, -1) + 1):
        log.write_bytes(whole[:cut])
        note.write_text(begun)
        arm("archive.after_events:1:raise")
        with pytest.raises(CrashPointError):
            archiver().step()
        assert log.read_bytes() == whole


def test_a_torn_tail_longer_than_a_block_is_found(tmp_path: Path) -> None:
    """The last whole line is found however long it, and what is torn, may be."""
    path = tmp_path / "log"
    path.write_bytes(b"first\n" + b"x" * 200_000 + b"\n" + b"y" * 150_000)

    assert mend(path) == "x" * 200_000

    assert path.read_bytes() == b"first\n" + b"x" * 200_000 + b"\n"


def test_two_processes_of_a_home_do_not_double_events(engine: Engine, archiver: Fresh, shelf: Shelf) -> None:
    """Each takes up where the other left off."""
    one, two = archiver(), archiver()
    runs = []
    for key in "abcd":
        runs.append(ended_run(engine, key))
        one.step()
        runs.append(ended_run(engine, key * 2))
        two.step()

    assert all(list(shelf.events(run)) == events_of(engine, run) for run in runs)


def test_events_leave_redis_once_they_are_archived(
    engine: Engine, store: Store, archiver: Fresh, shelf: Shelf
) -> None:
    """The stream stays short, and the files hold what it held."""
    name = engine.keys.of("events")
    run = engine.submit(make_plan("one"), base=BASE)
    sent = 3 * PAGE
    store.pipeline([["XADD", name, "*", "kind", "k", "run", "elsewhere", "task", ""] for _ in range(sent)])

    archiver().step()

    assert len(list(shelf.events("elsewhere"))) == sent
    assert len(engine.events(limit=100_000)) < 1_200
    engine.cancel(run)
    store.call("DEL", name)  # what is left cannot be replayed: the log is elsewhere
    engine.forget(run)


def test_nothing_leaves_redis_before_its_archive_is_whole(
    engine: Engine, archiver: Fresh, clock: SkewedClock, settings: Settings
) -> None:
    """Kept long enough, and yet kept: the archive of it is of an earlier end."""
    clock.advance(ms=-8 * DAY_MS)
    run = ended_run(engine)
    clock.advance(ms=8 * DAY_MS)
    settings.runs.mkdir(parents=True)
    (settings.runs / run).write_text("no folder can be made here")

    with pytest.raises(OSError, match=run):
        archiver().step()

    assert engine.run_ids() == [run]
    assert engine.events()[0].kind == "run_submitted"


def test_an_old_run_leaves_redis_and_stays_in_its_archive(
    engine: Engine, archiver: Fresh, shelf: Shelf, clock: SkewedClock
) -> None:
    """After the days that are set; one that goes on stays however old it is."""
    clock.advance(ms=-7 * DAY_MS - 1)
    lives = engine.submit(make_plan("lives"), base=BASE)
    engine.pause(lives)
    old = ended_run(engine)
    clock.advance(ms=7 * DAY_MS + 1)
    young, tasks = ended_run(engine, "young"), engine.tasks(old)

    archiver().step()

    assert sorted(engine.run_ids()) == sorted([lives, young])
    assert shelf.tasks(old) == tasks
    with pytest.raises(UnknownRunError):
        engine.run(old)


def test_only_so_many_ended_runs_are_kept(engine: Engine, settings: Settings, clock: SkewedClock) -> None:
    """The newest stay; and each for as long as somebody may be waiting for its end."""
    runs = []
    for age_ms in (3 * LEAST_KEPT_MS, 2 * LEAST_KEPT_MS, 1_000, 500):
        clock.advance(ms=-age_ms)
        runs.append(ended_run(engine, str(age_ms)))
        clock.advance(ms=age_ms)

    Archiver(engine, replace(settings, keep_runs=3)).step()
    assert engine.run_ids() == runs[1:]
    Archiver(engine, replace(settings, keep_runs=0)).step()

    assert engine.run_ids() == runs[2:]


def test_a_run_that_is_tried_again_is_archived_again(engine: Engine, archiver: Fresh, shelf: Shelf) -> None:
    """The archive holds how it ended last."""
    run = ended_run(engine)
    keeper = archiver()
    keeper.step()
    engine.retry(run)
    keeper.step()
    engine.cancel(run)

    keeper.step()

    assert {task.state for task in shelf.tasks(run)} == {TaskState.DONE, TaskState.CANCELLED}
    assert list(shelf.events(run)) == events_of(engine, run)


def commands_of(store: Store) -> int:
    """How many commands the server has done."""
    info = text_of(store.call("INFO", "stats"))
    return int(re.findall(r"total_commands_processed:(\d+)", info)[0])


def refill(store: Store, name: str, events: list[tuple[str, str]]) -> None:
    """A stream that began anew, with these (id, kind) of the run `same`."""
    store.call("FLUSHALL")
    store.pipeline([["XADD", name, id_, "kind", kind, "run", "same", "task", ""] for id_, kind in events])


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
    store.call("XADD", name, "1000-0", "kind", "last", "run", "same", "task", "")
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
    store.call("XADD", engine.keys.of("events"), "5-1", "kind", "k", "run", "later", "task", "")

    Archiver(make_engine(store), settings).step()

    assert [event.id for event in Shelf(settings.runs).events("later")] == ["5-1"]
