"""Limits: how many tasks of a type, or of the project, workers hold at once."""

import threading

import pytest

from swarm.engine.claims import Claim, Finish, WorkerProfile
from swarm.engine.engine import Engine
from swarm.engine.store import Store
from swarm.errors import UsageError
from swarm.testing.clock import SkewedClock
from swarm.testing.plans import BASE, make_plan, make_task

WORKER = WorkerProfile("worker-a")


def claims(engine: Engine, count: int, mark: str = "") -> list[Claim]:
    found = [engine.claim(WORKER, f"c{mark}{number}") for number in range(count)]
    return [claim for claim in found if claim]


def test_no_more_than_the_limit_is_given_out(engine: Engine) -> None:
    """And one more for each that ends."""
    engine.submit(make_plan(*(f"t{n}" for n in range(6))), base=BASE)
    engine.limit("general", 2)

    held = claims(engine, 4)
    engine.finish(held[0])

    assert len(held) == 2
    assert len(claims(engine, 4, "again")) == 1


def test_a_full_type_does_not_hold_up_the_others(engine: Engine) -> None:
    """Its queue is not looked at."""
    plan = make_plan(
        make_task("ui", type="frontend", estimate_s=9), make_task("ux", type="frontend"), make_task("doc")
    )
    engine.submit(plan, base=BASE)
    engine.limit("frontend", 1)

    assert [claim.task.id for claim in claims(engine, 3)] == ["ui", "doc"]


def test_a_limit_of_the_project_counts_every_type(engine: Engine) -> None:
    """Whatever the types' own limits say."""
    engine.submit(make_plan(make_task("a", type="x"), make_task("b", type="y"), "c"), base=BASE)
    engine.limit("*", 2)
    engine.limit("x", 5)

    assert len(claims(engine, 4)) == 2


def test_a_limit_counts_what_is_held_already(engine: Engine) -> None:
    """It may be set in the middle of things; those that hold more go on."""
    engine.submit(make_plan(*(f"t{n}" for n in range(5))), base=BASE)
    held = claims(engine, 3)

    assert engine.limit("general", 2) == 3
    engine.finish(held[0])
    assert claims(engine, 1, "full") == []
    engine.finish(held[1])

    assert len(claims(engine, 3, "room")) == 1


def test_a_lifted_limit_is_forgotten(engine: Engine) -> None:
    """As if it had never been."""
    engine.submit(make_plan(*(f"t{n}" for n in range(3))), base=BASE)
    engine.limit("general", 1)

    engine.limit("general", None)

    assert len(claims(engine, 3)) == 3
    assert engine.controls().limits == {}


def test_a_crash_makes_room(engine: Engine, clock: SkewedClock) -> None:
    """What the reaper takes back is held no more."""
    engine.submit(make_plan("a", "b"), base=BASE)
    engine.limit("general", 1)
    assert len(claims(engine, 2)) == 1

    clock.advance(ms=engine.lease_ms + 1)
    engine.reclaim_expired()

    assert len(claims(engine, 2, "again")) == 1


def test_what_is_handed_in_makes_room(engine: Engine) -> None:
    """Its agent is gone; the merge queue is nobody's concurrency."""
    engine.submit(make_plan(make_task("a", files=["a"]), make_task("b", files=["b"])), base=BASE)
    engine.limit("general", 1)
    (held,) = claims(engine, 2)
    engine.start(held)

    engine.hand_in(held, commit="c")

    assert len(claims(engine, 2, "again")) == 1


def test_the_next_task_may_be_taken_with_the_end_of_the_last(engine: Engine) -> None:
    """The end makes the room that the claim takes."""
    engine.submit(make_plan("a", "b"), base=BASE)
    engine.limit("general", 1)
    (held,) = claims(engine, 2)

    assert engine.end_and_claim(held, Finish(), WORKER, "next") is not None


def test_a_waiting_worker_is_woken_when_there_is_room(engine: Engine) -> None:
    """By the end of what filled the type."""
    engine.submit(make_plan("a", "b"), base=BASE)
    engine.limit("general", 1)
    (held,) = claims(engine, 2)
    while engine.wait(WORKER, timeout_s=0.01):
        pass

    engine.finish(held)

    assert engine.wait(WORKER, timeout_s=0.05)


def test_many_claimers_at_once_never_hold_too_many(engine: Engine) -> None:
    """Eight threads, a limit of three, and the most that were ever held is three."""
    engine.submit(make_plan(*(f"t{n}" for n in range(120))), base=BASE)
    engine.limit("general", 3)
    held: list[int] = []

    def work(name: str) -> None:
        mine, number = engine.clone(), 0
        while len(held) < 120:
            number += 1
            claim = mine.claim(WorkerProfile(name), f"{name}-{number}")
            if claim is None:
                mine.wait(WorkerProfile(name), timeout_s=0.02)
                continue
            held.append(mine.depth("leases"))
            mine.finish(claim)
        mine.close()

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)

    assert len(held) == 120
    assert max(held) == 3


@pytest.mark.parametrize("kind", ["a b", "a\nb", "", "a" * 101, "-a"])
def test_an_order_about_what_no_type_can_be_is_refused(engine: Engine, store: Store, kind: str) -> None:
    """By the script, whoever calls it: nothing is written."""
    with pytest.raises(UsageError, match="no task can have the type"):
        engine.limit(kind, 3)
    with pytest.raises(UsageError, match="no task can have the type"):
        engine.pause_type(kind)

    assert store.call("HGET", engine.keys.of("meta"), "controls") is None


def test_no_limit_leaves_no_key(engine: Engine, store: Store) -> None:
    """What nobody asked for costs nothing."""
    engine.submit(make_plan("a"), base=BASE)

    claims(engine, 1)

    assert store.call("EXISTS", engine.keys.of("held", "general")) == 0
