"""Trains: many attempts, one run of the gates; red is halved, the innocent land, the guilty go back."""

import math
from collections.abc import Sequence
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from merge_board import Board, gate_that, task, write

from swarm.fleet.process import ProcessLauncher
from swarm.plan.model import TaskSpec
from swarm.repo.gates import GateReport, GateResult
from swarm.repo.landing import Outcome
from swarm.repo.merge_queue import Landing, MergeQueue
from swarm.repo.train import Car, find_green
from swarm.repo.train_size import MOST, TrainSize
from swarm.states import FailureKind, TaskState

GATE = "echo run >> $0/runs; ! grep -rq BAD src"
"""Red on a tree in which some file says so."""


def board_of(board: Board, bad: Sequence[int], good: int, gate: str = GATE) -> list[str]:
    """Hand in attempts of one file each; those at the places `bad` turn a tree red. Returns their tasks."""
    names = [f"t{number:02}" for number in range(good + len(bad))]
    gate_that(board, gate)
    board.submit(*(task(name, f"src/{name}.py") for name in names))
    for number, name in enumerate(names):
        content = "BAD\n" if number in bad else "good\n"
        assert board.hand_in(write(f"src/{name}.py", content)).task.id == name
    return names


def land_all(board: Board, queue: MergeQueue | None = None) -> list[tuple[Landing, ...]]:
    """Every train until nothing waits, without those who were sent back to be done again."""
    queue = queue or board.queue()
    return list(iter(queue.land_train, ()))


def gate_runs(board: Board) -> int:
    """How often the gate has run."""
    return len((board.hub.path / "runs").read_text().splitlines())


def test_a_green_train_lands_by_one_run_of_the_gates(board: Board) -> None:
    """One commit a task, in order of the plan, with rising fences; the fence ref holds the highest."""
    names = board_of(board, [], 5)

    [train] = land_all(board)

    assert gate_runs(board) == 1
    assert [(landing.task, landing.outcome) for landing in train] == [
        (name, Outcome.LANDED) for name in names
    ]
    assert train[-1].commit == board.hub.tip(board.branch)
    landed = board.hub.landings(board.branch, board.engine.run(board.run).base)
    assert [one.task for one in landed] == names
    assert board.hub.fence(board.branch) == landed[-1].merge_token
    assert board.done() == names
    assert board.violations() == []
    assert board.hub.refs_under("refs/swarm/attempt/") == {}
    assert board.engine.slot(board.branch) is None


@pytest.mark.parametrize("bad", [[0], [3], [6], [2, 5], [0, 1, 2, 3, 4, 5, 6]])
def test_exactly_the_guilty_are_sent_back(board: Board, bad: list[int]) -> None:
    """Wherever they are, all others land; each is condemned on a tree that passed without it."""
    names = board_of(board, bad, 7 - len(bad))

    landings = [landing for train in land_all(board) for landing in train]

    guilty = [landing.task for landing in landings if landing.outcome == Outcome.GATE_FAILED]
    landed = [landing.task for landing in landings if landing.outcome == Outcome.LANDED]
    assert guilty == [names[place] for place in bad]
    assert sorted(landed + guilty) == names
    assert board.done() == sorted(landed)
    assert board.violations() == []
    for name in guilty:
        record = board.engine.task(board.run, name)
        assert (record.state, record.failures) == (TaskState.QUEUED, 1)
        assert record.failure_kind == FailureKind.GATE_FAILED


def test_evidence_says_what_it_was_judged_with(board: Board) -> None:
    """The command, and the tasks of the train with which it passes."""
    names = board_of(board, [2], 3)

    first, *_ = land_all(board)

    assert [landing.outcome for landing in first] == [Outcome.LANDED, Outcome.LANDED, Outcome.GATE_FAILED]
    evidence = board.engine.task(board.run, names[2]).evidence
    assert "grep -rq BAD src" in evidence
    assert f"on the same tree with {names[0]}, {names[1]}" in evidence


def test_what_a_task_asks_of_itself_is_asked_of_the_train(board: Board) -> None:
    """The one whose own acceptance fails goes back; a command that two tasks share runs once."""
    ask = ("sh", "-c", f"echo run >> {board.hub.path}/runs")
    board.submit(
        task("a", "src/a.py", acceptance=(ask, ("test", "-f", "src/a.py"))),
        task("b", "src/b.py", acceptance=(ask, ("test", "-f", "src/nowhere.py"))),
    )
    board.hand_in(write("src/a.py", "a = 2\n"))
    board.hand_in(write("src/b.py", "b = 2\n"))

    [train] = land_all(board)

    assert [(landing.task, landing.outcome) for landing in train] == [
        ("a", Outcome.LANDED),
        ("b", Outcome.GATE_FAILED),
    ]
    assert train[1].reason == "acceptance 2 of b: exit code 1"
    assert gate_runs(board) == 2  # the train, and its half


def test_who_conflicts_with_another_car_waits_for_what_becomes_of_it(board: Board) -> None:
    """Only what has landed can be conflicted with."""
    board.submit(task("a", "src/a.py"), task("b", "src/b.py"))
    board.hand_in(write("src/b.py", "from a\n"))  # outside its scope, beside what the other one does
    board.hand_in(write("src/b.py", "from b\n"))
    board.engine.rerank(board.run, {"b": 1})
    assert [ticket.task.id for ticket in board.engine.begin_merge("merger-1", most=2)] == ["b", "a"]

    trains = land_all(board)

    assert [[(one.task, one.outcome) for one in train] for train in trains] == [
        [("b", Outcome.LANDED)],
        [("a", Outcome.CONFLICT)],
    ]
    assert "from b" in board.engine.task(board.run, "a").evidence


def test_a_task_outside_its_scope_holds_up_nobody(board: Board) -> None:
    """It is refused before any gate runs; the others land."""
    gate_that(board, GATE)
    board.submit(task("a", "src/a.py"), task("b", "src/b.py"), task("c", "src/c.py"))
    for name in ("src/a.py", "docs/guide.md", "src/c.py"):
        board.hand_in(write(name, "new\n"))

    [train] = land_all(board)

    assert {(landing.task, landing.outcome) for landing in train} == {
        ("a", Outcome.LANDED),
        ("b", Outcome.OUT_OF_SCOPE),
        ("c", Outcome.LANDED),
    }
    assert gate_runs(board) == 1


def test_a_task_that_changes_nothing_is_done_without_a_commit(board: Board) -> None:
    """In the middle of a train too; the next one is merged onto the commit before it."""
    board.submit(*(task(name, f"src/{name}.py") for name in "abc"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    nothing = board.claim()
    board.engine.hand_in(nothing, commit=nothing.base)
    board.hand_in(write("src/c.py", "c = 1\n"))

    [train] = land_all(board)

    assert [landing.outcome for landing in train] == [Outcome.LANDED, Outcome.UNCHANGED, Outcome.LANDED]
    assert train[1].commit == train[0].commit
    assert len(board.hub.landings(board.branch, board.engine.run(board.run).base)) == 2
    assert board.done() == ["a", "b", "c"]


def test_a_task_that_is_cancelled_while_the_gate_runs_is_left_out(board: Board) -> None:
    """The rest of its train is judged without it, and lands."""
    names = board_of(board, [], 3)
    other = board.engine.clone()

    def cancel() -> None:
        if board.state("t01") is TaskState.MERGING:
            other.cancel(board.run, "t01")

    [train] = land_all(board, board.queue(race=cancel))
    other.close()

    outcomes = {landing.task: landing.outcome for landing in train}
    assert outcomes == {"t00": Outcome.LANDED, "t01": Outcome.STALE, "t02": Outcome.LANDED}
    assert board.state("t01") == TaskState.CANCELLED
    assert board.done() == [names[0], names[2]]
    assert board.hub.read_blob(f"{board.hub.tip(board.branch)}:src/t01.py") is None
    assert gate_runs(board) == 2


def test_a_gate_that_is_killed_from_outside_blames_no_one_of_its_train(board: Board) -> None:
    """The train breaks down; its first is tried alone, and the others wait for the next."""
    names = board_of(board, [], 3, "test -e $0/calm || { touch $0/calm; kill -9 $PPID; sleep 60; }")
    queue = MergeQueue(board.engine, board.hub, ProcessLauncher(), merger_id="merger-1", home=board.hub.home)

    trains = land_all(board, queue)

    assert [[landing.task for landing in train] for train in trains] == [names[:1], names[1:]]
    assert board.done() == names
    assert all(record.setbacks == 0 for record in board.engine.tasks(board.run))


def test_a_merger_that_leaves_in_good_order_frees_its_slot(board: Board) -> None:
    """Whatever it has not settled is another's at once."""
    board_of(board, [], 2)
    assert len(board.engine.begin_merge("merger-1", most=2)) == 2
    busy = board.engine.begin_merge("merger-2", most=2)

    board.engine.sign_off("merger-1")

    assert busy == ()
    assert [ticket.task.id for ticket in board.engine.begin_merge("merger-2", most=2)] == ["t00", "t01"]


RED = GateReport((GateResult("tests", ("false",), 1, 0.1, ""),))


@given(length=st.integers(0, 70), bad=st.sets(st.integers(0, 69)))
def test_halving_finds_the_first_culprit(length: int, bad: set[int]) -> None:
    """In at most 1 + log2 n runs, all on parts that begin at the front; nothing is judged twice."""
    cars = [
        Car(None, f"tree{place}", f"commit{place}", changes_something=True)  # type: ignore[arg-type]
        for place in range(length)
    ]
    judged: list[int] = []

    def judge(part: Sequence[Car]) -> GateReport:
        assert list(part) == cars[: len(part)]
        judged.append(len(part))
        return RED if bad & set(range(len(part))) else GateReport()

    verdict = find_green(cars, judge)

    first = min((place for place in bad if place < length), default=length)
    assert list(verdict.green) == cars[:first]
    assert verdict.culprit == (cars[first] if first < length else None)
    assert verdict.failed.passed == (verdict.culprit is None)
    assert len(set(judged)) == len(judged) <= 1 + math.ceil(math.log2(max(1, length)))


def test_a_train_grows_while_all_is_green_and_shrinks_with_failures() -> None:
    """By the share of bad attempts: half of the trains should pass."""
    size, sizes = TrainSize(), []
    for _ in range(6):
        sizes.append(size.now())
        size.learn(sizes[-1], 0)
    for place in count():
        if place == 100:
            break
        size.learn(10, 2)

    assert sizes == sorted(sizes)
    assert sizes[0] <= 8
    assert sizes[-1] == MOST
    assert 2 <= size.now() <= 5
    assert TrainSize(most=1).now() == 1


def test_tasks_of_two_runs_never_share_a_train(board: Board) -> None:
    """A branch belongs to one run."""
    board.submit(task("a", "src/a.py"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    first = board.run
    board.submit(TaskSpec(id="b", description="Do b", files=("src/b.py",)))
    board.hand_in(write("src/b.py", "b = 2\n"))

    trains = land_all(board)

    assert [[landing.run for landing in train] for train in trains] == [[first], [board.run]]
