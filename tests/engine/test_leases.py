"""Leases, the reaper and its grace, crashes, the merge slot."""

import pytest
from leased_tasks import claimed

from swarm.engine.claims import Failure, WorkerProfile
from swarm.engine.engine import Engine
from swarm.engine.store import Store
from swarm.engine.words import words_of
from swarm.errors import RunCancelledError, StaleTokenError
from swarm.models.usage import Usage
from swarm.states import FailureKind, RunState, TaskState
from swarm.testing.clock import SkewedClock
from swarm.testing.plans import BASE, make_plan, make_task


def outlive_lease(engine: Engine, clock: SkewedClock) -> None:
    """Let a lease's term pass, with a tick of the reaper every four seconds as in life."""
    for _ in range(engine.lease_ms // 4_000 + 1):
        clock.advance(ms=4_000)
        engine.reclaim_expired()


def test_a_renewed_lease_does_not_end(engine: Engine, worker: WorkerProfile, clock: SkewedClock) -> None:
    """Each renewal gives a full term from the server's now."""
    run = engine.submit(make_plan("build"), base=BASE)
    claim = claimed(engine, worker)

    for _ in range(5):
        clock.advance(ms=engine.lease_ms - 1_000)
        assert engine.renew(claim).remaining_ms == engine.lease_ms

    assert engine.reclaim_expired() == []
    assert engine.task(run, "build").state is TaskState.ACKED


def test_a_gap_in_ticks_gives_every_lease_one_term_of_grace(
    engine: Engine, worker: WorkerProfile, clock: SkewedClock
) -> None:
    """Redis was away: nobody could renew, so nobody is taken for dead."""
    run = engine.submit(make_plan("build"), base=BASE)
    claim = claimed(engine, worker)
    engine.reclaim_expired()
    clock.advance(ms=60_000)

    during_grace = engine.reclaim_expired()
    renewed = engine.renew(claim)
    outlive_lease(engine, clock)

    assert during_grace == []
    assert renewed.remaining_ms == engine.lease_ms
    assert engine.task(run, "build").crashes == 1


def test_grace_is_for_leases_and_not_for_deadlines(engine: Engine, clock: SkewedClock) -> None:
    """After a time without ticks a run's deadline holds as it was set, and backoffs come due."""
    engine.reclaim_expired()
    clock.advance(ms=3_600_000)
    run = engine.submit(make_plan("held", "late"), base=BASE, deadline_s=6.0)
    assert engine.claim(WorkerProfile("w"), "c1") is not None
    engine.reclaim_expired()
    for _ in range(2):
        clock.advance(ms=4_000)
        engine.reclaim_expired()

    ended = {task.spec.id: task.state for task in engine.tasks(run)}

    assert ended == {"held": TaskState.FAILED, "late": TaskState.FAILED}


def test_a_slow_reaper_reaps_after_two_graces(
    engine: Engine, worker: WorkerProfile, clock: SkewedClock
) -> None:
    """Ticks that are always late would otherwise never take anything back."""
    engine.submit(make_plan("build"), base=BASE)
    claimed(engine, worker)
    engine.reclaim_expired()

    found = []
    for _ in range(3):
        clock.advance(ms=engine.lease_ms + 10_000)
        found.append(len(engine.reclaim_expired()))

    assert found == [0, 0, 1]
    assert "reaper_slow" in [event.kind for event in engine.events()]


def test_three_crashes_fail_a_task_and_ask_for_a_person(engine: Engine, worker: WorkerProfile) -> None:
    """A task that kills every worker is not tried for ever, whatever its attempts."""
    run = engine.submit(
        make_plan(make_task("poison", max_attempts=9), make_task("after", after=["poison"])), base=BASE
    )

    states = []
    for number in range(3):
        engine.start(claimed(engine, worker, f"claim-{number}"))
        states += [found.state for found in engine.reclaim_worker(worker.worker_id)]
    record = engine.task(run, "poison")

    assert states == [TaskState.QUEUED, TaskState.QUEUED, TaskState.FAILED]
    assert (record.crashes, record.failures, record.needs_person) == (3, 0, True)
    assert engine.task(run, "after").state is TaskState.UPSTREAM_FAILED


@pytest.mark.parametrize("kind", [FailureKind.PROVIDER, FailureKind.INFRASTRUCTURE])
def test_setbacks_end_a_task_and_are_forgotten_by_a_retry(
    engine: Engine, worker: WorkerProfile, clock: SkewedClock, kind: FailureKind
) -> None:
    """What is nobody's fault is not charged and waits longer each time; the eighth needs a person."""
    run = engine.submit(make_plan("build", make_task("after", after=["build"])), base=BASE)
    waits_ms: list[int] = []

    def fail_once(number: int) -> bool:
        claim = claimed(engine, worker, f"claim-{number}")
        if not number % 2:
            return engine.fail(claim, Failure(kind, "away"))
        engine.start(claim)
        engine.hand_in(claim, commit="attempt")
        [ticket] = engine.begin_merge("merger")
        return engine.send_back(ticket, Failure(kind, "away"))

    for number in range(7):
        assert fail_once(number)
        record = engine.task(run, "build")
        waits_ms.append(record.not_before_ms - record.queued_ms)
        clock.advance(ms=waits_ms[-1])
    is_queued = fail_once(7)
    ended = engine.task(run, "build")
    after = engine.task(run, "after")
    ended_run = engine.run(run)
    engine.retry(run)
    retried = engine.task(run, "build")

    assert waits_ms[0] < waits_ms[2] < waits_ms[4]  # later ones may be at the cap
    assert (is_queued, ended.state, ended.needs_person) == (False, TaskState.FAILED, True)
    assert (ended.setbacks, ended.failures, ended.failure_kind) == (8, 0, kind.value)
    assert after.state is TaskState.UPSTREAM_FAILED
    assert ended_run.state is RunState.FAILED
    assert (retried.state, retried.setbacks) == (TaskState.QUEUED, 0)


def test_a_task_that_is_merging_is_never_requeued_by_time(
    engine: Engine, worker: WorkerProfile, clock: SkewedClock
) -> None:
    """Its attempt is durable; its locks stay until the merge queue has decided."""
    run = engine.submit(make_plan(make_task("build", files=["a.py"])), base=BASE)
    claim = claimed(engine, worker)
    engine.start(claim)
    engine.hand_in(claim, commit="c1")
    outlive_lease(engine, clock)

    assert engine.task(run, "build").state is TaskState.MERGING
    assert [lock.path for lock in engine.locks()] == ["a.py"]
    assert engine.reclaim_worker(worker.worker_id) == []


def test_one_branch_is_merged_by_one_merger(
    engine: Engine, worker: WorkerProfile, clock: SkewedClock
) -> None:
    """The slot is free, mine, or its lease has ended; the late merger's token is void."""
    engine.submit(make_plan(make_task("a", files=["a.py"]), make_task("b", files=["b.py"])), base=BASE)
    for number in range(2):
        claim = claimed(engine, worker, f"claim-{number}")
        engine.start(claim)
        engine.hand_in(claim, commit=f"c{number}")
    [late] = engine.begin_merge("merger-1")

    while_busy = engine.begin_merge("merger-2")
    clock.advance(ms=engine.lease_ms + 1)
    [taken_over] = engine.begin_merge("merger-2")

    assert while_busy == ()
    assert taken_over.merge_token > late.merge_token
    with pytest.raises(StaleTokenError):
        engine.complete(late, commit="late")
    assert engine.complete(taken_over, commit="landed") == []


def test_cancelling_makes_the_worker_stale(engine: Engine, worker: WorkerProfile) -> None:
    """Its next renewal says so, its locks are free at once and the run ends."""
    run = engine.submit(make_plan(make_task("a", files=["a.py"]), make_task("b", after=["a"])), base=BASE)
    claim = claimed(engine, worker)
    engine.start(claim)

    moved = engine.cancel(run)

    assert moved == 2
    assert engine.renew(claim).is_cancelled
    assert engine.locks() == []
    assert engine.run(run).state is RunState.CANCELLED
    with pytest.raises(RunCancelledError):
        engine.finish(claim)


def test_closures_larger_than_a_script_are_finished(engine: Engine, worker: WorkerProfile) -> None:
    """A chain and a fan of hundreds fail, come back and are cancelled to the last task."""
    chain = [make_task(f"c{n}", after=[f"c{n - 1}"] if n else ["root"]) for n in range(400)]
    fan = [make_task(f"f{n}", after=["root"]) for n in range(400)]
    run = engine.submit(make_plan("root", *chain, *fan), base=BASE)
    claim = claimed(engine, worker)

    engine.fail(claim, Failure(FailureKind.POLICY, "secret found"))
    doomed = engine.run(run)
    revived = engine.retry(run, "root")
    claim = claimed(engine, worker, "claim-2")
    engine.start(claim)
    queued = engine.finish(claim)
    cancelled = engine.cancel(run, "c0")

    assert doomed.counts[TaskState.UPSTREAM_FAILED] == 800
    assert doomed.state is RunState.FAILED
    assert revived == 801
    assert len(queued) == 401
    assert cancelled == 400


def test_usage_is_folded_once_into_task_and_run(
    engine: Engine, worker: WorkerProfile, clock: SkewedClock
) -> None:
    """Cumulative within an attempt, summed over attempts; what did not land is wasted."""
    run = engine.submit(make_plan("build"), base=BASE)
    first = claimed(engine, worker)
    engine.renew(first, Usage(10, 1, 0, 5))
    engine.renew(first, Usage(20, 2, 0, 9))
    engine.fail(first, Failure(FailureKind.TASK_ERROR, "no"))
    clock.advance(ms=300_000)
    second = claimed(engine, worker, "claim-2")
    engine.start(second)
    engine.finish(second, usage=Usage(1, 1, 1, 1))

    record = engine.task(run, "build")

    assert record.usage == Usage(21, 3, 1, 10)
    assert record.wasted == Usage(20, 2, 0, 9)
    assert engine.run(run).usage == Usage(21, 3, 1, 10)
    assert engine.run(run).wasted == Usage(20, 2, 0, 9)


def test_what_is_not_the_tasks_fault_is_not_charged(
    engine: Engine, worker: WorkerProfile, clock: SkewedClock
) -> None:
    """A full disk or a model that is away costs no attempt; the task fails after its own failures."""
    run = engine.submit(make_plan(make_task("build", max_attempts=2)), base=BASE)
    kinds = [FailureKind.INFRASTRUCTURE, FailureKind.PROVIDER, FailureKind.TASK_ERROR, FailureKind.TIMEOUT]

    again = []
    for number, kind in enumerate(kinds):
        again.append(engine.fail(claimed(engine, worker, f"claim-{number}"), Failure(kind, "no")))
        clock.advance(ms=300_000)

    assert again == [True, True, True, False]
    assert engine.task(run, "build").failures == 2
    assert engine.task(run, "build").attempt == 4


def test_a_run_remembers_the_most_workers_that_were_alive(engine: Engine, clock: SkewedClock) -> None:
    """Alive is seen within 30 s; a worker that signed off is forgotten."""
    run = engine.submit(make_plan("build"), base=BASE)
    for number in range(3):
        engine.heartbeat(WorkerProfile(f"w{number}"), kind="worker", state="idle")
    engine.heartbeat(WorkerProfile("boss"), kind="supervisor", state="busy")
    clock.advance(ms=60_000)
    engine.heartbeat(WorkerProfile("w9"), kind="worker", state="idle")
    engine.sign_off("w0")

    assert engine.run(run).workers == 3
    assert [agent.worker_id for agent in engine.agents()] == ["boss", "w1", "w2", "w9"]


def test_answers_that_nobody_asks_for_are_forgotten(
    engine: Engine, store: Store, clock: SkewedClock, worker: WorkerProfile
) -> None:
    """An hour later the reaper's ticks have removed them; a fresh one stays."""
    run = engine.submit(make_plan("a", "b"), base=BASE)
    claim = engine.claim(worker, "c1")
    assert claim is not None
    engine.release(claim, reason="drain")
    clock.advance(ms=3_600_001)
    fresh = engine.claim(WorkerProfile("worker-b"), "c1")

    for _ in range(4):
        engine.reclaim_expired()

    names = words_of(store.call("HKEYS", engine.keys.of("meta")))
    assert fresh is not None
    assert [name for name in names if name.startswith("claim:")] == ["claim:worker-b"]
    assert engine.run(run).counts[TaskState.ACKED] == 1
