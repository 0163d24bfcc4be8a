"""What is kept of attempts that did not land: what went wrong, and what had been tried."""

import json

import pytest
from one_worker import WORKER, claim, states

from swarm.engine.claims import Failure, WorkerProfile
from swarm.engine.engine import Engine
from swarm.engine.store import Store
from swarm.engine.words import text_of
from swarm.plan.model import Plan, TaskSpec
from swarm.states import FailureKind, TaskState
from swarm.testing.clock import SkewedClock
from swarm.testing.plans import BASE, make_plan, make_task

RED = Failure(FailureKind.TASK_ERROR, "exit code 1", evidence="red")


def test_each_failed_attempt_says_what_went_wrong_and_what_was_tried(
    engine: Engine, clock: SkewedClock
) -> None:
    """By whom, with what, since when, whether it may be tried again, and what became of the task."""
    task = TaskSpec("t", "do it", executor="messages", tier="top", max_attempts=2)
    run = engine.submit(Plan((task,)), base=BASE)
    began_ms = engine.now_ms()
    engine.fail(claim(engine, 1), RED)
    clock.advance(ms=400_000)
    engine.fail(claim(engine, 2), Failure(FailureKind.TIMEOUT, "too slow"))

    first, last = engine.task(run, "t").history

    assert first[:8] == (1, "task_error", "exit code 1", True, "queued", "worker-a", "messages", "top")
    assert last[:8] == (2, "timeout", "too slow", True, "failed", "worker-a", "messages", "top")
    assert began_ms <= first.since_ms <= first.ended_ms < last.since_ms


def test_a_merge_that_was_sent_back_is_told_as_an_attempt_of_its_worker(engine: Engine) -> None:
    """The worker, not the merge queue, is who tried."""
    run = engine.submit(make_plan(make_task("t", files=["a"])), base=BASE)
    held = claim(engine)
    engine.start(held)
    engine.hand_in(held, commit="c")
    [ticket] = engine.begin_merge("merger")

    engine.send_back(ticket, Failure(FailureKind.GATE_FAILED, "tests: exit code 1"))

    (told,) = engine.task(run, "t").history
    assert (told.kind, told.worker, told.state) == ("gate_failed", "worker-a", "queued")


@pytest.mark.parametrize("order", ["cancel", "skip"])
def test_an_attempt_that_a_person_took_away_is_told(engine: Engine, order: str) -> None:
    """It is nobody's failure, but somebody worked on it."""
    run = engine.submit(make_plan("t"), base=BASE)
    claim(engine)

    getattr(engine, order)(run, "t")

    (told,) = engine.task(run, "t").history
    assert (told.kind, told.attempt, told.worker) == ("cancelled", 1, "worker-a")


def test_what_nobody_worked_on_has_no_history(engine: Engine) -> None:
    """Only attempts are told."""
    run = engine.submit(make_plan("a", make_task("b", after=["a"])), base=BASE)

    engine.cancel(run)

    assert [task.history for task in engine.tasks(run)] == [(), ()]


def test_a_vanished_worker_and_a_passed_deadline_are_told(engine: Engine, clock: SkewedClock) -> None:
    """Also what no worker says of itself."""
    task = TaskSpec("t", "do it", executor="command", command=("true",), deadline_s=20)
    run = engine.submit(Plan((task,)), base=BASE)
    claim(engine, 1)
    engine.reclaim_worker(WORKER.worker_id)
    claim(engine, 2)
    for _ in range(6):
        clock.advance(ms=4_000)
        engine.reclaim_expired()

    told = [(one.kind, one.retryable, one.state) for one in engine.task(run, "t").history]

    assert told == [("crash", True, "queued"), ("timeout", False, "failed")]


def test_the_history_is_bounded_in_number_and_in_bytes(engine: Engine, store: Store) -> None:
    """However long a reason is, and however often a person has it tried again."""
    run = engine.submit(make_plan(make_task("t", max_attempts=1)), base=BASE)
    reason = '"\\\u2028' + "ä" * 5_000
    for number in range(12):
        engine.fail(claim(engine, number), Failure(FailureKind.TASK_ERROR, reason))
        engine.retry(run, "t")

    stored = text_of(store.call("HGET", engine.keys.of("task", f"{run}/t"), "history"))
    told = engine.task(run, "t").history

    assert [one.attempt for one in told] == list(range(5, 13))
    assert told[0].message == '"\\ ' + "ä" * 198 + "…"
    assert len(stored.encode()) < 8 * 800
    assert [json.loads(line)["attempt"] for line in stored.split("\n")] == list(range(5, 13))


def test_a_reason_is_one_line_of_bounded_length_whoever_gives_it(engine: Engine) -> None:
    """Workers and the merge queue alike; what is stored of a task stays small."""
    run = engine.submit(make_plan(make_task("t", files=["a"])), base=BASE)
    held = claim(engine)
    engine.start(held)
    engine.hand_in(held, commit="c")
    [ticket] = engine.begin_merge("merger")

    engine.send_back(ticket, Failure(FailureKind.CONFLICT, "conflicts with\n" + "x" * 100_000))

    reason = engine.task(run, "t").failure_reason
    assert len(reason) == 500
    assert reason.startswith("conflicts with xxx")


def test_a_policy_violation_goes_straight_to_a_person(engine: Engine) -> None:
    """However many attempts are left, and whatever its caller thinks of trying again."""
    run = engine.submit(make_plan(make_task("t", max_attempts=5)), base=BASE)

    is_queued = engine.fail(claim(engine), Failure(FailureKind.POLICY, "wrote a secret", retryable=True))

    record = engine.task(run, "t")
    assert (is_queued, record.state, record.needs_person) == (False, TaskState.FAILED, True)
    assert record.history[0].retryable is False


def test_crashes_count_within_72_hours(engine: Engine, clock: SkewedClock) -> None:
    """A long run loses a worker now and then; three in a row are the task's doing."""
    run = engine.submit(make_plan("t"), base=BASE)

    counts = []
    for number, hours in enumerate((0, 40, 40, 20)):
        clock.advance(ms=hours * 3_600_000)
        claim(engine, number)
        engine.reclaim_worker(WORKER.worker_id)
        counts.append(engine.task(run, "t").crashes)

    assert counts == [1, 2, 2, 3]
    assert engine.task(run, "t").state is TaskState.FAILED


def test_whoever_is_doomed_is_told_what_failed_and_why(engine: Engine) -> None:
    """However far down: the reason names the task that failed, not just the neighbour."""
    plan = make_plan(
        make_task("a", max_attempts=1), make_task("b", after=["a"]), make_task("c", after=["b"]), "other"
    )
    run = engine.submit(plan, base=BASE)

    engine.fail(claim(engine), RED)

    assert states(engine, run)["c"] == "upstream_failed"
    assert [engine.task(run, name).failure_reason for name in "bc"] == [
        "dependency failed: a: exit code 1"
    ] * 2


def test_a_doomed_list_longer_than_a_call_is_told_the_same(engine: Engine) -> None:
    """What is left over for the next call knows the reason as well."""
    chain = [make_task("t0", max_attempts=1)]
    chain += [make_task(f"t{n}", after=[f"t{n - 1}"]) for n in range(1, 400)]
    run = engine.submit(make_plan(*chain), base=BASE)

    engine.fail(claim(engine), RED)

    told = {task.failure_reason for task in engine.tasks(run)[1:]}
    assert told == {"dependency failed: t0: exit code 1"}


def test_a_failed_task_goes_to_another_worker_first(engine: Engine, clock: SkewedClock) -> None:
    """Whoever failed it gets it again only while nobody else can do it."""
    other = WorkerProfile("worker-b")
    run = engine.submit(make_plan("t"), base=BASE)
    engine.fail(claim(engine), RED)
    clock.advance(ms=400_000)
    for one in (WORKER, other):
        engine.heartbeat(one, kind="worker", state="idle")

    refused = engine.claim(WORKER, "claim-2")
    taken = engine.claim(other, "claim-1")

    assert refused is None
    assert taken is not None
    assert engine.task(run, "t").worker_id == "worker-b"
