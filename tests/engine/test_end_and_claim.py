"""Ending an attempt and claiming the next task in one call: two steps, each atomic."""

import pytest

from swarm.engine.claims import Claim, Ending, Fail, Failure, Finish, HandIn, Release, WorkerProfile
from swarm.engine.engine import Engine
from swarm.engine.store import Store
from swarm.errors import StaleTokenError, StoreReplyError, UnknownTaskError
from swarm.states import FailureKind, TaskState
from swarm.testing.checker import assert_sound, check_everything
from swarm.testing.dumps import content, damage, dump, every_key, restore
from swarm.testing.engines import make_engine
from swarm.testing.faults import LossyStore
from swarm.testing.plans import BASE, make_plan, make_task

WORKER = WorkerProfile("worker-a")
ENDINGS: dict[str, tuple[Ending, TaskState]] = {
    "finish": (Finish(), TaskState.DONE),
    "hand_in": (HandIn("c1"), TaskState.MERGING),
    "fail": (Fail(Failure(FailureKind.TASK_ERROR, "no")), TaskState.QUEUED),
    "release": (Release("drain"), TaskState.QUEUED),
}


def begun(engine: Engine, *, files: list[str] | None = None) -> tuple[str, Claim]:
    """A run whose task `a` is running and whose task `b` can be claimed; `c` waits for `a`."""
    plan = make_plan(
        make_task("a", files=files or []), make_task("b", files=files or []), make_task("c", after=["a"])
    )
    run = engine.submit(plan, base=BASE)
    claim = engine.claim(WORKER, "first")
    assert claim is not None
    engine.start(claim)
    return run, claim


@pytest.mark.parametrize("name", sorted(ENDINGS))
@pytest.mark.parametrize("files", [[], ["a.py"]])
def test_the_next_task_comes_with_the_end_of_the_last(engine: Engine, name: str, files: list[str]) -> None:
    """Whatever the ending, and even when the next task was blocked by the last one's lock."""
    ending, state = ENDINGS[name]
    run, claim = begun(engine, files=files)

    following = engine.end_and_claim(claim, ending, WORKER, "second")

    # A handed-in attempt keeps its locks; a released task is as urgent as it was.
    blocked = name == "hand_in" and bool(files)
    if blocked:
        assert following is None
    else:
        assert following is not None
        assert following.task.id == ("a" if name == "release" else "b")
        assert following.token > claim.token
    assert engine.task(run, "a").state is (TaskState.ACKED if name == "release" else state)


@pytest.mark.parametrize("name", sorted(ENDINGS))
def test_a_lost_reply_ends_once_and_claims_once(store: Store, name: str) -> None:
    """The repetition gets the same claim, and nothing else is held."""
    lossy = LossyStore(store)
    engine = make_engine(lossy)
    run, claim = begun(engine)

    lossy.lose_replies(1)
    following = engine.end_and_claim(claim, ENDINGS[name][0], WORKER, "second")

    assert lossy.lost == 1
    assert following is not None
    held = [task for task in engine.tasks(run) if task.state is TaskState.ACKED]
    assert [(task.spec.id, task.token) for task in held] == [(following.task.id, following.token)]
    assert check_everything(engine, store) == []


def test_a_late_repetition_claims_nothing(engine: Engine, store: Store) -> None:
    """A call that arrives a second time after its worker has gone on holds no task for nobody."""
    run, claim = begun(engine)
    caller, op = engine._caller, engine._caller.new_op()
    name, profile = f"{run}/a", (WORKER.worker_id, "w-1", 30_000, ",command,messages,", "*")
    other = make_engine(store)
    other.cancel(run, "b")
    other.cancel(run, "c")
    first = caller.call("finish", name, claim.token, op, "0 0 0 0", *profile)
    then = engine.claim(WORKER, "w-2")
    later = other.submit(make_plan("later"), base=BASE)

    late = caller.call("finish", name, claim.token, op, "0 0 0 0", *profile)
    late_claim = caller.call("claim", *profile)

    assert first[0] == late[0] == b"OK"
    assert then is None
    assert late[1:] == late_claim == [b"EMPTY"]
    assert engine.task(later, "later").state is TaskState.QUEUED


@pytest.mark.parametrize("name", sorted(ENDINGS))
def test_a_stale_caller_claims_nothing(engine: Engine, name: str) -> None:
    """Who has lost its task is told so first; it has to ask again."""
    run, claim = begun(engine)
    engine.reclaim_worker(WORKER.worker_id)

    with pytest.raises(StaleTokenError):
        engine.end_and_claim(claim, ENDINGS[name][0], WORKER, "second")

    assert {task.spec.id: task.state for task in engine.tasks(run)} == {
        "a": TaskState.QUEUED,
        "b": TaskState.QUEUED,
        "c": TaskState.PENDING,
    }


@pytest.mark.parametrize("name", sorted(ENDINGS))
def test_each_half_is_done_wholly_or_not_at_all(engine: Engine, store: Store, name: str) -> None:
    """For every key there is, of another type or gone: what errs changes nothing, or only the end."""
    _run, claim = begun(engine)
    sane = dump(store)
    errors = 0

    for key in every_key(sane, engine):
        for kind in ("wrong type", "missing"):
            restore(store, sane)
            damage(store, key, kind, sane)
            before = content(store)
            try:
                engine.end_and_claim(claim, ENDINGS[name][0], WORKER, f"{key}-{kind}")
            except StoreReplyError:
                errors += 1
                # The end may be done, and the claim alone have failed.
                after = content(store)
                assert after == before or _is_ended(engine, after, claim), (key, kind)
            except (StaleTokenError, UnknownTaskError):
                assert content(store) == before, (key, kind)

    restore(store, sane)
    assert errors > 0


def test_a_claim_that_errs_takes_nothing_from_the_end(engine: Engine, store: Store) -> None:
    """The task is done, its dependent queued, the counts right; the claim alone is told as none."""
    run, claim = begun(engine)
    queue = engine.keys.of("queue", "general")
    store.call("HSET", engine.keys.of("task", f"{run}/b"), "score", "damaged")
    store.call("DEL", queue)
    store.call("SADD", queue, "damaged")
    sane = Failure(FailureKind.TASK_ERROR, "no", retryable=False)

    following = engine.end_and_claim(claim, Fail(sane), WORKER, "second")

    store.call("DEL", queue)
    store.call("ZADD", queue, 1, f"{run}/b")
    assert following is None
    assert engine.task(run, "a").state is TaskState.FAILED
    assert check_everything(engine, store) == []


def test_an_end_that_cannot_be_told_changes_nothing(engine: Engine, store: Store) -> None:
    """The stream is proved before the first write, though the end is told with the claim, after them."""
    _run, claim = begun(engine)
    name, sane = engine.keys.of("events"), dump(store)
    damage(store, name, "wrong type", sane)
    before = content(store)

    with pytest.raises(StoreReplyError):
        engine.end_and_claim(claim, Finish(), WORKER, "second")

    assert content(store) == before
    restore(store, sane)
    assert_sound(engine, store)


def test_an_end_is_told_once_though_the_claim_after_it_errs(engine: Engine, store: Store) -> None:
    """The short way tells both by one command; without a claim the end is told by itself."""
    run = engine.submit(make_plan("a", "b"), base=BASE)
    claim = engine.claim(WORKER, "first")
    assert claim is not None
    queue = engine.keys.of("queue", "general")
    store.call("RENAME", queue, "aside")
    store.call("SADD", queue, "damaged")

    following = engine.end_and_claim(claim, Finish(), WORKER, "second")

    store.call("RENAME", "aside", queue)
    assert following is None
    assert [event.task for event in engine.events() if event.kind == "task_done"] == [claim.task.id]
    assert engine.task(run, claim.task.id).state is TaskState.DONE
    assert check_everything(engine, store) == []


def _is_ended(engine: Engine, content_after: dict[str, object], claim: Claim) -> bool:
    """The first half was done: the task is no longer held, and its lease is gone."""
    stored = content_after[engine.keys.of("task", f"{claim.run}/{claim.task.id}")]
    assert isinstance(stored, list)
    leases = content_after.get(engine.keys.of("leases")) or []
    assert isinstance(leases, list)
    return dict(stored)["state"] in {"done", "merging", "queued"} and leases == []
