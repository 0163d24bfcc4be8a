"""The short way through finish-and-claim leaves exactly what the general way leaves."""

import re
from random import Random

import pytest

from swarm.engine.claims import Claim, Expand, Fail, Failure, Finish, HandIn, WorkerProfile
from swarm.engine.engine import Engine
from swarm.engine.store import Store
from swarm.engine.words import hash_of, text_of, words_of
from swarm.plan.model import Plan, TaskSpec
from swarm.states import FailureKind, TaskState
from swarm.testing.checker import assert_sound, check_everything
from swarm.testing.engines import WITHOUT_SHORT_WAY, make_engine
from swarm.testing.plans import BASE, make_plan, make_task

SPANS = ("lock_wait_ms",)
"""Times that may be nothing or a millisecond; of other times it counts that they are there."""
WORKER = WorkerProfile("worker-a")
OF_ONE_TYPE = (WorkerProfile("worker-r", types=("red",)), WorkerProfile("worker-b", types=("blue",)))


def mixed_plan(random: Random) -> Plan:
    """Thirty tasks of two types, most without scope, some with: both ways are gone."""
    tasks: list[TaskSpec] = []
    for number in range(30):
        earlier = [task.id for task in tasks]
        after = random.sample(earlier, min(len(earlier), random.choice((0, 1, 1, 2, 3))))
        files = random.choice(([], [], [], ["a.py"], ["b/"], ["c/d.py", f"e/{number}.py"]))
        reads = random.choice(([], [], ["docs/x.md", f"docs/{number % 3}.md"], ["docs/"]))
        kind = random.choice(("red", "blue"))
        tasks.append(make_task(f"t{number}", after=after, files=files, reads=reads, type=kind))
    return make_plan(*tasks, goal=str(random.random()))


def narrow_plan(random: Random) -> Plan:
    """A chain with a spur here and there: who ends a task mostly readies the only one that can go next."""
    tasks: list[TaskSpec] = []
    for number in range(20):
        after = [random.choice(tasks[-3:]).id] if tasks else []
        files = random.choice(([], [], ["a.py"], [f"e/{number}.py"]))
        kind = random.choice(("red", "red", "blue"))
        priority = random.randrange(3)
        tasks.append(make_task(f"t{number}", after=after, files=files, type=kind, priority=priority))
    return make_plan(*tasks, goal=str(random.random()))


def work_through(engine: Engine, store: Store, seed: int) -> list[object]:
    """Go through plans mostly by finish-and-claim; each claim and its token, and now and then all keys."""
    random = Random(seed)
    plan = narrow_plan if seed % 3 == 0 else mixed_plan
    runs = [engine.submit(plan(random), base=BASE) for _ in range(3)]
    claimed: list[object] = []
    claim: Claim | None = None
    workers = OF_ONE_TYPE if seed % 2 else (WORKER,)
    for number in range(400):
        worker = random.choice(workers)
        if random.randrange(12) == 0:
            steer = random.choice((engine.pause, engine.resume, engine.resume))
            steer(random.choice(runs))
        if claim is None:
            claim = next(filter(None, (engine.claim(one, f"c{number}") for one in workers)), None)
            if claim is None:
                break
        claimed.append((claim.task.id, claim.token))
        if number % 8 == 0:
            claimed.append(contents(store, engine))
        how = random.randrange(8)
        if how == 0:
            claim = engine.end_and_claim(
                claim, Fail(Failure(FailureKind.CONFLICT, "no")), worker, f"c{number}"
            )
        elif how == 1:
            engine.start(claim)
            claim = engine.end_and_claim(claim, HandIn("c"), worker, f"c{number}")
            [ticket] = engine.begin_merge("merger")
            engine.complete(ticket, commit="landed")
        elif how == 2 and "." not in claim.task.id:
            parts = make_plan("x", make_task("y", after=["x"], files=["c/d.py"], type="red"))
            claim = engine.end_and_claim(claim, Expand(parts), worker, f"c{number}")
        else:
            if how < 5:
                engine.start(claim)
            claim = engine.end_and_claim(claim, Finish(), worker, f"c{number}")
    return claimed


def contents(store: Store, engine: Engine) -> dict[str, object]:
    """Every key's value without what no two runs share: times, stream ids and the callers' names."""
    found: dict[str, object] = {}
    for name in words_of(store.call("KEYS", "*")):
        kind = text_of(store.call("TYPE", name))
        if name.endswith((":skew", ":tick", ":runs")) or "lock:" in name:
            continue
        if kind == "hash":
            values = hash_of(store.call("HGETALL", name))
            # A field that holds nothing says what an absent one says.
            values["durations"] = re.sub(r"\t\d+$", "", values.get("durations", ""), flags=re.MULTILINE)
            values["claim"] = re.sub(r"^(\d+ \d+) \d+", r"\1", values.get("claim", ""))
            values["took"] = re.sub(r"^\d+ ", "", values.get("took", ""))
            values["history"] = re.sub(r'_ms":\d+', "", values.get("history", ""))
            told = {k: v for k, v in values.items() if v not in {"", "0"} and k not in SPANS}
            own = [k for k in told if k.startswith(("op:", "claim:"))]
            found[name] = {
                k: k if k.endswith("_ms") or k == "took" else v for k, v in told.items() if k not in own
            }
        elif kind == "zset":
            found[name] = (
                words_of(store.call("ZRANGE", name, 0, -1)) if not name.endswith("leases") else "leases"
            )
        elif kind == "list":
            found[name] = words_of(store.call("LRANGE", name, 0, -1))
        elif kind == "set":
            found[name] = sorted(words_of(store.call("SMEMBERS", name)))
    found["events"] = [
        (event.kind, event.task, {k: v for k, v in event.fields.items() if k != "until_ms"})
        for event in engine.events(limit=5000)
    ]
    return found


@pytest.mark.parametrize("seed", range(18))
def test_both_ways_leave_the_same_keys(store: Store, seed: int) -> None:
    """The same plan, the same claims, the same events and the same fields, with the short way and without."""
    outcomes = []
    for lua in ({}, WITHOUT_SHORT_WAY):
        store.call("FLUSHALL")
        engine = make_engine(store, lua=lua)
        claimed = work_through(engine, store, seed)
        assert check_everything(engine, store) == []
        outcomes.append((claimed, contents(store, engine)))

    assert outcomes[0] == outcomes[1]


def test_who_is_handed_over_keeps_the_number_of_its_attempt(store: Store) -> None:
    """A task that was tried before and waits again is in its second attempt when its dependency ends."""
    engine = make_engine(store)
    run = engine.submit(make_plan("a", make_task("b", after=["a"])), base=BASE)
    engine.skip(run, "a")
    assert engine.claim(WORKER, "c1") is not None
    engine.cancel(run, "b")
    engine.retry(run, "a")
    claim = engine.claim(WORKER, "c2")
    assert claim is not None
    assert claim.task.id == "a"

    following = engine.end_and_claim(claim, Finish(), WORKER, "c3")

    assert following is not None
    assert (following.task.id, following.attempt) == ("b", 2)
    assert_sound(engine, store)


@pytest.mark.parametrize("field", ["tip", "branch"])
def test_a_damaged_run_is_a_matter_for_the_general_way(store: Store, field: str) -> None:
    """The attempt ends, the claim errs, and no count is wrong."""
    engine = make_engine(store)
    run = engine.submit(make_plan("a", "z"), base=BASE)
    claim = engine.claim(WORKER, "c1")
    damaged = engine.keys.of("run", engine.submit(make_plan(make_task("q", priority=9)), base=BASE))
    kept = store.call("HGET", damaged, field)
    assert claim is not None
    assert isinstance(kept, bytes)
    store.call("HDEL", damaged, field)

    engine.end_and_claim(claim, Finish(), WORKER, "c2")

    assert engine.task(run, claim.task.id).state is TaskState.DONE
    store.call("HSET", damaged, field, kept)
    assert_sound(engine, store)


def test_the_short_way_is_cheap(store: Store) -> None:
    """It costs at most 25 of the server's commands a task, and one read of a socket."""
    engine = Engine(store, "count")
    plan = make_plan(*(make_task(f"t{n}", after=[f"t{n - 1}"] if n else []) for n in range(40)))
    engine.submit(plan, base=BASE)
    claim = engine.claim(WORKER, "first")
    before = _counters(store)

    for number in range(30):
        assert claim is not None
        claim = engine.end_and_claim(claim, Finish(), WORKER, f"c{number}")

    commands, reads = (after - start for after, start in zip(_counters(store), before, strict=True))
    # One of the commands and one of the reads are the question itself.
    assert (commands - 1) / 30 <= 25
    assert reads / 30 <= 1.2


def test_lots_beyond_what_one_call_wakes_are_left_and_told(store: Store) -> None:
    """A task that ends for 130 lots says that there is more, and its worker sees to it at once."""
    engine, lots = Engine(store, "lots"), 130
    waiting = [make_task(f"t{n}", files=["a.py"], type=f"kind{n}") for n in range(lots)]
    holder = make_task("holder", files=["a.py"], type="first", priority=9)
    engine.submit(make_plan(holder, make_task("next", type="first"), *waiting), base=BASE)
    worker = WorkerProfile("worker-a", types=("first",))
    claim = engine.claim(worker, "c1")
    assert claim is not None
    for number in range(lots):
        assert engine.claim(WorkerProfile(f"w{number}", types=(f"kind{number}",)), "c1") is None

    following = engine.end_and_claim(claim, Finish(), worker, "c2")

    assert following is not None
    assert store.call("ZCARD", engine.keys.of("lots")) == 0
    assert_sound(engine, store)


def _counters(store: Store) -> tuple[int, int]:
    fields = dict(
        line.split(":", 1) for line in text_of(store.call("INFO", "stats")).splitlines() if ":" in line
    )
    return int(fields["total_commands_processed"]), int(fields["total_reads_processed"])
