"""A running task asks for more files: its locks grow, or it waits for all of them without any."""

import pytest
from expansion_board import WORKER, Board

from swarm.engine.engine import Engine
from swarm.engine.extension import grown_spec, stored_scope
from swarm.engine.store import Store
from swarm.engine.words import text_of
from swarm.errors import RefusedError, StaleTokenError
from swarm.models.usage import Usage
from swarm.plan.model import TaskSpec
from swarm.testing.clock import SkewedClock
from swarm.testing.dumps import content
from swarm.testing.plans import make_plan, make_task


def board_of(engine: Engine, *tasks: TaskSpec) -> Board:
    """A run of these tasks."""
    return Board(engine, make_plan(*tasks))


def paths(engine: Engine) -> list[str]:
    """Mode and path of every lock."""
    return [f"{lock.mode} {lock.path}" for lock in engine.locks()]


def test_what_is_free_is_locked_at_once(engine: Engine, store: Store) -> None:
    """Token and lease stay; the stored scope, the locks and what people see of them have grown."""
    board = board_of(engine, make_task("task", files=["a.py"], reads=["b.py"]))
    claim = board.claim("task")
    engine.start(claim)

    grown = engine.extend(claim, files=["b.py", "lib/"], reads=["docs/x.md"])

    assert grown.is_granted
    assert grown.claim.token == claim.token
    assert grown.claim.task.files == ("a.py", "b.py", "lib")
    assert paths(engine) == ["X a.py", "X b.py", "S docs/x.md", "X lib/"]
    assert engine.task(board.run, "task").spec == grown.claim.task
    for path in ("a.py", "b.py", "lib/", "docs/x.md"):
        assert int(text_of(store.call("PTTL", engine.keys.of("lock", path)))) > 0
    assert text_of(store.call("GET", engine.keys.of("lock", "b.py"))).startswith("X ")
    engine.renew(grown.claim)
    engine.finish(grown.claim)
    assert engine.locks() == []
    assert store.call("KEYS", engine.keys.of("lock", "*")) == []


def test_others_meet_the_grown_locks(engine: Engine) -> None:
    """Whoever wants what was added parks on it, and goes on when it is free."""
    board = board_of(engine, make_task("task", files=["a.py"]), make_task("other", files=["b/c.py"]))
    claim = board.claim("task")
    engine.release(board.claim("other"), reason="later")

    grown = engine.extend(claim, files=["b/"])

    assert grown.is_granted
    assert engine.claim(WORKER, "blocked") is None
    assert engine.task(board.run, "other").parked_on == "b/"
    engine.finish(grown.claim)
    board.finish("other")


def test_what_is_not_free_sends_the_attempt_back(engine: Engine) -> None:
    """Uncharged, without a lock; it is claimed again only once all of the larger scope is free."""
    board = board_of(
        engine, make_task("task", files=["a.py"], reads=["r.py"]), make_task("other", files=["b/c.py"])
    )
    claim, other = board.claim("task"), board.claim("other")
    engine.start(claim)

    grown = engine.extend(claim, files=["b/c.py", "d.py"], usage=Usage(cost_microusd=3))

    assert (grown.is_granted, grown.waits_for) == (False, "b/c.py")
    record = engine.task(board.run, "task")
    assert (record.state, record.parked_on) == ("queued", "b/c.py/")
    assert (record.failures, record.setbacks, record.usage.cost_microusd) == (0, 0, 3)
    assert paths(engine) == ["X b/c.py"]
    with pytest.raises(StaleTokenError):
        engine.finish(claim)
    assert engine.claim(WORKER, "blocked") is None
    engine.finish(other)
    again = board.claim("task")
    assert again.task.files == ("a.py", "b/c.py", "d.py")
    assert paths(engine) == ["X a.py", "X b/c.py", "X d.py", "S r.py"]
    engine.finish(again)


def test_its_own_locks_do_not_block_it(engine: Engine) -> None:
    """A folder that holds what it has locked already, exclusively and shared, itself or below."""
    board = board_of(
        engine, make_task("task", files=["src/a.py", "lib/"], reads=["src/b.py", "doc/", "doc2/y.md"])
    )
    claim = board.claim("task")

    grown = engine.extend(claim, files=["src/", "doc/x.md", "doc2/**"])

    assert grown.is_granted
    assert paths(engine) == ["S doc/", "X doc/x.md", "X doc2/", "X lib/", "X src/"]
    engine.finish(grown.claim)


def test_another_reader_blocks_what_it_read_itself(engine: Engine) -> None:
    """Two share a file; neither can make it its own while the other reads it."""
    readers = [make_task(name, files=[f"{name}.py"], reads=["shared.py", "all/"]) for name in ("one", "two")]
    board = board_of(engine, *readers)
    one, two = board.claim("one"), board.claim("two")

    sent_back = engine.extend(one, files=["shared.py"])
    grown = engine.extend(two, files=["shared.py"])

    assert sent_back.waits_for == "shared.py"
    assert grown.is_granted
    engine.finish(grown.claim)
    board.finish("one")


@pytest.mark.parametrize("wide", ["all/", "all/deeper/x.py", "all/*.py"])
def test_a_folder_that_another_reads_is_not_free(engine: Engine, wide: str) -> None:
    """Whether the request is above, below or the same."""
    readers = [make_task(name, files=[f"{name}.py"], reads=["all/"]) for name in ("one", "two")]
    board = board_of(engine, *readers)
    one, two = board.claim("one"), board.claim("two")

    assert not engine.extend(one, files=[wide]).is_granted

    engine.finish(two)
    board.finish("one")


def test_a_folder_above_many_own_locks_finds_the_one_of_another(engine: Engine) -> None:
    """What is its own is passed over, however much of it stands before."""
    many = [f"src/a{number:03}.py" for number in range(120)]
    board = board_of(engine, make_task("task", files=many), make_task("other", files=["src/z.py"]))
    task, other = board.claim("task"), board.claim("other")

    sent_back = engine.extend(task, files=["src/"])

    assert sent_back.waits_for == "src/z.py"
    engine.finish(other)
    board.finish("task")


def test_waiters_of_a_lock_that_was_swallowed_are_not_forgotten(engine: Engine) -> None:
    """They waited for the file; now the folder that covers it is what they wait for."""
    board = board_of(engine, make_task("task", files=["src/a.py"]), make_task("other", files=["src/a.py"]))
    claim = board.claim("task")
    assert engine.claim(WORKER, "blocked") is None

    grown = engine.extend(claim, files=["src/"])
    assert engine.claim(WORKER, "blocked-2") is None
    engine.finish(grown.claim)

    board.finish("other")


def test_two_that_want_each_others_files_go_one_after_the_other(engine: Engine) -> None:
    """No hold and wait, so no deadlock: the first to ask gives up what it has."""
    board = board_of(engine, make_task("one", files=["1.py"]), make_task("two", files=["2.py"]))
    one, two = board.claim("one"), board.claim("two")

    first = engine.extend(one, files=["2.py"])
    second = engine.extend(two, files=["1.py"])

    assert not first.is_granted
    assert second.is_granted
    engine.finish(second.claim)
    board.finish("one")


def test_what_is_covered_already_needs_no_call(engine: Engine, store: Store) -> None:
    """The scope is the same, and so is everything else."""
    board = board_of(engine, make_task("task", files=["src/"], reads=["doc/"]))
    claim = board.claim("task")
    before = content(store)

    grown = engine.extend(claim, files=["src/a.py"], reads=["doc/x.md", "src/b.py"])

    assert grown.claim == claim
    assert content(store) == before
    engine.finish(claim)


def test_the_merge_sees_the_grown_scope(engine: Engine) -> None:
    """What lands is held to the scope as it is stored."""
    board = board_of(engine, make_task("task", files=["a.py"]))
    claim = board.claim("task")
    engine.start(claim)
    engine.extend(claim, files=["b.py"])
    engine.hand_in(claim, commit="c")

    [ticket] = engine.begin_merge("merger")
    assert ticket.task.files == ("a.py", "b.py")
    engine.complete(ticket, commit="landed")


def test_the_same_request_again_gets_the_first_answer(engine: Engine, store: Store) -> None:
    """Also when the attempt was sent back for it."""
    board = board_of(engine, make_task("task", files=["a.py"]), make_task("other", files=["b.py"]))
    claim, other = board.claim("task"), board.claim("other")
    spec, locks = stored_scope(grown_spec(claim.task, files=["b.py"], reads=[], bounds=[]))
    words = (f"{board.run}/task", claim.token, "somebody:1", "0 0 0 0", spec, locks, "b.py", "b.py\n")
    first = engine._caller.call("extend", *words)
    before = content(store)

    again = engine._caller.call("extend", *words)

    assert again == first == [b"OK", b"queued", b"b.py"]
    assert content(store) == before
    engine.finish(other)
    board.finish("task")


def test_a_stale_token_extends_nothing(engine: Engine, store: Store, clock: SkewedClock) -> None:
    """Whoever lost the task to its lease gets no lock."""
    board = board_of(engine, make_task("task", files=["a.py"]))
    claim = board.claim("task")
    clock.advance(ms=engine.lease_ms + 1)
    engine.reclaim_expired()
    before = content(store)

    with pytest.raises(StaleTokenError):
        engine.extend(claim, files=["b.py"])

    assert content(store) == before


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("/etc/passwd", "absolute path"),
        ("../x", r"`\.\.`"),
        (".git/config", "git's own folder"),
        (".swarm/server", "swarm's own folder"),
        (".", "whole repository"),
        ("**/*.py", "whole repository"),
        ("*.py", "whole repository"),
    ],
)
def test_no_task_may_ask_for_these(engine: Engine, asked: str, said: str) -> None:
    """Outside the repository, what git and swarm keep for themselves, and everything at once."""
    board = board_of(engine, make_task("task", files=["a.py"]))
    claim = board.claim("task")

    with pytest.raises(RefusedError, match=said):
        engine.extend(claim, files=[asked])

    engine.finish(claim)


def test_a_task_that_changes_nothing_asks_for_no_files(engine: Engine) -> None:
    """Its plan says so; it may ask to read in peace."""
    board = board_of(engine, make_task("task"))
    claim = board.claim("task")

    with pytest.raises(RefusedError, match="changes no files"):
        engine.extend(claim, files=["a.py"])

    assert engine.extend(claim, reads=["a.py"]).is_granted
    engine.finish(claim)


def test_a_part_stays_inside_the_scope_of_its_task(engine: Engine) -> None:
    """Also one whose own task has no files: the next one around it that has some is what bounds it."""
    board = board_of(engine, make_task("task", files=["src/"]))
    board.expand("task", make_plan("bare", make_task("own", files=["src/own.py"])))
    board.expand("task.bare", make_plan(make_task("deep", files=["src/deep.py"])))
    own, deep = board.claim("task.own"), board.claim("task.bare.deep")

    for claim in (own, deep):
        with pytest.raises(RefusedError, match="not inside the write scope"):
            engine.extend(claim, files=["docs/x.md"])
        assert engine.extend(claim, files=[f"src/{claim.task.id}.py"]).is_granted
        engine.finish(claim)


def test_what_widened_the_write_scope_is_kept(engine: Engine) -> None:
    """In order, beside the scope itself; what is only read, or covered already, is not among it."""
    board = board_of(engine, make_task("task", files=["a.py"]))
    claim = board.claim("task")

    claim = engine.extend(claim, files=["b.py", "a.py"], reads=["c.py"]).claim
    claim = engine.extend(claim, files=["lib/"], reads=["d.py"]).claim
    engine.extend(claim, reads=["e.py"])

    record = engine.task(board.run, "task")
    assert record.widened == ("b.py", "lib")
    assert record.planned_files == ("a.py",)
    told = [event for event in engine.events() if event.kind == "task_extended"]
    assert [event.fields["widened"].splitlines() for event in told] == [["b.py"], ["lib"], []]
    assert {lock.path: lock.widened for lock in engine.locks()} == {
        "a.py": (), "b.py": ("b.py",), "c.py": (), "d.py": (), "e.py": (), "lib/": ("lib",),
    }  # fmt: skip
    engine.finish(claim)


def test_what_a_task_will_have_when_it_was_put_back_is_kept_too(engine: Engine) -> None:
    """The event of its release says so, and a lock that covers more than it was asked for."""
    board = board_of(engine, make_task("task", files=["a.py"]), make_task("other", files=["b/c.py"]))
    claim, other = board.claim("task"), board.claim("other")

    engine.extend(claim, files=["b/*.py"])

    assert engine.task(board.run, "task").widened == ("b/*.py",)
    [told] = [event for event in engine.events() if event.kind == "task_released"]
    assert told.fields["widened"].splitlines() == ["b/*.py"]
    engine.finish(other)
    claim = board.claim("task")
    assert [lock.widened for lock in engine.locks() if lock.path == "b/"] == [("b/*.py",)]
    engine.finish(claim)


def test_a_wide_lock_is_held_for_what_widened_the_scope_below_it(engine: Engine) -> None:
    """It was locked already, and is no lock of its own."""
    board = board_of(engine, make_task("task", files=["src/*.py"]))
    claim = engine.extend(board.claim("task"), files=["src/deep/x.c"]).claim

    assert [(lock.path, lock.widened) for lock in engine.locks()] == [("src/", ("src/deep/x.c",))]

    engine.finish(claim)
