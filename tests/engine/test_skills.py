"""Who can do a task: tags that it needs, and workers that have failed it."""

from swarm.engine.claims import Claim, Fail, Failure, Finish, WorkerProfile
from swarm.engine.engine import Engine
from swarm.engine.records import QueueRecord
from swarm.states import ALIVE_MS, FailureKind
from swarm.testing.clock import SkewedClock
from swarm.testing.plans import BASE, make_plan, make_task

PLAIN = WorkerProfile("plain")
GPU = WorkerProfile("gpu", tags=("gpu", "big"))
RED = Failure(FailureKind.CONFLICT, "no")
NO = Failure(FailureKind.TASK_ERROR, "exit code 1")


def task_of(claim: Claim | None) -> str:
    return claim.task.id if claim else ""


def alive(engine: Engine, *workers: WorkerProfile) -> None:
    for worker in workers:
        engine.heartbeat(worker, kind="worker", state="idle")


def test_only_a_worker_with_the_tags_takes_the_task(engine: Engine) -> None:
    """Whether it serves every type or names this one."""
    engine.submit(
        make_plan(make_task("train", needs=["gpu"], estimate_s=9), make_task("more", needs=["gpu"]), "plain"),
        base=BASE,
    )

    assert engine.queues() == [QueueRecord("general", 1, 0), QueueRecord("general+gpu", 2, 0)]
    assert task_of(engine.claim(PLAIN, "1")) == "plain"
    assert engine.claim(WorkerProfile("p", types=("general",)), "2") is None
    assert task_of(engine.claim(GPU, "3")) == "train"
    assert task_of(engine.claim(WorkerProfile("g", types=("general",), tags=("gpu",)), "4")) == "more"


def test_all_of_the_tags_are_needed(engine: Engine) -> None:
    """In whatever order the plan names them."""
    engine.submit(make_plan(make_task("t", needs=["gpu", "big"])), base=BASE)

    assert engine.claim(WorkerProfile("g", tags=("gpu",)), "1") is None
    assert task_of(engine.claim(GPU, "2")) == "t"


def test_the_next_task_taken_with_the_end_of_the_last_fits_the_worker_too(engine: Engine) -> None:
    """On the short way as on the general one."""
    tagged = [make_task(f"g{number}", needs=["gpu"], estimate_s=9) for number in range(2)]
    engine.submit(make_plan(*tagged, "a", "b", "c"), base=BASE)
    for number, worker in enumerate((PLAIN, WorkerProfile("named", types=("general",)))):
        held = engine.claim(worker, f"{number}")
        assert held is not None

        after = engine.end_and_claim(held, Finish(), worker, f"{number}-next")

        assert after is None or after.task.needs == ()


def test_the_most_urgent_of_all_queues_of_a_type_is_taken(engine: Engine) -> None:
    """A worker that names its type looks into the queues of its tags too, after its last task as well."""
    engine.submit(
        make_plan(
            make_task("first", estimate_s=20), make_task("train", needs=["gpu"], estimate_s=9), "plain"
        ),
        base=BASE,
    )
    named = WorkerProfile("g", types=("general",), tags=("gpu",))
    held = engine.claim(named, "1")
    assert held is not None

    assert task_of(engine.end_and_claim(held, Finish(), named, "2")) == "train"


def test_a_parked_task_wakes_for_a_worker_that_can_do_it(engine: Engine) -> None:
    """Tagged tasks have lots of their own, so none that nobody takes keeps the others waiting."""
    plan = make_plan(
        make_task("holder", files=["a"], estimate_s=9),
        make_task("gpu", files=["a"], needs=["gpu"], estimate_s=5),
        make_task("plain", files=["a"]),
    )
    engine.submit(plan, base=BASE)
    holder = engine.claim(PLAIN, "1")
    assert holder is not None
    assert engine.claim(GPU, "2") is None

    engine.finish(holder)

    assert task_of(engine.claim(PLAIN, "3")) == "plain"


def test_a_limit_of_a_type_counts_its_tasks_with_tags_as_well(engine: Engine) -> None:
    """They are of that type."""
    engine.submit(make_plan(make_task("t", needs=["gpu"]), "u"), base=BASE)
    engine.limit("general", 1)

    assert engine.claim(GPU, "1") is not None
    assert engine.claim(GPU, "2") is None


def test_a_worker_that_waits_hears_of_tasks_with_its_tags(engine: Engine) -> None:
    """Their queue has bells of its own, which a claim that found nothing names."""
    engine.submit(make_plan(make_task("first", needs=["gpu"])), base=BASE)
    named = WorkerProfile("g", types=("general",), tags=("gpu",))
    held = engine.claim(named, "1")
    assert held is not None
    assert engine.claim(named, "2") is None
    while engine.wait(named, timeout_s=0.01):
        pass

    engine.release(held, reason="drain")

    assert engine.wait(named, timeout_s=0.05)


def test_a_failed_task_goes_to_another_worker(engine: Engine, clock: SkewedClock) -> None:
    """Whoever failed it passes it over, and finds what is behind it."""
    other = WorkerProfile("other")
    engine.submit(make_plan(make_task("hard", estimate_s=9), "easy"), base=BASE)
    held = engine.claim(PLAIN, "1")
    assert held is not None
    engine.fail(held, NO)
    clock.advance(ms=10_000)
    alive(engine, PLAIN, other)

    assert task_of(engine.claim(PLAIN, "2")) == "easy"
    assert engine.claim(PLAIN, "3") is None
    assert task_of(engine.claim(other, "4")) == "hard"


def test_a_failed_task_does_not_wait_for_a_busy_worker_without_end(
    engine: Engine, clock: SkewedClock
) -> None:
    """Another one may be at work for an hour: after half a minute anybody may have the task."""
    busy = WorkerProfile("busy")
    engine.submit(make_plan("hard"), base=BASE)
    held = engine.claim(PLAIN, "1")
    assert held is not None
    engine.fail(held, NO)
    clock.advance(ms=10_000)
    alive(engine, PLAIN, busy)
    assert engine.claim(PLAIN, "2") is None

    clock.advance(ms=29_000)
    alive(engine, PLAIN, busy)
    assert engine.claim(PLAIN, "3") is None
    clock.advance(ms=2_000)
    alive(engine, PLAIN, busy)

    assert task_of(engine.claim(PLAIN, "4")) == "hard"


def test_when_everybody_has_failed_it_anybody_may_try_again(engine: Engine, clock: SkewedClock) -> None:
    """A task is not left over for want of a fresh pair of hands."""
    other = WorkerProfile("other")
    engine.submit(make_plan(make_task("hard", max_attempts=5)), base=BASE)
    for number, worker in enumerate((PLAIN, other)):
        held = engine.claim(worker, f"{number}")
        assert held is not None
        engine.fail(held, NO)
        clock.advance(ms=20_000)
    alive(engine, PLAIN, other)

    assert task_of(engine.claim(PLAIN, "again")) == "hard"


def test_a_worker_that_cannot_do_it_or_is_gone_is_not_waited_for(engine: Engine, clock: SkewedClock) -> None:
    """Types, executors and tags decide, and who was seen lately."""
    gone, wrong_type = (
        WorkerProfile("gone", tags=("gpu",)),
        WorkerProfile("docs", types=("docs",), tags=("gpu",)),
    )
    no_tag, no_model = WorkerProfile("no-tag"), WorkerProfile("no", tags=("gpu",), executors=("messages",))
    engine.submit(make_plan(make_task("hard", needs=["gpu"])), base=BASE)
    alive(engine, gone)
    held = engine.claim(GPU, "1")
    assert held is not None
    engine.fail(held, NO)
    clock.advance(ms=ALIVE_MS + 1)
    alive(engine, GPU, wrong_type, no_tag, no_model)

    assert task_of(engine.claim(GPU, "2")) == "hard"


def test_a_conflict_is_not_held_against_its_worker(engine: Engine) -> None:
    """What landed meanwhile would have met any of them."""
    engine.submit(make_plan("t"), base=BASE)
    alive(engine, PLAIN, WorkerProfile("other"))
    held = engine.claim(PLAIN, "1")
    assert held is not None

    again = engine.end_and_claim(held, Fail(RED), PLAIN, "2")

    assert task_of(again) == "t"


def test_a_retry_by_a_person_forgets_who_failed_it(engine: Engine) -> None:
    """Something has been mended, perhaps that worker."""
    run = engine.submit(make_plan(make_task("t", max_attempts=1)), base=BASE)
    alive(engine, PLAIN, WorkerProfile("other"))
    held = engine.claim(PLAIN, "1")
    assert held is not None
    engine.fail(held, NO)

    engine.retry(run)

    assert task_of(engine.claim(PLAIN, "2")) == "t"


def test_a_worker_passes_over_runs_that_it_can_do_nothing_for(engine: Engine) -> None:
    """Such as those of another hub, by itself and with the end of a task; others get them."""
    far = engine.submit(make_plan(make_task("far", priority=100)), base=BASE)
    engine.submit(make_plan(make_task("near"), make_task("next")), base=BASE)
    one = WorkerProfile("one", besides=(far,))

    first = engine.claim(one, "one-1")
    assert first
    engine.start(first)
    second = engine.end_and_claim(first, Finish(), one, "one-2")
    none = engine.claim(one, "one-3")
    other = engine.claim(WorkerProfile("other"), "other-1")

    assert [task_of(claim) for claim in (first, second, none, other)] == ["near", "next", "", "far"]
