"""A timeout means unknown: the call is sent again with the same op id, and takes effect once."""

from dataclasses import replace

import pytest

from swarm.engine.claims import Claim, Requeued, WorkerProfile
from swarm.engine.engine import Engine
from swarm.engine.store import Store
from swarm.errors import StaleTokenError, StorePutDownError, StoreUnreachableError
from swarm.states import TaskState
from swarm.testing.clock import SkewedClock
from swarm.testing.engines import make_engine
from swarm.testing.faults import LossyStore
from swarm.testing.plans import BASE, make_plan, make_task
from swarm.testing.stages import CALLS, STATES, Stage


def outcome(stage: Stage, verb: str) -> tuple[object, dict[str, str], list[tuple[str, str]]]:
    """What the caller got, the states afterwards and everything that was told."""
    answer: object
    try:
        answer = CALLS[verb](stage)
        if isinstance(answer, Claim):
            # Time has passed since the first answer, so less of the lease is left.
            answer = replace(answer, lease_ms=0)
    except StaleTokenError as error:
        answer = type(error)
    told = [(event.kind, event.task) for event in stage.engine.events(limit=500)]
    return answer, stage.states(), told


@pytest.mark.parametrize("verb", sorted(set(CALLS) - {"work"}))
def test_a_lost_reply_changes_neither_answer_nor_effect(
    engine: Engine, store: Store, clock: SkewedClock, verb: str
) -> None:
    """Every script, with its first reply lost: the same answer, the same states, the same events."""
    state = STATES.get(verb, TaskState.RUNNING)
    expected = outcome(Stage(engine, store, clock, state), verb)
    store.call("FLUSHDB")
    lossy = LossyStore(store)
    stage = Stage(make_engine(lossy), store, clock, state)

    lossy.lose_replies(1)
    actual = outcome(stage, verb)

    assert lossy.lost == 1
    assert actual == expected


def test_a_repeated_op_is_answered_even_when_the_task_has_moved_on(
    engine: Engine, worker: WorkerProfile
) -> None:
    """The first answer is given again, although a second worker holds the task by now."""
    run = engine.submit(make_plan(make_task("build")), base=BASE)
    lost = engine.claim(worker, "claim-1")
    assert lost is not None
    op = engine._caller.new_op()
    first = engine._caller.call("release", f"{run}/build", lost.token, op, "0 0 0 0", "drain")
    current = engine.claim(WorkerProfile("worker-b"), "claim-2")

    again = engine._caller.call("release", f"{run}/build", lost.token, op, "0 0 0 0", "drain")

    assert again == first == [b"OK"]
    assert current is not None
    assert engine.task(run, "build").token == current.token


def test_a_claim_is_answered_again_only_while_it_holds(engine: Engine, worker: WorkerProfile) -> None:
    """The same claim id after a release is a new claim with a new token."""
    engine.submit(make_plan("build"), base=BASE)
    first = engine.claim(worker, "claim-1")
    assert first is not None

    again = engine.claim(worker, "claim-1")
    engine.release(first, reason="drain")
    later = engine.claim(worker, "claim-1")

    assert again is not None
    assert again.token == first.token
    assert later is not None
    assert later.token > first.token


def test_a_tick_over_a_deadline_survives_a_lost_reply(store: Store) -> None:
    """What has no worker keeps its empty word in the answer that is given again."""
    plan = make_plan(*(replace(make_task(name), deadline_s=0) for name in "ab"))
    lossy = LossyStore(store)
    engine = make_engine(lossy)
    run = engine.submit(plan, base=BASE)

    lossy.lose_replies(1)
    found = engine.reclaim_expired()

    assert lossy.lost == 1
    assert found == [Requeued(run, name, "", TaskState.FAILED) for name in "ab"]


def test_patience_ends(store: Store) -> None:
    """A server that stays away is an error after the patience, not a wait without end."""
    lossy = LossyStore(store)
    impatient = Engine(lossy, "away", patience_s=0.2)
    lossy.lose_requests(1_000)

    with pytest.raises(StoreUnreachableError):
        impatient.submit(make_plan("build"), base=BASE)

    assert lossy.lost > 1


def test_a_server_that_was_stopped_for_good_is_not_waited_for(store: Store) -> None:
    """Once a person has put it down, the next unanswered call says so instead of being sent again."""
    lossy = LossyStore(store)
    is_down: list[bool] = []
    patient = Engine(lossy, "down", patience_s=5.0, is_put_down=lambda: bool(is_down))
    lossy.lose_requests(2)
    patient.submit(make_plan("build"), base=BASE)
    waited_for = lossy.lost

    is_down.append(True)
    lossy.lose_requests(1_000)
    with pytest.raises(StorePutDownError, match="was stopped"):
        patient.claim(WorkerProfile("worker-a"), "claim-1")

    assert (waited_for, lossy.lost) == (2, 3)
