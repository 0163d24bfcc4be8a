"""Who gets which task: types, executors, bells."""

import threading
import time
from dataclasses import replace
from typing import Any  # the fields of a task

import pytest

from swarm.engine.claims import Failure, WorkerProfile
from swarm.engine.engine import Engine
from swarm.engine.records import QueueRecord
from swarm.states import FailureKind
from swarm.testing.clock import SkewedClock
from swarm.testing.plans import BASE, make_plan, make_task

ALL = ("command", "messages")


def test_a_worker_of_the_wrong_type_never_takes_a_task(engine: Engine) -> None:
    """It does not even move it: the queue is as it was."""
    run = engine.submit(make_plan(make_task("ui", type="frontend")), base=BASE)

    claim = engine.claim(WorkerProfile("b", types=("backend", "docs")), "claim-1")

    assert claim is None
    assert engine.queues() == [QueueRecord("frontend", queued=1, parked=0)]
    assert engine.task(run, "ui").attempt == 0


def test_a_task_for_another_executor_does_not_block_those_behind_it(engine: Engine) -> None:
    """A thousand model tasks ahead: the worker without a model finds its command behind them."""
    tasks = [make_task(f"m{n}", executor="messages", estimate_s=9) for n in range(1_000)]
    engine.submit(make_plan(*tasks, make_task("cmd", executor="command", estimate_s=1)), base=BASE)

    claim = engine.claim(WorkerProfile("b", executors=("command",)), "claim-1")

    assert claim is not None
    assert claim.task.id == "cmd"
    assert engine.queues() == [QueueRecord("general", queued=1_000, parked=0)]


@pytest.mark.parametrize("looked_at", [{"review": True}, {"best_of": 2}])
def test_a_command_that_a_model_looks_at_waits_for_a_worker_with_one(
    engine: Engine, looked_at: dict[str, Any]
) -> None:
    """Whoever cannot have it looked at gets what is behind it, and a bell rings only for those who can."""
    judged = replace(make_task("judged", estimate_s=9), **looked_at)
    engine.submit(make_plan(judged, make_task("plain", estimate_s=1)), base=BASE)
    commands = WorkerProfile("b", executors=("command",))

    claims = [engine.claim(commands, "claim-1"), engine.claim(commands, "claim-2")]
    claim = engine.claim(WorkerProfile("c"), "claim-3")

    assert [one and one.task.id for one in claims] == ["plain", None]
    assert claim is not None
    assert claim.task.id == "judged"


def test_a_parked_task_that_nobody_serves_does_not_keep_others_parked(engine: Engine) -> None:
    """Each type and executor has a lot of its own, so a wake-up never goes to a task that nobody takes."""
    engine.submit(
        make_plan(
            make_task("holder", files=["a.py"], estimate_s=9),
            make_task("model", files=["a.py"], executor="messages", estimate_s=5),
            make_task("cmd", files=["a.py"], estimate_s=1),
        ),
        base=BASE,
    )
    commands = WorkerProfile("b", executors=("command",))
    holder = engine.claim(commands, "claim-1")
    assert holder is not None
    assert engine.claim(WorkerProfile("c", executors=ALL), "claim-2") is None

    engine.start(holder)
    engine.finish(holder)
    claim = engine.claim(commands, "claim-3")

    assert claim is not None
    assert claim.task.id == "cmd"


def test_a_waiting_worker_is_woken_by_a_submission(engine: Engine) -> None:
    """The bell rings when a task becomes claimable; a wait that ends by itself says so."""
    worker = WorkerProfile("b", types=("frontend",))
    assert engine.claim(worker, "claim-1") is None
    sleeper = engine.clone()
    woken: list[bool] = []
    thread = threading.Thread(target=lambda: woken.append(sleeper.wait(worker, timeout_s=2.0)))
    thread.start()
    deadline = time.monotonic() + 20
    while b"blocked_clients:1" not in bytes(engine._store.call("INFO", "clients") or b""):  # type: ignore[arg-type]
        assert time.monotonic() < deadline, "the worker does not wait"
    engine.submit(make_plan(make_task("ui", type="frontend")), base=BASE)
    thread.join()
    sleeper.close()

    assert woken == [True]


def test_a_worker_for_all_types_is_woken_by_a_new_type(engine: Engine, worker: WorkerProfile) -> None:
    """It cannot know the type's bell, so a new type rings one for everybody."""
    assert engine.claim(worker, "claim-1") is None

    engine.submit(make_plan(make_task("x", type="never-seen")), base=BASE)

    assert engine.wait(worker, timeout_s=0.5)


def test_a_bell_that_announced_what_is_gone_is_silenced(engine: Engine, worker: WorkerProfile) -> None:
    """After an empty claim the worker sleeps instead of waking for tokens of tasks that others took."""
    engine.submit(make_plan("one", "two", "three"), base=BASE)
    for number in range(4):
        engine.claim(worker, f"claim-{number}")
    engine.wait(worker, timeout_s=0.05)  # the bell of the new type, which is for everybody

    assert not engine.wait(worker, timeout_s=0.05)


def test_a_task_in_backoff_is_claimable_when_it_is_due(
    engine: Engine, worker: WorkerProfile, clock: SkewedClock
) -> None:
    """Nobody needs to tick for it: the claim itself moves what is due."""
    run = engine.submit(make_plan("build"), base=BASE)
    first = engine.claim(worker, "claim-1")
    assert first is not None
    engine.fail(first, Failure(FailureKind.TASK_ERROR, "no"))

    too_early = engine.claim(worker, "claim-2")
    clock.advance(ms=engine.task(run, "build").not_before_ms - engine.task(run, "build").queued_ms)
    due = engine.claim(worker, "claim-3")

    assert too_early is None
    assert due is not None
    assert due.attempt == 2
