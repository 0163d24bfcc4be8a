"""Merging while the branch, the run or the slot changes hands."""

import threading
from dataclasses import replace

from merge_board import Board, gate_that, task, write

from swarm.engine.connect import open_store
from swarm.engine.engine import Engine
from swarm.engine.store import Store
from swarm.engine.words import words_of
from swarm.repo.merging.merge_queue import Outcome
from swarm.repo.merging.slot import kept_slot
from swarm.states import TaskState


def test_a_stale_merge_is_refused_by_git(board: Board) -> None:
    """Even if Redis has forgotten the newer merge, its token in the fence ref stands."""
    board.submit(task("one"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    board.hub.raise_fence(board.branch, 10_000)

    landing = board.land()

    assert landing.outcome == Outcome.STALE
    assert "older than its fence" in landing.reason
    assert board.hub.tip(board.branch) == board.user.head()
    assert board.state("one") == TaskState.MERGING


def test_a_fence_raised_while_gates_ran_stops_the_transaction(board: Board) -> None:
    """A zombie that wakes up before its transaction moves nothing."""
    gate_that(board, "touch $0/gate-ran")
    board.submit(task("one"))
    board.hand_in(write("src/a.py", "a = 2\n"))

    landing = board.land(race=lambda: board.hub.raise_fence(board.branch, 10_000))

    assert landing.outcome == Outcome.STALE
    assert "raised its fence" in landing.reason
    assert board.hub.tip(board.branch) == board.user.head()
    assert board.hub.done_refs(board.run) == {}


def test_a_branch_that_moved_is_merged_again_on_its_new_tip(board: Board) -> None:
    """Somebody's commit in between is kept, and the gate runs on the new tree too."""
    gate_that(board, "true")
    board.submit(task("one"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    moves = iter([board.user.commit({"docs/human.md": "1\n"}), ""])

    def move() -> None:
        commit = next(moves)
        if commit:
            board.hub.import_base(board.user.path, commit)
            board.hub.create_refs({f"refs/heads/{board.branch}": commit})

    landing = board.land(race=move)

    assert landing.outcome == Outcome.LANDED
    assert board.hub.read_blob(landing.commit, "docs/human.md") == b"1\n"
    assert board.hub.read_blob(landing.commit, "src/a.py") == b"a = 2\n"


def test_a_red_verdict_counts_only_on_what_the_branch_still_holds(board: Board) -> None:
    """What was missing has come meanwhile: the attempt is judged again with it, and nobody is charged."""
    gate_that(board, "test -e docs/human.md")
    board.submit(task("one"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    commit = board.user.commit({"docs/human.md": "1\n"})
    board.hub.import_base(board.user.path, commit)
    moves = iter([{f"refs/heads/{board.branch}": commit}])

    landing = board.land(race=lambda: board.hub.create_refs(next(moves, {})))

    assert landing.outcome == Outcome.LANDED
    assert board.engine.task(board.run, "one").failures == 0
    assert board.hub.read_blob(landing.commit, "src/a.py") == b"a = 2\n"


def test_a_branch_that_never_rests_is_given_up_uncharged(board: Board) -> None:
    """After five tries the attempt goes back as nobody's fault, and is kept for the next."""
    gate_that(board, "true")
    board.submit(task("one"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    count = iter(range(100))

    def move() -> None:
        commit = board.user.commit({"docs/human.md": f"{next(count)}\n"})
        board.hub.import_base(board.user.path, commit)
        board.hub.create_refs({f"refs/heads/{board.branch}": commit})

    landing = board.land(race=move)

    assert (landing.outcome, landing.requeued) == (Outcome.INFRASTRUCTURE, True)
    record = board.engine.task(board.run, "one")
    assert (record.state, record.failures) == (TaskState.QUEUED, 0)
    assert board.hub.find_attempt(board.run, "one") is not None


def test_a_landing_that_breaks_gives_its_slot_back(board: Board) -> None:
    """An error that nobody foresaw charges nobody, and the branch is free for the next attempt."""
    gate_that(board, "true")
    board.submit(task("one", "src/a.py"), task("two", "src/b.py"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    board.hand_in(write("src/b.py", "b = 2\n"))

    def fail() -> None:
        raise ZeroDivisionError("nobody foresaw this")

    landing = board.land(race=fail)

    assert (landing.outcome, landing.requeued) == (Outcome.INFRASTRUCTURE, True)
    assert landing.reason == "could not merge: ZeroDivisionError: nobody foresaw this"
    record = board.engine.task(board.run, landing.task)
    assert (record.state, record.failures) == (TaskState.QUEUED, 0)
    assert board.hub.find_attempt(board.run, landing.task) is not None
    other = board.land()
    assert (other.outcome, {other.task, landing.task}) == (Outcome.LANDED, {"one", "two"})


def test_a_cancelled_run_lands_nothing(board: Board) -> None:
    """Cancelling while gates run ends the gate, and nothing lands."""
    board.engine.lease_ms = 1500
    gate_that(board, "sleep 60")
    board.submit(task("one"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    other = board.engine.clone()
    cancel = threading.Timer(0.0, lambda: other.cancel(board.run))

    landing = board.land(race=cancel.start)
    cancel.join()
    other.close()

    assert landing.outcome == Outcome.STALE
    assert landing.duration_s < 30
    assert board.state("one") == TaskState.CANCELLED
    assert board.hub.tip(board.branch) == board.user.head()


def test_the_slot_is_kept_while_a_slow_gate_runs(board: Board) -> None:
    """A gate that takes longer than the slot's term does not lose it."""
    board.engine.lease_ms = 1500
    gate_that(board, "while [ ! -e $0/rival-came ]; do sleep 0.05; done")
    board.submit(task("one"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    other = board.engine.clone()
    given: list[object] = []

    def come() -> None:
        given.append(other.begin_merge("rival"))
        (board.hub.path / "rival-came").touch()

    rival = threading.Timer(2.0, come)  # after the slot's first term
    landing = board.land(race=rival.start)
    rival.join()
    other.close()

    assert landing.outcome == Outcome.LANDED
    assert given == [()]


def test_a_server_that_was_stopped_for_good_ends_the_gate(board: Board) -> None:
    """Its verdict could be told to nobody."""
    board.submit(task("one"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    [ticket] = board.engine.begin_merge("merger")
    gone = Engine(open_store("redis://127.0.0.1:1"), "p", patience_s=5.0, is_put_down=lambda: True)
    is_lost = threading.Event()

    with kept_slot(gone, [replace(ticket, lease_ms=30)], is_lost.set):
        assert is_lost.wait(10)

    assert board.state("one") == TaskState.MERGING


def test_a_redis_restored_from_an_older_copy_is_counted_up_at_once(board: Board, store: Store) -> None:
    """Its counter is behind git's fence: the next merge is refused once, not once a number."""
    gate_that(board, "test -e $0/green")
    board.submit(task("one"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    names = words_of(store.call("KEYS", "*"))
    older = [
        value for value in store.pipeline([["DUMP", name] for name in names]) if isinstance(value, bytes)
    ]
    store.call("HINCRBY", board.engine.keys.of("meta"), "fence", 500)
    red = board.land()
    store.call("FLUSHDB")
    store.pipeline([["RESTORE", name, 0, value] for name, value in zip(names, older, strict=True)])
    (board.hub.path / "green").touch()

    outcomes = [board.land().outcome, board.land().outcome]

    assert red.outcome == Outcome.GATE_FAILED
    assert outcomes == [Outcome.STALE, Outcome.LANDED]
    assert board.hub.fence(board.branch) > 500
    assert board.violations() == []
