"""Ranks follow what is learnt and how many workers there are."""

from dataclasses import replace

import pytest

from swarm.engine.claims import Finish, WorkerProfile
from swarm.engine.engine import Engine
from swarm.engine.estimates import believed_durations_s, rest_of
from swarm.engine.ranking import Ranking
from swarm.engine.records import DurationRecord, ProgressRecord
from swarm.engine.schedule import graph_of
from swarm.plan.model import Plan
from swarm.states import TaskState
from swarm.testing.clock import SkewedClock
from swarm.testing.plans import BASE, make_plan, make_task

QUEUED = ProgressRecord(TaskState.QUEUED, 0, 0)


def done(busy_s: float) -> ProgressRecord:
    """A task that took so long."""
    return ProgressRecord(TaskState.DONE, 1, int(busy_s * 1000))


def two_types(*, estimate_s: float = 300) -> Plan:
    """Three quick checks, submitted first, and three slow builds."""
    checks = [make_task(f"check{n}", type="check", estimate_s=estimate_s) for n in range(3)]
    return make_plan(
        *checks, *(make_task(f"build{n}", type="build", estimate_s=estimate_s) for n in range(3))
    )


def test_what_is_learnt_decides_who_is_next(engine: Engine, clock: SkewedClock) -> None:
    """By the plan all are alike; once one of each type is done, the slow type goes first."""
    run = engine.submit(two_types(), base=BASE)
    ranking = Ranking(engine)
    for name, ms in (("check", 1_000), ("build", 60_000)):
        worker = WorkerProfile(f"worker-{name}", types=(name,), executors=("command",))
        claim = engine.claim(worker, "first")
        assert claim is not None
        clock.advance(ms=ms)
        engine.finish(claim)
    anybody = WorkerProfile("anybody", executors=("command",))

    changed = ranking.refresh(workers=2, now_ms=engine.now_ms())
    again = ranking.refresh(workers=2, now_ms=engine.now_ms())
    claims = [engine.claim(anybody, f"c{n}") for n in range(3)]

    assert changed == 4
    assert again == 0, "nothing has moved since"
    assert [claim.task.id for claim in claims if claim] == ["build1", "build2", "check1"]
    assert engine.task(run, "check0").state is TaskState.DONE


def test_a_better_order_for_so_many_workers_is_told(engine: Engine) -> None:
    """The longest first takes 7 s on two workers; as submitted it is 6 s. Nothing is told twice."""
    seconds = (3, 2, 2, 3, 2)
    engine.submit(make_plan(*(make_task(f"t{n}", estimate_s=s) for n, s in enumerate(seconds))), base=BASE)
    worker = WorkerProfile("worker-a", executors=("command",))
    ranking = Ranking(engine)

    changed = ranking.refresh(workers=2, now_ms=engine.now_ms())
    again = ranking.refresh(workers=2, now_ms=engine.now_ms())
    nobody = ranking.refresh(workers=0, now_ms=engine.now_ms())
    claims = [engine.claim(worker, f"c{n}") for n in range(5)]

    assert changed > 0
    assert (again, nobody) == (0, 0)
    assert [claim.task.id for claim in claims if claim] == ["t0", "t1", "t2", "t3", "t4"]


def test_estimates_keep_what_they_say_beside_each_other() -> None:
    """A type that takes twice its estimates is believed to go on so; one that nobody did, as all together."""
    plan = make_plan(
        make_task("a", type="x", estimate_s=10),
        make_task("b", type="x", estimate_s=40),
        make_task("c", type="y", estimate_s=7),
        make_task("d", type="z", estimate_s=5),
    )
    learnt = {"x": DurationRecord(99, 1), "z": DurationRecord(2, 20_000)}

    believed = believed_durations_s(plan, [done(20), QUEUED, QUEUED, QUEUED], learnt)

    assert believed == pytest.approx([20, 80, 14, 10])


def test_each_of_several_agents_takes_the_estimate() -> None:
    """A task of three agents counts three times until it is learnt what they take; that has them in it."""
    plan = make_plan(
        make_task("a", type="x", estimate_s=10),
        replace(make_task("b", type="x", estimate_s=10), best_of=3),
    )

    unknown = believed_durations_s(plan, [QUEUED, QUEUED], {})
    learnt = believed_durations_s(plan, [QUEUED, done(60)], {})

    assert unknown == pytest.approx([10, 30])
    assert learnt == pytest.approx([20, 60])


def test_a_task_of_several_agents_is_as_urgent_as_its_agents_together(engine: Engine) -> None:
    """From its submission on, before anything is ranked again."""
    several = replace(make_task("several", estimate_s=2), best_of=3)
    engine.submit(make_plan(make_task("one", estimate_s=5), several), base=BASE)

    claim = engine.claim(WorkerProfile("worker-a"), "c1")

    assert claim is not None
    assert claim.task.id == "several"


def test_where_the_plan_says_nothing_the_mean_of_the_type_counts() -> None:
    """Equal estimates are none."""
    plan = two_types()

    believed = believed_durations_s(plan, [done(2), done(4), QUEUED, done(90), QUEUED, QUEUED], {})

    assert believed == pytest.approx([3, 3, 3, 90, 90, 90])


def test_the_rest_of_a_run_is_what_workers_have_yet_to_do() -> None:
    """Done and handed-in tasks are left out; what is being worked on counts with what it still needs."""
    plan = make_plan(
        "done",
        make_task("landing"),
        make_task("busy", estimate_s=10),
        make_task("next", after=["busy", "done"]),
    )
    merging = ProgressRecord(TaskState.MERGING, 1, 500)
    busy = ProgressRecord(TaskState.RUNNING, 2_000, 0)
    progress = [done(1), merging, busy, ProgressRecord(TaskState.PENDING, 0, 0)]

    rest, places = rest_of(graph_of(plan), progress, now_ms=8_000)
    close, _ = rest_of(graph_of(plan), progress, now_ms=11_900)
    late, _ = rest_of(graph_of(plan), progress, now_ms=90_000)

    assert places == [2, 3]
    assert rest.durations_s == [4, 1]
    assert rest.before == [[], [0]]
    assert rest.held == {0}
    assert close.durations_s[0] == 1, "a tenth of its estimate at least"
    assert late.durations_s[0] == 44, "who has outlived its estimate is believed to go on half as long again"


def test_finished_runs_are_forgotten(engine: Engine, worker: WorkerProfile) -> None:
    """A run that has ended is not ranked again."""
    engine.submit(make_plan("one"), base=BASE)
    ranking = Ranking(engine)
    ranking.refresh(workers=1, now_ms=engine.now_ms())
    claim = engine.claim(worker, "c")
    assert claim is not None

    engine.end_and_claim(claim, Finish(), worker, "d")

    assert engine.active_runs() == {}
    assert ranking.refresh(workers=2, now_ms=engine.now_ms()) == 0
