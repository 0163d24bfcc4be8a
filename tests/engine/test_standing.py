"""Where a run stands, read without its other tasks."""

from swarm.engine.claims import Failure, WorkerProfile
from swarm.engine.engine import Engine
from swarm.engine.standing import read_standing, standing_of
from swarm.engine.store import Store
from swarm.engine.words import text_of
from swarm.states import FailureKind, TaskState
from swarm.testing.plans import BASE, make_plan, make_task

WORKER = WorkerProfile("w-1")


def busy_run(engine: Engine, key: str) -> str:
    """One task failed, one handed in, one at work, two behind its lock, one done, one ready, one pending."""
    file = [f"{key}/held.py"]
    run = engine.submit(
        make_plan(
            make_task("ready", type="docs"),
            make_task("behind-1", files=file),
            make_task("fails", priority=9),
            make_task("hands-in", priority=8, files=[f"{key}/other.py"]),
            make_task("done", priority=7),
            make_task("runs", priority=6, files=file),
            make_task("behind-2", files=file),
            make_task("pending", after=["runs"]),
        ),
        base=BASE,
        key=key,
    )
    general = WorkerProfile(f"w-{key}", types=("general",))
    held = {}
    for number in range(5):
        claim = engine.claim(general, f"{key}-{number}")
        if claim is None:
            break
        held[claim.task.id] = claim
        if claim.task.id == "fails":
            engine.fail(claim, Failure(FailureKind.POLICY, "wrote a secret"))
        elif claim.task.id == "hands-in":
            engine.start(claim)
            engine.hand_in(claim, commit="a" * 40)
        elif claim.task.id == "done":
            engine.finish(claim)
    assert set(held) == {"fails", "hands-in", "done", "runs"}
    return run


def test_it_is_what_all_of_the_tasks_would_tell(engine: Engine) -> None:
    """In the plan's order, and nothing of another run."""
    one, other = busy_run(engine, "1"), busy_run(engine, "2")

    for run in (one, other):
        read = read_standing(engine, engine.queues(), run, 12)

        assert [task.spec.id for task in read.shown] == ["behind-1", "fails", "hands-in", "runs", "behind-2"]
        assert read == standing_of(engine.tasks(run), 12)
        assert (read.moving, read.needs_person) == (5, 1)
        assert read.shown[1].state is TaskState.FAILED


def reads_of_tasks(store: Store) -> int:
    """How many hashes the server has been asked for, whole."""
    lines = text_of(store.call("INFO", "commandstats")).splitlines()
    calls = [line.partition("calls=")[2] for line in lines if line.startswith("cmdstat_hgetall:")]
    return int(calls[0].partition(",")[0]) if calls else 0


def test_of_many_the_first_are_read(engine: Engine, store: Store) -> None:
    """And all are counted."""
    run, queues = busy_run(engine, "1"), engine.queues()
    before = reads_of_tasks(store)

    read = read_standing(engine, queues, run, 2)

    assert reads_of_tasks(store) - before == 2
    assert ([task.spec.id for task in read.shown], read.moving) == (["behind-1", "fails"], 5)
