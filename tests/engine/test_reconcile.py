"""A landing that git proves, and how far the tip and the fence follow it."""

import pytest
from leased_tasks import claimed

from swarm.engine.claims import Failure, WorkerProfile
from swarm.engine.encoding import encode_spec
from swarm.engine.engine import Engine
from swarm.engine.submission import SCHEMA, plan_chunks, run_id
from swarm.states import FailureKind, RunState, TaskState
from swarm.testing.plans import BASE, make_plan, make_task


def test_the_tip_moves_only_forward(engine: Engine) -> None:
    """A landing that is reported late does not put an older commit in front of a newer one."""
    run = engine.submit(make_plan(make_task("a", files=["a.py"]), make_task("b", files=["b.py"])), base=BASE)

    engine.reconcile(run, "b", attempt=1, merge_token=20, commit="newer")
    engine.reconcile(run, "a", attempt=1, merge_token=10, commit="older")

    assert engine.run(run).tip == "newer"
    assert engine.run(run).state is RunState.DONE


def test_who_a_reconciled_landing_lets_go_on_starts_from_the_newest(
    engine: Engine, worker: WorkerProfile
) -> None:
    """Its train has landed more, which passed the gates only together."""
    run = engine.submit(make_plan("a", "b", make_task("c", after=["a"])), base=BASE)

    engine.reconcile(run, "a", attempt=1, merge_token=10, commit="first", tip=("last", 11))
    base = next(one.base for one in (claimed(engine, worker, f"n{n}") for n in (1, 2)) if one.task.id == "c")
    engine.reconcile(run, "b", attempt=1, merge_token=11, commit="last", tip=("last", 11))

    assert base == "last"
    assert engine.run(run).tip == "last"
    assert [engine.task(run, task).merged_commit for task in ("a", "b")] == ["first", "last"]


def test_a_reconciled_landing_raises_the_fence(engine: Engine, worker: WorkerProfile) -> None:
    """A server that lost its last writes must not give out a token that git has seen."""
    run = engine.submit(make_plan("a", "b"), base=BASE)

    first = engine.reconcile(run, "a", attempt=2, merge_token=500, commit="landed")
    again = engine.reconcile(run, "a", attempt=2, merge_token=500, commit="landed")

    assert (first, again) == (True, False)
    assert claimed(engine, worker).token == 501
    assert engine.task(run, "a").attempt == 2


@pytest.mark.parametrize("cancelled", ["", "a"])
def test_a_reconciled_landing_takes_back_no_cancelling(
    engine: Engine, worker: WorkerProfile, cancelled: str
) -> None:
    """Git proves the one task; the run, or what a person cancelled with the task, stays cancelled."""
    plan = make_plan("a", make_task("b", after=["a"]), make_task("c", after=["b"]))
    run = engine.submit(plan, base=BASE)
    claim = claimed(engine, worker)
    engine.start(claim)
    engine.hand_in(claim, commit="attempt")
    engine.cancel(run, cancelled)

    assert engine.reconcile(run, "a", attempt=1, merge_token=9, commit="landed")

    states = [task.state for task in engine.tasks(run)]
    assert states == [TaskState.DONE, TaskState.CANCELLED, TaskState.CANCELLED]
    assert engine.run(run).state is RunState.CANCELLED
    assert engine.claim(worker, "again") is None


def test_a_reconciled_landing_gives_back_only_what_failed_with_it(
    engine: Engine, worker: WorkerProfile
) -> None:
    """A dependent that was cancelled, or that failed with another task too, is not brought back."""
    plan = make_plan(
        make_task("a", estimate_s=9),
        make_task("b", estimate_s=8),
        make_task("mine", after=["a"]),
        make_task("theirs", after=["b"]),
        make_task("both", after=["mine", "theirs"]),
        make_task("below", after=["both"]),
        make_task("called_off", after=["a"]),
    )
    run = engine.submit(plan, base=BASE)
    engine.cancel(run, "called_off")
    first, second = claimed(engine, worker, "c1"), claimed(engine, worker, "c2")
    for claim in (first, second):
        engine.fail(claim, Failure(FailureKind.POLICY, "no"))

    engine.reconcile(run, "a", attempt=1, merge_token=9, commit="landed")

    assert {task.spec.id: task.state for task in engine.tasks(run)} == {
        "a": TaskState.DONE,
        "b": TaskState.FAILED,
        "mine": TaskState.QUEUED,
        "theirs": TaskState.UPSTREAM_FAILED,
        "both": TaskState.UPSTREAM_FAILED,
        "below": TaskState.UPSTREAM_FAILED,
        "called_off": TaskState.CANCELLED,
    }
    assert engine.run(run).state is RunState.ACTIVE


def test_a_reconciled_landing_leaves_a_run_that_is_being_activated_to_be_so(
    engine: Engine, worker: WorkerProfile
) -> None:
    """Calling it active early would leave the rest of its roots pending for ever."""
    plan = make_plan(*(f"t{number}" for number in range(200)))
    specs = [encode_spec(task) for task in plan.tasks]
    run = run_id(engine.project, plan, specs, base=BASE, key="")
    engine._caller.call("open_run", run, "", f"swarm/{run}", BASE, "", SCHEMA, len(plan.tasks))
    chunks = list(plan_chunks(plan, specs, 0))
    for number, chunk in enumerate(chunks):
        engine._caller.call("submit", run, number, *chunk)
    engine._caller.call("activate", run, len(chunks))
    first = claimed(engine, worker)
    engine.fail(first, Failure(FailureKind.POLICY, "no"))
    assert engine.run(run).state is RunState.LOADING

    engine.reconcile(run, first.task.id, attempt=1, merge_token=9, commit="landed")
    engine.reclaim_expired()

    assert engine.run(run).state is RunState.ACTIVE
    assert engine.run(run).counts[TaskState.QUEUED] == 199


def test_only_the_tip_that_was_looked_at_is_followed_by_another(
    engine: Engine, worker: WorkerProfile
) -> None:
    """What has landed meanwhile is newer than what was seen; a repeated call changes nothing more."""
    run = engine.submit(make_plan("a", "b"), base=BASE)
    engine.reconcile(run, "a", attempt=1, merge_token=10, commit="landed")

    answers = [
        engine.follow(run, known=BASE, tip="late"),
        engine.follow(run, known="landed", tip="pushed"),
        engine.follow(run, known="landed", tip="pushed"),
        engine.follow("nowhere", known="landed", tip="pushed"),
    ]

    assert answers == [False, True, True, False]
    assert [event.kind for event in engine.events(limit=100)].count("branch_moved") == 1
    assert claimed(engine, worker).base == "pushed"
