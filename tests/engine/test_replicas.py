"""A master that too few replicas follow (`min-replicas-to-write`) refuses writes, and loses nothing by it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from many_servers import Node

from swarm.engine.claims import Claim, Failure, Finish, WorkerProfile
from swarm.engine.connect import open_store
from swarm.engine.engine import Engine
from swarm.engine.words import words_of
from swarm.errors import StoreUnreachableError
from swarm.states import FailureKind, RunState
from swarm.testing.checker import assert_sound
from swarm.testing.plans import BASE, make_plan, make_task

WORKER, PROJECT = WorkerProfile("worker-a"), "shop"

Call = Callable[[Engine, str, Claim], object]

CALLS: dict[str, Call] = {
    "submit": lambda engine, _run, _held: engine.submit(make_plan("other"), base=BASE),
    "claim": lambda engine, _run, _held: engine.claim(WORKER, "claim-9"),
    "start": lambda engine, _run, held: engine.start(held),
    "renew": lambda engine, _run, held: engine.renew(held),
    "hand in": lambda engine, _run, held: engine.hand_in(held, commit="a" * 40),
    "finish": lambda engine, _run, held: engine.finish(held),
    "finish and claim": lambda engine, _run, held: engine.end_and_claim(held, Finish(), WORKER, "claim-9"),
    "fail": lambda engine, _run, held: engine.fail(held, Failure(FailureKind.TASK_ERROR, "exit code 1")),
    "reclaim": lambda engine, _run, _held: engine.reclaim_worker("worker-a"),
    "heartbeat": lambda engine, _run, _held: engine.heartbeat(WORKER, kind="worker", state="idle"),
    "cancel": lambda engine, run, _held: engine.cancel(run),
    "skip": lambda engine, run, _held: engine.skip(run, "b"),
}


@pytest.fixture
def master(tmp_path: Path) -> Iterator[Node]:
    """A server that nothing follows."""
    node = Node(tmp_path / "master", []).start()
    yield node
    node.stop()


def want_replicas(master: Node, count: int) -> None:
    """So many must follow, or writes are refused."""
    master.tell("CONFIG", "SET", "min-replicas-to-write", count)


def open_queue(master: Node, *, patience_s: float) -> Engine:
    """The project's queue there."""
    return Engine(open_store(f"redis://{master.address}"), PROJECT, patience_s=patience_s)


def contents(master: Node) -> dict[str, object]:
    """Everything that is stored, as the server would move it."""
    return {key: master.tell("DUMP", key) for key in sorted(words_of(master.tell("KEYS", "*")))}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_refused_write_is_an_outage_that_changes_nothing(master: Node, call: Call) -> None:
    """It may be tried again, and the error says what to look at; reads go on."""
    plan = make_plan(
        make_task("a", files=["x.py"]), make_task("b", after=["a"]), make_task("c", files=["x.py"])
    )
    with closing(open_queue(master, patience_s=0.1)) as engine:
        run = engine.submit(plan, base=BASE)
        held = engine.claim(WORKER, "claim-1")
        assert held is not None
        before = contents(master)
        want_replicas(master, 1)

        with pytest.raises(StoreUnreachableError, match="NOREPLICAS") as refused:
            call(engine, run, held)

        assert refused.value.retryable
        assert "min-replicas-to-write" in refused.value.help
        assert contents(master) == before
        assert engine.run(run).state is RunState.ACTIVE


def test_calls_that_were_refused_are_done_once_when_a_replica_follows_again(master: Node) -> None:
    """Each is repeated with its op id for as long as its caller is patient."""
    plan = make_plan(make_task("a", files=["x.py"]), make_task("b", after=["a"], files=["x.py"]))
    with closing(open_queue(master, patience_s=20.0)) as engine:
        calls: list[Callable[[], object]] = [lambda: engine.submit(plan, base=BASE)]
        held: list[Claim] = []

        def take() -> None:
            following = (
                engine.end_and_claim(held[-1], Finish(), WORKER, "claim-2")
                if held
                else engine.claim(WORKER, "claim-1")
            )
            assert following is not None
            held.append(following)

        calls += [take, take, lambda: engine.finish(held[-1])]
        for call in calls:
            want_replicas(master, 1)
            back = threading.Timer(0.2, want_replicas, (master, 0))
            back.start()
            call()
            back.join()

        (run,) = engine.run_ids()
        assert engine.run(run).state is RunState.DONE
        assert [task.attempt for task in engine.tasks(run)] == [1, 1]
        with closing(open_store(f"redis://{master.address}")) as store:
            assert_sound(engine, store)
