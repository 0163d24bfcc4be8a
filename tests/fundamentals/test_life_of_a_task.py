"""The life of a task, told as a tutorial: read it from the top."""

import pytest

from swarm.engine.claims import Failure, WorkerProfile
from swarm.engine.engine import Engine
from swarm.errors import StaleTokenError
from swarm.states import FailureKind, RunState, TaskState
from swarm.testing.clock import SkewedClock
from swarm.testing.plans import BASE, make_plan, make_task


def test_a_submitted_plan_queues_the_tasks_that_depend_on_nothing(engine: Engine) -> None:
    """Submitting stores every task; only the roots become claimable."""
    plan = make_plan("analyze", make_task("build", after=["analyze"]))

    run = engine.submit(plan, base=BASE)

    assert engine.task(run, "analyze").state is TaskState.QUEUED
    assert engine.task(run, "build").state is TaskState.PENDING
    assert engine.task(run, "build").waiting_for == ("analyze",)
    assert engine.run(run).state is RunState.ACTIVE


def test_a_claim_carries_all_that_a_worker_needs(engine: Engine, worker: WorkerProfile) -> None:
    """A claim names the task, the commit to start from, the branch, a fencing token and a lease."""
    run = engine.submit(make_plan("build"), base=BASE)

    claim = engine.claim(worker, "claim-1")

    assert claim is not None
    assert (claim.run, claim.task.id, claim.attempt) == (run, "build", 1)
    assert (claim.base, claim.branch) == (BASE, f"swarm/{run}")
    assert claim.token > 0
    assert claim.lease_ms == engine.lease_ms
    assert engine.task(run, "build").state is TaskState.ACKED


def test_a_task_without_write_scope_ends_with_its_worker(engine: Engine, worker: WorkerProfile) -> None:
    """Nothing to merge: the worker finishes it, and its dependents become claimable."""
    run = engine.submit(make_plan("analyze", make_task("build", after=["analyze"])), base=BASE)
    claim = engine.claim(worker, "claim-1")
    assert claim is not None

    engine.start(claim)
    newly_queued = engine.finish(claim)

    assert newly_queued == ["build"]
    assert engine.task(run, "analyze").state is TaskState.DONE


def test_a_handed_in_attempt_is_done_when_it_has_landed(engine: Engine, worker: WorkerProfile) -> None:
    """The worker hands in; only the merge queue says done, and the branch's tip moves with it."""
    run = engine.submit(make_plan(make_task("build", files=["src/a.py"])), base=BASE)
    claim = engine.claim(worker, "claim-1")
    assert claim is not None
    engine.start(claim)

    engine.hand_in(claim, commit="c1")
    [ticket] = engine.begin_merge("merger")
    engine.complete(ticket, commit="landed")

    assert ticket.commit == "c1"
    assert ticket.merge_token > claim.token
    assert engine.task(run, "build").merged_commit == "landed"
    assert engine.run(run).tip == "landed"
    assert engine.run(run).state is RunState.DONE


def test_a_dependent_starts_from_a_base_that_contains_its_dependency(
    engine: Engine, worker: WorkerProfile
) -> None:
    """The merged-state DAG: claimable only when the dependency has landed, and based on that landing."""
    engine.submit(
        make_plan(make_task("api", files=["api.py"]), make_task("ui", after=["api"], files=["ui.py"])),
        base=BASE,
    )
    first = engine.claim(worker, "claim-1")
    assert first is not None
    engine.start(first)
    engine.hand_in(first, commit="c1")

    too_early = engine.claim(worker, "claim-2")
    [ticket] = engine.begin_merge("merger")
    engine.complete(ticket, commit="landed")
    second = engine.claim(worker, "claim-3")

    assert too_early is None
    assert second is not None
    assert second.base == "landed"


def test_two_tasks_that_write_the_same_file_never_run_together(engine: Engine, worker: WorkerProfile) -> None:
    """The second waits, parked on the lock, and is claimable as soon as the first has ended."""
    run = engine.submit(
        make_plan(make_task("one", files=["src/a.py"]), make_task("two", files=["src/*.py"])), base=BASE
    )
    first = engine.claim(worker, "claim-1")
    assert first is not None

    blocked = engine.claim(worker, "claim-2")
    parked_on = engine.task(run, "two").parked_on
    engine.start(first)
    engine.finish(first)
    second = engine.claim(worker, "claim-3")

    assert blocked is None
    assert parked_on == "src/a.py/"
    assert second is not None
    assert second.task.id == "two"


def test_a_failed_attempt_goes_back_with_its_evidence(
    engine: Engine, worker: WorkerProfile, clock: SkewedClock
) -> None:
    """A failure is charged, waits out its backoff, and tells the next attempt what went wrong."""
    run = engine.submit(make_plan("build"), base=BASE)
    claim = engine.claim(worker, "claim-1")
    assert claim is not None

    will_run_again = engine.fail(claim, Failure(FailureKind.TASK_ERROR, "exit 1", evidence="no such module"))
    in_backoff = engine.claim(worker, "claim-2")
    clock.advance(ms=10_000)
    second = engine.claim(worker, "claim-3")

    assert will_run_again
    assert in_backoff is None
    assert second is not None
    assert (second.attempt, second.evidence) == (2, "no such module")
    assert engine.task(run, "build").failures == 1


def test_a_worker_that_vanished_loses_its_task(
    engine: Engine, worker: WorkerProfile, clock: SkewedClock
) -> None:
    """When its lease has ended the task is queued again, and the old token opens nothing any more."""
    engine.submit(make_plan("build"), base=BASE)
    lost = engine.claim(worker, "claim-1")
    assert lost is not None
    clock.advance(ms=engine.lease_ms + 1)

    reclaimed = engine.reclaim_expired()
    current = engine.claim(WorkerProfile("worker-b"), "claim-2")

    assert [(found.task, found.state) for found in reclaimed] == [("build", TaskState.QUEUED)]
    assert current is not None
    assert current.token > lost.token
    with pytest.raises(StaleTokenError):
        engine.start(lost)


def test_a_task_that_fails_for_good_takes_its_dependents_with_it(
    engine: Engine, worker: WorkerProfile
) -> None:
    """They end as upstream_failed, the run as failed; a retry brings all of them back."""
    run = engine.submit(make_plan("api", make_task("ui", after=["api"])), base=BASE)
    claim = engine.claim(worker, "claim-1")
    assert claim is not None

    engine.fail(claim, Failure(FailureKind.TASK_ERROR, "impossible", retryable=False))
    after_failure = (engine.task(run, "ui").state, engine.run(run).state)
    moved = engine.retry(run)

    assert after_failure == (TaskState.UPSTREAM_FAILED, RunState.FAILED)
    assert moved == 2
    assert engine.task(run, "api").state is TaskState.QUEUED
    assert engine.task(run, "ui").state is TaskState.PENDING
