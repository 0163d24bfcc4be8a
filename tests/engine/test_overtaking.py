"""Bounded overtaking: a task that many small ones overtake gets its turn, and a turn ends."""

import pytest

from swarm.engine.claims import Claim, WorkerProfile
from swarm.engine.engine import Engine
from swarm.engine.ranks import urgency
from swarm.engine.scripts import read_script
from swarm.engine.store import Store
from swarm.engine.words import hash_of
from swarm.states import TaskState
from swarm.testing.checker import assert_sound
from swarm.testing.clock import SkewedClock
from swarm.testing.engines import make_engine
from swarm.testing.plans import BASE, make_plan, make_task

ROUNDS = 30
OVERTAKINGS = 5
"""As `_turn.lua` has it."""

NEVER = read_script("_turn").replace("OVERTAKINGS, PATIENCE_MS = 5,", "OVERTAKINGS, PATIENCE_MS = 999,")
assert read_script("_turn") != NEVER


class Stream:
    """Two streams of short tasks on the two files of one long one, which they overtake by turns."""

    def __init__(self, engine: Engine, *, wide: bool = False) -> None:
        self.engine = engine
        names = [(f"{side}{number}", f"{side}.py") for number in range(ROUNDS) for side in "ab"]
        files = ["./"] if wide else ["a.py", "b.py"]
        small = [make_task(name, files=[file], type="small", priority=9) for name, file in names]
        late = make_task("both", files=files, type="both", priority=-9)
        self.run = engine.submit(make_plan(*small, late), base=BASE)
        self.number = 0
        self.held = [self.claim("small"), self.claim("small")]

    def claim(self, kind: str) -> Claim | None:
        """What a worker of this type gets now."""
        self.number += 1
        return self.engine.claim(WorkerProfile(f"w-{kind}", types=(kind,)), f"c{self.number}")

    def round(self) -> Claim | None:
        """One small task ends, the long one is tried for, then the next small one; what the long one got."""
        claim = self.held.pop(0)
        if claim:
            self.engine.finish(claim)
        long = self.claim("both")
        self.held.append(self.claim("small"))
        return long

    def state(self) -> TaskState:
        """Of the long task."""
        return self.engine.task(self.run, "both").state


def turn_of(store: Store, engine: Engine) -> str:
    """The member whose turn it is, or nothing."""
    return hash_of(store.call("HGETALL", engine.keys.of("meta"))).get("turn", "").partition(" ")[2]


@pytest.mark.parametrize("wide", [False, True])
def test_a_task_is_overtaken_only_so_often(store: Store, *, wide: bool) -> None:
    """It gets its locks after so many grants at most; without the rule, at the very end."""
    rounds = {}
    for name, lua in (("bounded", {}), ("unbounded", {"_turn": NEVER})):
        store.call("FLUSHALL")
        engine = make_engine(store, lua=lua)
        stream = Stream(engine, wide=wide)
        rounds[name] = next(number for number in range(3 * ROUNDS) if stream.round())
        assert_sound(engine, store)

    assert rounds["unbounded"] >= 2 * ROUNDS - 2
    assert rounds["bounded"] <= OVERTAKINGS + 3


def given_turn(engine: Engine, store: Store) -> Stream:
    """A stream whose long task has got its turn, and waits for the last holder."""
    stream = Stream(engine)
    for _ in range(ROUNDS):
        if turn_of(store, engine):
            break
        assert stream.round() is None
    assert turn_of(store, engine) == f"{stream.run}/both"
    return stream


def test_others_with_a_free_scope_go_on_during_a_turn(engine: Engine, store: Store) -> None:
    """Only what excludes the waiting scope stands back, on a path that it names."""
    stream = given_turn(engine, store)
    other = engine.submit(make_plan(make_task("free", files=["c.py"], type="small"), goal="other"), base=BASE)

    claim = stream.claim("small")

    assert claim is not None
    assert (claim.run, claim.task.id) == (other, "free")
    assert "turn_given" in [event.kind for event in engine.events(limit=1000)]
    assert_sound(engine, store)


@pytest.mark.parametrize("how", ["cancelled", "not claimable"])
def test_a_turn_that_cannot_be_taken_ends(engine: Engine, store: Store, clock: SkewedClock, how: str) -> None:
    """A cancelled task, or one that nobody takes for a minute, holds up nobody."""
    stream = given_turn(engine, store)
    for claim in filter(None, stream.held):
        engine.finish(claim)
    assert stream.claim("small") is None  # both files are kept for the long one
    if how == "cancelled":
        engine.cancel(stream.run, "both")
    for _ in range(16):
        engine.reclaim_expired()
        clock.advance(ms=4_900)

    then = [stream.claim("small"), stream.claim("small")]

    assert None not in then
    assert turn_of(store, engine) == ""
    assert_sound(engine, store)


def test_a_turn_is_kept_while_its_task_waits_for_a_holder(
    engine: Engine, store: Store, clock: SkewedClock
) -> None:
    """However long a holder takes, as long as it renews."""
    stream = given_turn(engine, store)
    holders = [claim for claim in stream.held if claim]

    for _ in range(60):
        engine.reclaim_expired()
        for claim in holders:
            engine.renew(claim)
        clock.advance(ms=4_900)

    assert turn_of(store, engine) == f"{stream.run}/both"
    assert stream.claim("small") is None
    for claim in holders:
        engine.finish(claim)
    long = stream.claim("both")
    assert long is not None
    assert turn_of(store, engine) == ""
    engine.finish(long)
    assert stream.claim("small") is not None
    assert_sound(engine, store)


def test_a_task_that_asks_for_more_does_not_take_anothers_turn(engine: Engine, store: Store) -> None:
    """What is free but kept for the task whose turn it is, is not free for an extension either."""
    stream = Stream(engine)
    engine.submit(make_plan(make_task("asking", files=["c.py"], type="asking")), base=BASE)
    asking = stream.claim("asking")
    assert asking is not None
    while not turn_of(store, engine):
        assert stream.round() is None
    held = {lock.path for lock in engine.locks()}
    (kept,) = {"a.py", "b.py"} - held

    extension = engine.extend(asking, files=[kept])

    assert not extension.is_granted
    assert_sound(engine, store)
    while not (long := stream.round()):
        assert_sound(engine, store)
    engine.finish(long)
    assert stream.claim("asking") is not None


def test_another_rank_takes_nobodys_turn(engine: Engine, store: Store) -> None:
    """Ranked again while it stands in front of its queue, the task is still the first to be claimed."""
    stream = given_turn(engine, store)
    engine.submit(make_plan(make_task("urgent", type="both", priority=9), goal="other"), base=BASE)
    for claim in filter(None, stream.held):
        engine.finish(claim)

    engine.rerank(stream.run, {"both": urgency(0.5, -9)})

    long = stream.claim("both")
    assert long is not None
    assert long.task.id == "both"


def test_a_person_who_retries_a_task_forgets_that_it_was_overtaken(engine: Engine, store: Store) -> None:
    """It begins to wait anew."""
    stream = Stream(engine)
    for _ in range(3):
        assert stream.round() is None
    name = engine.keys.of("task", f"{stream.run}/both")
    assert hash_of(store.call("HGETALL", name))["overtaken"] != "0"

    engine.cancel(stream.run, "both")
    engine.retry(stream.run, "both")

    assert hash_of(store.call("HGETALL", name))["overtaken"] == "0"


def test_folders_in_and_around_a_waiting_scope_are_kept_too(engine: Engine, store: Store) -> None:
    """A lock on a folder above it, and one in a folder that it wants, are excluded as equal paths are."""
    stream = given_turn(engine, store)
    around = make_plan(
        make_task("root", files=["./"], type="around"),
        make_task("reads", reads=["./"], type="around"),
        make_task("beside", files=["docs/"], type="around"),
        goal="around",
    )
    other = engine.submit(around, base=BASE)
    for claim in filter(None, stream.held):
        engine.finish(claim)

    first, second = stream.claim("around"), stream.claim("around")

    assert first is not None
    assert (first.run, first.task.id) == (other, "beside")
    assert second is None
    assert_sound(engine, store)


def test_a_run_is_forgotten_only_when_no_task_of_it_has_the_turn(engine: Engine, store: Store) -> None:
    """Whoever waits for the turn is woken by what ends it, which reads the task."""
    stream = given_turn(engine, store)
    engine.cancel(stream.run)

    assert not engine.forget(stream.run)
    assert_sound(engine, store)
    engine.reclaim_expired()
    assert engine.forget(stream.run)
