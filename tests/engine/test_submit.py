"""Submission: idempotent, chunked, resumable, refused for another repository."""

import itertools
import threading

import pytest

from swarm.engine.claims import Finish, WorkerProfile
from swarm.engine.encoding import encode_spec
from swarm.engine.engine import Engine
from swarm.engine.ranks import AGES, rank_of
from swarm.engine.store import Store
from swarm.engine.submission import SCHEMA, plan_chunks, run_id
from swarm.engine.words import words_of
from swarm.errors import RefusedError, UnknownRunError, UnknownTaskError
from swarm.plan.model import Plan
from swarm.states import RunState, TaskState
from swarm.testing.plans import BASE, make_plan, make_task


def specs_of(plan: Plan) -> list[str]:
    """The tasks as they are stored."""
    return [encode_spec(task) for task in plan.tasks]


def test_twenty_submits_at_once_make_one_run(engine: Engine) -> None:
    """The run's id is a hash of its content, so a repetition finds it."""
    plan = make_plan(*(make_task(f"t{n}", after=[f"t{n - 1}"] if n % 7 else []) for n in range(400)))
    runs: list[str] = []

    def submit() -> None:
        mine = engine.clone()
        runs.append(mine.submit(plan, base=BASE))
        mine.close()

    threads = [threading.Thread(target=submit) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(runs) == 20
    assert engine.run_ids() == [runs[0]]
    assert sum(engine.run(runs[0]).counts.values()) == 400
    assert [event.kind for event in engine.events()].count("tasks_added") == 3


def test_a_removed_run_whose_tasks_stay_is_an_error(engine: Engine, store: Store) -> None:
    """Not a loop without end: it says what is there and what to do."""
    plan = make_plan("build")
    run = engine.submit(plan, base=BASE)
    store.call("DEL", engine.keys.of("run", run))  # and nothing is left in `work` that would remove the rest

    with pytest.raises(RefusedError, match=f"run {run} was removed") as refused:
        engine.submit(plan, base=BASE)

    assert "--key" in refused.value.hint
    assert engine.submit(plan, base=BASE, key="other") != run
    store.call("FLUSHDB")  # what is left has no run


def test_another_base_or_key_is_another_run(engine: Engine) -> None:
    """A person who wants the same plan again gives it another key."""
    plan = make_plan("build")

    runs = {
        engine.submit(plan, base=BASE),
        engine.submit(plan, base="c" * 40),
        engine.submit(plan, base=BASE, key="again"),
    }

    assert len(runs) == 3


def test_a_run_that_was_loaded_halfway_is_not_claimable_and_can_be_resumed(
    engine: Engine, worker: WorkerProfile
) -> None:
    """The submitter dies between two chunks; submitting again goes on from there."""
    plan = make_plan(*(f"t{n}" for n in range(200)))
    run = run_id(engine.project, plan, specs_of(plan), base=BASE, key="")
    engine._caller.call("open_run", run, "", f"swarm/{run}", BASE, "", SCHEMA, len(plan.tasks))
    engine._caller.call("submit", run, 0, *next(plan_chunks(plan, specs_of(plan), 0)))

    while_loading = (engine.run(run).state, engine.claim(worker, "claim-1"))
    resumed = engine.submit(plan, base=BASE)

    assert while_loading == (RunState.LOADING, None)
    assert resumed == run
    assert engine.run(run).state is RunState.ACTIVE
    assert engine.run(run).counts[TaskState.QUEUED] == 200


def half_stored(engine: Engine, plan: Plan, *, chunks: int) -> str:
    """A run whose submitter died after so many chunks."""
    run = run_id(engine.project, plan, specs_of(plan), base=BASE, key="")
    engine._caller.call("open_run", run, "", f"swarm/{run}", BASE, "", SCHEMA, len(plan.tasks))
    for number, chunk in enumerate(itertools.islice(plan_chunks(plan, specs_of(plan), 0), chunks)):
        engine._caller.call("submit", run, number, *chunk)
    return run


@pytest.mark.parametrize(("chunks", "stored"), [(0, 0), (1, 150)])
def test_a_half_stored_run_that_was_cancelled_can_be_retried_and_then_resumed(
    engine: Engine, worker: WorkerProfile, chunks: int, stored: int
) -> None:
    """Its other half is still to come: nobody works on it before the activation says that it is whole."""
    plan = make_plan(*(f"t{n}" for n in range(200)))
    run = half_stored(engine, plan, chunks=chunks)
    engine.cancel(run)

    moved = engine.retry(run)
    retried, claim = engine.run(run), engine.claim(worker, "early")
    engine.submit(plan, base=BASE)

    assert (moved, retried.state, claim) == (stored, RunState.LOADING, None)
    assert engine.run(run).state is RunState.ACTIVE
    assert engine.run(run).counts[TaskState.QUEUED] == 200
    assert engine.claim(worker, "late") is not None


def test_a_half_stored_run_whose_tasks_were_cancelled_one_by_one_has_not_ended(engine: Engine) -> None:
    """What is still to be stored is stored; a run that is whole and has nothing left to do ends."""
    plan = make_plan(*(f"t{n}" for n in range(151)))
    run = half_stored(engine, plan, chunks=1)
    for number in range(1, 151):
        engine.cancel(run, f"t{number}")

    before = engine.run(run).state
    engine.submit(plan, base=BASE)
    submitted = engine.run(run)
    engine.cancel(run, "t0")

    assert (before, submitted.state) == (RunState.LOADING, RunState.ACTIVE)
    assert submitted.counts[TaskState.QUEUED] == 1
    assert engine.run(run).state is RunState.CANCELLED


def test_a_run_that_was_cancelled_to_its_last_task_ends_with_its_activation(
    engine: Engine,
) -> None:
    """Nothing that moves later would end it."""
    plan = make_plan("a", "b")
    run = half_stored(engine, plan, chunks=1)
    engine.cancel(run, "a")
    engine.cancel(run, "b")

    engine.submit(plan, base=BASE)

    assert engine.run(run).state is RunState.CANCELLED
    assert engine.run(run).ended_ms


def test_chunks_that_begin_in_the_middle_of_a_wide_task_keep_every_place_and_dependent(
    engine: Engine, store: Store
) -> None:
    """Dependents that fill several chunks are those of one task; what comes after it keeps place and age."""
    many = [f"x{number}" for number in range(1300)]
    plan = make_plan("a", "b", "hub", *(make_task(name, after=["hub"]) for name in many))
    run = engine.submit(plan, base=BASE)

    scores = [task.score for task in engine.progress(run, [task.id for task in plan.tasks])]
    listed = words_of(store.call("LRANGE", engine.keys.of("dependents", f"{run}/hub"), 0, -1))
    index = words_of(store.call("ZRANGE", engine.keys.of("index", run), 0, -1, "WITHSCORES"))

    assert [score % AGES for score in scores] == list(range(1303))
    assert listed == many
    assert index[1::2] == [str(place) for place in range(1303)]


def test_activation_goes_on_without_its_submitter(engine: Engine) -> None:
    """What one script does not activate is left as work, and a reclaim tick does it."""
    plan = make_plan(*(f"t{n}" for n in range(200)))
    run = run_id(engine.project, plan, specs_of(plan), base=BASE, key="")
    engine._caller.call("open_run", run, "", f"swarm/{run}", BASE, "", SCHEMA, len(plan.tasks))
    for number, chunk in enumerate(plan_chunks(plan, specs_of(plan), 0)):
        engine._caller.call("submit", run, number, *chunk)
    engine._caller.call("activate", run, 2)

    engine.reclaim_expired()

    assert engine.run(run).state is RunState.ACTIVE
    assert engine.run(run).counts[TaskState.QUEUED] == 200


def test_a_project_name_belongs_to_one_repository(engine: Engine) -> None:
    """Locks are shared by all runs of a project, so two repositories must not share one."""
    engine.submit(make_plan("build"), base=BASE, repository="/srv/one")

    with pytest.raises(RefusedError, match="/srv/one"):
        engine.submit(make_plan("other"), base=BASE, repository="/srv/two")


def test_data_of_another_version_is_refused(engine: Engine, store: Store) -> None:
    """Scripts that read other fields would move its tasks wrongly; the refusal says what to do."""
    kept = engine.submit(make_plan("build"), base=BASE)
    store.call("HSET", engine.keys.of("meta"), "schema", "0")

    with pytest.raises(RefusedError, match=r"another version of swarm \(schema 0\)") as refused:
        engine.submit(make_plan("other"), base=BASE)

    assert "another `project`" in refused.value.help
    assert engine.run_ids() == [kept]


def test_the_longest_path_goes_first_then_priority_then_age(engine: Engine, worker: WorkerProfile) -> None:
    """The dispatch score packs them in this order."""
    engine.submit(
        make_plan(
            make_task("old", estimate_s=5),
            make_task("young", estimate_s=5),
            make_task("important", estimate_s=5, priority=3),
            make_task("root", estimate_s=1),
            make_task("long", after=["root"], estimate_s=60),
        ),
        base=BASE,
    )

    order = []
    for number in range(4):
        claim = engine.claim(worker, f"claim-{number}")
        assert claim is not None
        order.append(claim.task.id)

    assert order == ["root", "important", "old", "young"]


def test_the_queue_is_readable_with_redis_cli(engine: Engine, store: Store) -> None:
    """ZCARD is the depth, and the score's digits are rank, priority and age."""
    engine.submit(make_plan(make_task("build", estimate_s=5, priority=3)), base=BASE)

    entry = words_of(store.call("ZRANGE", "swarm:{test}:queue:general", 0, -1, "WITHSCORES"))

    assert entry[0].endswith("/build")
    rank, rest = divmod(int(entry[1]), 10**8)
    assert rest == 47 * 10**6
    assert rank_of(int(entry[1])) == pytest.approx(5, rel=1e-5)
    assert 0 < rank < 9_999_999


def test_unknown_names_are_errors(engine: Engine) -> None:
    """Reading or moving what is not there names it."""
    run = engine.submit(make_plan("build"), base=BASE)

    with pytest.raises(UnknownRunError, match="nowhere"):
        engine.run("nowhere")
    with pytest.raises(UnknownRunError, match="nowhere"):
        engine.cancel("nowhere")
    with pytest.raises(UnknownTaskError, match="nothing"):
        engine.task(run, "nothing")
    with pytest.raises(UnknownTaskError, match="nothing"):
        engine.retry(run, "nothing")


def test_events_are_read_in_pages_and_waited_for(engine: Engine) -> None:
    """Each page goes on after the last entry; a wait without news ends by itself."""
    engine.submit(make_plan("a", "b", "c"), base=BASE)

    first = engine.events(limit=2)
    rest = engine.events(after=first[-1].id)
    nothing = engine.events(after=rest[-1].id, block_ms=20)

    assert [event.kind for event in first + rest] == [
        "run_submitted",
        "tasks_added",
        "tasks_queued",
        "run_activated",
    ]
    assert nothing == []


def test_events_of_one_entry_are_told_apart(engine: Engine, store: Store) -> None:
    """An end and the claim that came with it are one entry; each has an id to go on from."""
    worker = WorkerProfile("w")
    engine.submit(make_plan("a", "b"), base=BASE)
    claim = engine.claim(worker, "1")
    assert claim is not None
    entries = store.call("XLEN", engine.keys.of("events"))
    assert isinstance(entries, int)

    engine.end_and_claim(claim, Finish(), worker, "2")

    told = engine.events()
    done, claimed = told[-2:]
    assert store.call("XLEN", engine.keys.of("events")) == entries + 1
    assert (done.kind, claimed.kind) == ("task_done", "task_claimed")
    assert claimed.id == f"{done.id}.1"
    assert engine.events(after=done.id) == engine.newest_events(1) == [claimed]
    assert engine.events(after=engine.last_event_id(), block_ms=20) == []
    paged = engine.events(limit=1)
    while page := engine.events(after=paged[-1].id, limit=1):
        paged += page
    assert paged == told
    assert engine.trim_events("archive", upto=claimed.id, keep=0)


@pytest.mark.parametrize("goal", ["", "a b", "50%20 = half", "line\nof=two", "\u202e\t é 100% "])
def test_an_event_says_any_text_as_it_was_said(engine: Engine, goal: str) -> None:
    """An event is one line in the stream; spaces, percent and equals signs come out of it as they went in."""
    run = engine.submit(make_plan("a", goal=goal), base=BASE)

    told = engine.events()[0]

    assert (told.kind, told.run, told.task, told.fields["goal"]) == ("run_submitted", run, "", goal)


def test_a_waiting_reader_gets_the_next_event(engine: Engine) -> None:
    """A reader that blocks is woken by the event itself."""
    reader = engine.clone()
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.extend(e.kind for e in reader.events(block_ms=2_000)))
    thread.start()

    engine.submit(make_plan("a"), base=BASE)
    thread.join()
    reader.close()

    assert found[0] == "run_submitted"


def test_a_task_with_thousands_of_dependencies_is_stored_in_parts(engine: Engine) -> None:
    """No script stores more than a few hundred edges, and the task waits for every one of them."""
    names = [f"t{n}" for n in range(1_200)]

    plan = make_plan(*names, make_task("end", after=names))
    chunks = list(plan_chunks(plan, specs_of(plan), 0))
    run = engine.submit(plan, base=BASE)

    assert len(chunks) == 9
    assert len(engine.task(run, "end").waiting_for) == 1_200
    assert engine.run(run).counts[TaskState.PENDING] == 1
    assert engine.run(run).counts[TaskState.QUEUED] == 1_200
