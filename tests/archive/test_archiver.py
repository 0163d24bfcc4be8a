"""The archive: whole after a stop at any step, and the only way out of Redis."""

from dataclasses import replace
from pathlib import Path

import pytest
from archived_runs import Fresh, ended_run
from half_stored import store_half
from structlog.testing import capture_logs

from swarm.archive.archiver import LEAST_KEPT_MS, PAGE, Archiver
from swarm.archive.files import mend
from swarm.archive.shelf import EVENTS, Shelf
from swarm.crashpoints import CrashPointError, arm, disarm
from swarm.engine.claims import Finish
from swarm.engine.engine import Engine
from swarm.engine.records import Event
from swarm.engine.store import Store
from swarm.engine.words import text_of
from swarm.errors import UnknownRunError
from swarm.settings import Settings
from swarm.states import TaskState
from swarm.testing.clock import SkewedClock
from swarm.testing.plans import BASE, make_plan
from swarm.testing.stages import WORKER

DAY_MS = 86_400_000


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


def test_an_entry_that_was_written_in_part_is_completed(
    engine: Engine, archiver: Fresh, settings: Settings, shelf: Shelf
) -> None:
    """An end and the claim after it are one entry: a stop between the two loses and doubles none."""
    run = engine.submit(make_plan("one", "two"), base=BASE)
    claim = engine.claim(WORKER, "1")
    assert claim is not None
    engine.end_and_claim(claim, Finish(), WORKER, "2")
    arm("archive.after_events:1:raise")
    with pytest.raises(CrashPointError):
        archiver().step()
    disarm()
    log = settings.runs / run / EVENTS
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(lines[:-1]) + lines[-1][:20])

    archiver().step()

    assert [event.kind for event in shelf.events(run)][-2:] == ["task_done", "task_claimed"]
    assert list(shelf.events(run)) == events_of(engine, run)


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


def test_a_half_stored_run_that_was_cancelled_is_archived(
    engine: Engine, archiver: Fresh, shelf: Shelf
) -> None:
    """Its first tasks depend on some that never came."""
    run = store_half(engine)
    engine.cancel(run)
    specs = [task.spec for task in engine.tasks(run)]

    assert archiver().step()

    assert [task.spec for task in shelf.tasks(run)] == specs


def test_a_run_that_cannot_be_archived_keeps_no_other_from_it(
    engine: Engine, store: Store, archiver: Fresh, clock: SkewedClock, shelf: Shelf
) -> None:
    """It stays in Redis and is said once; the other is archived, and leaves Redis when it is old."""
    clock.advance(ms=-7 * DAY_MS - 1)
    broken, whole = sorted(ended_run(engine, key) for key in ("", "again"))
    clock.advance(ms=7 * DAY_MS + 1)
    task = engine.keys.of("task", f"{broken}/eins")
    spec = text_of(store.call("HGET", task, "spec"))
    store.call("HSET", task, "spec", "{")
    keeper = archiver()

    with capture_logs() as said:
        steps = [keeper.step(), keeper.finish(broken), keeper.step()]

    assert steps == [True, False, True]
    assert [line["run"] for line in said if line["log_level"] == "error"] == [broken]
    assert shelf.has(whole)
    assert not shelf.has(broken)
    assert engine.run_ids() == [broken]
    store.call("HSET", task, "spec", spec)  # the checker reads it, too


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
    store.pipeline([["XADD", name, "*", "k", "run=elsewhere"] for _ in range(sent)])

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
