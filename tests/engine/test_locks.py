"""Lock sets: what a scope compiles to, and that the scripts decide overlap exactly as defined."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swarm.engine.claims import WorkerProfile
from swarm.engine.engine import Engine
from swarm.engine.locks import compile_locks, lock_text, read_locks
from swarm.engine.store import Store
from swarm.plan.model import TaskSpec
from swarm.testing.checker import assert_sound
from swarm.testing.checker_keys import overlap
from swarm.testing.plans import BASE, make_plan, make_task

ANYTHING = WorkerProfile("w")


def spelled(spec: TaskSpec) -> list[str]:
    """A task's locks as they come back from what is stored: mode, extent and node of each."""
    stored = read_locks(lock_text(compile_locks(spec)))
    return sorted(f"{lock.mode}{'*' if lock.is_wide else '-'}{lock.node}" for lock in stored)


@pytest.mark.parametrize(
    ("pattern", "compiled"),
    [
        ("src/a.py", "X-src/a.py/"),
        ("./src//a.py", "X-src/a.py/"),
        ("src/", "X*src/"),
        ("src", "X*src/"),
        ("src/v1.2/", "X*src/v1.2/"),
        ("Makefile", "X*Makefile/"),
        (".gitignore", "X*.gitignore/"),
        ("src/**", "X*src/"),
        ("src/*.py", "X*src/"),
        ("src/a[12].py", "X*src/"),
        ("src/*/test.py", "X*src/"),
        ("*.py", "X*"),
        ("**", "X*"),
        (".", "X*"),
        ("../other", "X*"),
        (":(top)src", "X*"),
        ("src/a\nX-b.py", "X*src/"),
    ],
)
def test_a_pattern_compiles_to_its_literal_prefix(pattern: str, compiled: str) -> None:
    """A glob locks its literal prefix; unsure means wide."""
    assert spelled(make_task("t", files=[pattern])) == [compiled]


def test_a_lock_set_has_one_entry_a_node_and_none_that_another_covers() -> None:
    """Writing wins over reading, and a folder over what is in it."""
    spec = make_task("t", files=["a.py", "src/"], reads=["a.py", "src/x.py", "docs/", "docs/y.md"])

    assert spelled(spec) == ["S*docs/", "X*src/", "X-a.py/"]


NAMES = st.sampled_from(["a", "b", "c.py", "d.py", "*.py", "**", "*"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
SCOPES = st.lists(PATHS, max_size=3)
TASKS = st.builds(lambda files, reads: make_task("t", files=files, reads=reads), SCOPES, SCOPES)


def overlapping(left: TaskSpec, right: TaskSpec) -> bool:
    """The definition: some lock of one excludes some lock of the other."""
    return any(overlap(mine, theirs) for mine in compile_locks(left) for theirs in compile_locks(right))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(scopes=st.lists(TASKS, min_size=2, max_size=6))
def test_the_claim_script_decides_overlap_as_defined(
    engine: Engine, store: Store, scopes: list[TaskSpec]
) -> None:
    """Whatever is held, a task is granted if and only if it overlaps nothing that is held."""
    store.call("FLUSHDB")
    engine.submit(
        make_plan(*(make_task(f"t{n}", files=s.files, reads=s.reads) for n, s in enumerate(scopes))),
        base=BASE,
    )

    granted: list[TaskSpec] = []
    while claim := engine.claim(ANYTHING, f"claim-{len(granted)}"):
        granted.append(claim.task)

    expected: list[TaskSpec] = []
    for number, scope in enumerate(scopes):
        if not any(overlapping(scope, other) for other in expected):
            expected.append(make_task(f"t{number}", files=scope.files, reads=scope.reads))
    assert granted == expected
    assert_sound(engine, store)


def test_readers_share_and_a_writer_waits_for_all_of_them(engine: Engine) -> None:
    """Shared locks are counted: the writer is woken by the last reader."""
    engine.submit(
        make_plan(
            make_task("r1", reads=["doc.md"], priority=2),
            make_task("r2", reads=["doc.md"], priority=2),
            make_task("w", files=["doc.md"]),
        ),
        base=BASE,
    )
    readers = [engine.claim(ANYTHING, "c1"), engine.claim(ANYTHING, "c2")]

    seen = []
    for number, reader in enumerate(readers):
        assert reader is not None
        seen.append(engine.claim(ANYTHING, f"w{number}"))
        engine.start(reader)
        engine.finish(reader)
    writer = engine.claim(ANYTHING, "w9")

    assert seen == [None, None]
    assert writer is not None
    assert writer.task.id == "w"


def test_one_release_wakes_one_of_many(engine: Engine) -> None:
    """A hundred tasks parked on one file: a release moves one, and all of them run in the end."""
    engine.submit(make_plan(*(make_task(f"t{n}", files=["a.py"]) for n in range(101))), base=BASE)
    claim = engine.claim(ANYTHING, "c0")
    assert engine.claim(ANYTHING, "none") is None

    done = 0
    while claim is not None:
        parked = engine.queues()[0].parked
        engine.start(claim)
        engine.finish(claim)
        done += 1
        assert engine.queues()[0].parked == max(parked - 1, 0)
        claim = engine.claim(ANYTHING, f"c{done}")

    assert done == 101


def test_waiting_for_a_lock_is_measured(engine: Engine, store: Store) -> None:
    """From the first blocked attempt to the grant."""
    run = engine.submit(make_plan(make_task("a", files=["x/"]), make_task("b", files=["x/y.py"])), base=BASE)
    first = engine.claim(ANYTHING, "c1")
    assert first is not None
    engine.claim(ANYTHING, "c2")
    store.call("INCRBY", engine.keys.prefix + "skew", 4_000)

    engine.start(first)
    engine.finish(first)
    engine.claim(ANYTHING, "c3")

    assert 4_000 <= engine.task(run, "b").lock_wait_ms < 6_000
    assert engine.task(run, "a").lock_wait_ms == 0


def test_a_lock_is_visible_with_its_holder_and_ttl(engine: Engine, store: Store) -> None:
    """`redis-cli GET 'swarm:{test}:lock:src/'` is for people; no script reads it."""
    run = engine.submit(make_plan(make_task("a", files=["src/*.py"])), base=BASE)
    claim = engine.claim(ANYTHING, "c1")
    assert claim is not None
    engine.start(claim)
    name = engine.keys.of("lock", "src/")

    shown = store.call("GET", name)
    ttl_ms = store.call("PTTL", name)
    engine.release(claim, reason="drain")

    assert shown == f"X {run}/a {claim.token}".encode()
    assert isinstance(ttl_ms, int)
    assert 0 < ttl_ms <= engine.lease_ms
    assert store.call("GET", name) is None


def test_no_lock_is_shown_before_the_work_begins(engine: Engine, store: Store) -> None:
    """Whoever renews while its workspace is made and then gives up leaves nothing that looks locked."""
    engine.submit(make_plan(make_task("build", files=["src/a.py"])), base=BASE)
    claim = engine.claim(WorkerProfile("worker-a"), "claim-1")
    assert claim is not None

    engine.renew(claim)
    shown = store.call("EXISTS", engine.keys.of("lock", "src/a.py"))
    engine.release(claim, reason="drain")

    assert shown == 0
    assert store.call("EXISTS", engine.keys.of("lock", "src/a.py")) == 0


def test_a_shared_lock_is_shown_no_longer_than_somebody_holds_it(engine: Engine, store: Store) -> None:
    """The first reader shows it and goes; the last one, who never began, takes it off the show."""
    names = ("one", "two")
    engine.submit(make_plan(*(make_task(name, reads=["docs/x.md"]) for name in names)), base=BASE)
    first, last = (engine.claim(WorkerProfile(name), "claim-1") for name in names)
    assert first is not None
    assert last is not None
    engine.start(first)

    engine.finish(first)
    while_it_is_held = store.call("EXISTS", engine.keys.of("lock", "docs/x.md"))
    engine.finish(last)

    assert while_it_is_held == 1
    assert store.call("EXISTS", engine.keys.of("lock", "docs/x.md")) == 0
