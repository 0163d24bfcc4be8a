"""What leaves Redis: runs that have ended, and events that an archive has."""

import pytest

from swarm.engine.engine import Engine
from swarm.engine.store import Store
from swarm.engine.words import text_of, words_of
from swarm.errors import (
    RunCancelledError,
    StaleTokenError,
    StoreReplyError,
    UnknownRunError,
    UnknownTaskError,
)
from swarm.states import RunState, TaskState
from swarm.testing.clock import SkewedClock
from swarm.testing.plans import BASE, make_plan, make_task
from swarm.testing.stages import WORKER, Stage


def about(store: Store, run: str) -> list[str]:
    """Every key whose name or content has to do with a run."""
    names = words_of(store.call("KEYS", "*"))
    named = [name for name in names if run in name]
    for name in set(names) - set(named):
        if text_of(store.call("TYPE", name)) == "zset":
            named += [name for one in words_of(store.call("ZRANGE", name, 0, -1)) if run in one]
    return named


def cancelled_run(engine: Engine, tasks: int) -> str:
    """A run of so many tasks that has ended; one of them with a list of dependents."""
    names = [f"t{number}" for number in range(tasks - 1)]
    plan = make_plan("root", *(make_task(name, after=["root"]) for name in names))
    run = engine.submit(plan, base=BASE, deadline_s=9_000)
    engine.cancel(run)
    return run


def test_a_forgotten_run_leaves_nothing_behind(engine: Engine, store: Store) -> None:
    """Its hash, its tasks, their dependents, its places in sets: all gone, page by page."""
    run = cancelled_run(engine, 350)
    assert about(store, run)

    assert engine.forget(run)

    assert about(store, run) == []
    assert engine.run_ids() == []


@pytest.mark.parametrize("state", sorted(set(TaskState) - {TaskState.FAILED, TaskState.CANCELLED}))
def test_a_run_that_has_not_ended_is_never_forgotten(
    engine: Engine, store: Store, clock: SkewedClock, state: TaskState
) -> None:
    """Whatever one of its tasks is doing: as long as one is alive, all stay."""
    stage = Stage(engine, store, clock, state)
    if stage.engine.run(stage.run).state.is_terminal:
        assert state is TaskState.UPSTREAM_FAILED
        return
    before = stage.states()

    assert not engine.forget(stage.run)

    assert stage.states() == before


def test_other_runs_are_as_they_were(engine: Engine, store: Store) -> None:
    """A task of the same name in another run, its locks and its place in the queue stay."""
    plan = make_plan(make_task("one", files=["a.py"]), make_task("two", after=["one"], files=["b.py"]))
    gone, stays = (engine.submit(plan, base=BASE, key=key) for key in "ab")
    engine.cancel(gone)
    before = {name: store.call("DUMP", name) for name in about(store, stays) if stays in name}

    assert engine.forget(gone)

    assert {name: store.call("DUMP", name) for name in before} == before
    claim = engine.claim(WORKER, "next")
    assert claim is not None
    assert (claim.run, claim.task.id) == (stays, "one")


def test_a_forgotten_plan_may_be_submitted_again(engine: Engine) -> None:
    """The id is free: the same plan on the same base begins anew."""
    plan = make_plan("first", make_task("last", after=["first"]))
    run = engine.submit(plan, base=BASE)
    engine.cancel(run)
    engine.forget(run)

    assert engine.submit(plan, base=BASE) == run

    assert engine.run(run).state is RunState.ACTIVE
    assert [task.state for task in engine.tasks(run)] == [TaskState.QUEUED, TaskState.PENDING]


def test_a_submission_in_the_middle_of_a_removal_waits_for_its_end(engine: Engine) -> None:
    """Whoever removes may die in between: the next to submit does the rest, then begins anew."""
    run = cancelled_run(engine, 350)
    engine._caller.call("forget", run, engine._caller.new_op())
    engine._caller.call("work", engine._caller.new_op())
    assert 0 < len(engine.task_ids(run)) < 350

    assert cancelled_run(engine, 350) == run

    assert len(engine.tasks(run)) == 350
    assert engine.run(run).counts[TaskState.CANCELLED] == 350


def test_what_is_being_removed_cannot_be_changed(engine: Engine, store: Store, clock: SkewedClock) -> None:
    """From the first step on every verb answers that there is no such run, or that the caller is stale."""
    stage = Stage(engine, store, clock, TaskState.FAILED)
    engine._caller.call("forget", stage.run, engine._caller.new_op())
    tasks = stage.states()

    for steer in (engine.retry, engine.cancel, engine.retry_failed):
        with pytest.raises(UnknownRunError):
            steer(stage.run)
    with pytest.raises(UnknownTaskError):
        engine.reconcile(stage.run, "task", attempt=1, merge_token=50, commit="landed")
    with pytest.raises((StaleTokenError, RunCancelledError)):
        engine.start(stage.claim)

    assert stage.states() == tasks
    engine.reclaim_expired()
    assert about(store, stage.run) == []


def test_a_forgotten_run_is_unknown(engine: Engine) -> None:
    """Asked twice, the second is told so."""
    run = engine.submit(make_plan("one"), base=BASE)
    engine.cancel(run)
    assert engine.forget(run)

    with pytest.raises(UnknownRunError):
        engine.forget(run)


def fill(engine: Engine, store: Store, entries: int) -> None:
    """So many events, of no run."""
    name = engine.keys.of("events")
    store.pipeline([["XADD", name, "*", "k", ""] for _ in range(entries)])


def test_only_what_is_archived_is_trimmed(engine: Engine, store: Store) -> None:
    """Not one event beyond the entry that the archive says it has."""
    fill(engine, store, 500)
    archived = engine.last_event_id()
    fill(engine, store, 700)
    later = [event.id for event in engine.events(after=archived)]

    assert engine.trim_events("mine", upto=archived, keep=0)

    assert len(engine.events(limit=10_000)) < 900
    assert [event.id for event in engine.events(after=archived)] == later


def test_the_newest_events_stay(engine: Engine, store: Store) -> None:
    """Whoever follows, or asks what just happened, finds them."""
    fill(engine, store, 1_500)
    newest = [event.id for event in engine.newest_events(1_000)]

    engine.trim_events("mine", upto=engine.last_event_id(), keep=1_000)

    left = [event.id for event in engine.events(limit=10_000)]
    assert left[-1_000:] == newest
    assert len(left) < 1_200


def test_one_archive_is_in_charge(engine: Engine, store: Store, clock: SkewedClock) -> None:
    """A second one is refused, until the first has not been heard of for an hour."""
    fill(engine, store, 1_500)
    assert engine.trim_events("mine", upto="0-0", keep=0)

    assert not engine.trim_events("theirs", upto=engine.last_event_id(), keep=0)
    assert len(engine.events(limit=10_000)) == 1_500
    clock.advance(ms=3_600_001)
    assert engine.trim_events("theirs", upto=engine.last_event_id(), keep=0)
    assert not engine.trim_events("mine", upto=engine.last_event_id(), keep=0)


def test_a_malformed_place_trims_nothing(engine: Engine, store: Store) -> None:
    """`$`, `+` and other words for all of a stream are no ids."""
    fill(engine, store, 300)

    with pytest.raises(StoreReplyError):
        engine.trim_events("mine", upto="+", keep=0)

    assert len(engine.events()) == 300
