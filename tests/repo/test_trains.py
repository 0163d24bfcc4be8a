"""Trains: many attempts, one run of the gates; red is halved, the innocent land, the guilty go back."""

import math
from collections.abc import Sequence
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from merge_board import Board, gate_that, task, write

from swarm.engine.claims import MergeTicket, WorkerProfile
from swarm.fleet.process import ProcessLauncher
from swarm.plan.model import TaskSpec
from swarm.repo.gates.gate import GateReport, GateResult
from swarm.repo.merging.landing import Outcome
from swarm.repo.merging.merge_queue import Landing, MergeQueue
from swarm.repo.merging.train import Car, find_green
from swarm.repo.merging.train_size import MOST, TrainSize
from swarm.settings import attempt_log
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


def test_a_gate_that_does_not_sample_a_train_keeps_nothing_from_landing(board: Board) -> None:
    """It would be red; another train may meet it."""
    line = f'command = ["sh", "-c", "touch $0/ran; exit 1", "{board.hub.path}"]\nsample = 0.000000001'
    board.user.commit({"swarm.toml": f"[gate.slow]\n{line}\n"})
    board.submit(task("a", "src/a.py"))
    board.hand_in(write("src/a.py", "a = 2\n"))

    [landing] = board.queue().land_train()

    assert landing.outcome == Outcome.LANDED
    assert not (board.hub.path / "ran").exists()


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


def test_what_a_task_asks_of_itself_is_asked_of_its_own_tree(board: Board) -> None:
    """Each in a checkout of its own, and once; the one whose acceptance fails goes back."""
    ask = ("sh", "-c", f"echo run >> {board.hub.path}/runs; ! test -e left-over; touch left-over")
    board.submit(
        task("a", "src/a.py", acceptance=(ask, ("test", "-f", "src/a.py"))),
        task("b", "src/b.py", acceptance=(ask, ("test", "-f", "src/nowhere.py"))),
        task("c", "src/c.py", acceptance=(ask, ("grep", "-q", "new", "src/b.py"))),
    )
    for name in "abc":
        board.hand_in(write(f"src/{name}.py", "new\n"))

    trains = land_all(board)

    assert [[(one.task, one.outcome, one.reason) for one in train] for train in trains] == [
        [("a", Outcome.LANDED, ""), ("b", Outcome.GATE_FAILED, "acceptance 2: exit code 1")],
        [("c", Outcome.GATE_FAILED, "acceptance 2: exit code 1")],  # what `b` made is not there
    ]
    assert gate_runs(board) == 3  # what comes after the first that fails is not asked
    assert [result.name for result in trains[0][0].gates.results] == ["acceptance 1", "acceptance 2"]


@pytest.mark.parametrize("most", [1, 64])
def test_what_comes_later_is_not_for_a_tasks_acceptance_to_judge(board: Board, most: int) -> None:
    """One at a time it would not have been asked either."""
    count = ("sh", "-c", "test $(ls src | wc -l) = 2")
    board.submit(task("a", "src/a.py", acceptance=(count,)), task("b", "src/c.py"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    board.hand_in(write("src/c.py", "c = 1\n"))

    landings = [landing for train in land_all(board, board.queue(most=most)) for landing in train]

    assert [(one.task, one.outcome) for one in landings] == [("a", Outcome.LANDED), ("b", Outcome.LANDED)]


def test_who_is_refused_only_because_of_another_car_waits(board: Board) -> None:
    """A link that leads outward only through what another one added, which never lands."""
    gate_that(board, "! test -L src/deep")
    board.submit(task("a", "src/deep", "src/deep/**"), task("b", "src/l"))
    claims = [board.claim(), board.claim()]
    for claim, name, target in zip(claims, ("src/deep", "src/l"), ("..", "deep/../x"), strict=True):
        workspace = board.workspace(claim)
        (workspace.tree / name).symlink_to(target)
        board.engine.hand_in(claim, commit=board.take(claim, workspace))

    trains = land_all(board)

    assert [[(one.task, one.outcome) for one in train] for train in trains] == [
        [("a", Outcome.GATE_FAILED)],
        [("b", Outcome.LANDED)],
    ]


def test_a_verdict_takes_no_later_attempt_away(board: Board) -> None:
    """What was cancelled and done again while the train was judged stays durable."""
    gate_that(board, "true")
    board.submit(task("a", "src/a.py"), task("b", "src/b.py"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    board.hand_in(write("docs/guide.md", "outside\n"))
    other, again = board.engine.clone(), list[str]()

    def do_again() -> None:
        if not again:
            other.cancel(board.run, "b")
            other.retry(board.run, "b")
            claim = board.claim()
            workspace = board.workspace(claim)
            write("src/b.py", "good\n")(workspace.tree)
            again.append(board.take(claim, workspace))

    [train] = [board.queue(race=do_again).land_train()]
    other.close()

    assert {(one.task, one.outcome) for one in train} == {("a", Outcome.LANDED), ("b", Outcome.STALE)}
    kept = board.hub.find_attempt(board.run, "b")
    assert kept is not None
    assert (kept.commit, kept.attempt) == (again[0], 2)


def test_who_goes_on_starts_from_the_end_of_the_train(board: Board) -> None:
    """No tree but the last has passed the gates."""
    names = ("a", "b", "c")
    board.submit(
        *(task(name, f"src/{name}.py") for name in names), task("next", "docs/x.md", dependencies=("a",))
    )
    for name in names:
        board.hand_in(write(f"src/{name}.py", "new\n"))
    engine, bases, complete = board.engine, list[str](), board.engine.complete

    def complete_and_claim(ticket: MergeTicket, *, commit: str, tip: str = "", **told: str) -> list[str]:
        queued = complete(ticket, commit=commit, tip=tip, **told)
        if queued:
            board.claims += 1
            claim = engine.claim(WorkerProfile("worker-2"), f"claim-{board.claims}")
            assert claim is not None
            bases.append(claim.base)
        return queued

    engine.complete = complete_and_claim  # type: ignore[method-assign]
    [train] = land_all(board)

    assert bases == [train[-1].commit] == [board.hub.tip(board.branch)]


def test_each_log_says_with_whom_it_was_judged(board: Board) -> None:
    """The runs of the gates on its train, each with its tasks and how it ended; own output before stays."""
    gate_that(board, "echo THE GATE; ! grep -rq BAD src")
    own = (("echo", "MY OWN"),)
    board.submit(*(task(name, f"src/{name}.py", acceptance=own) for name in ("a", "b")))
    board.hand_in(write("src/a.py", "good\n"))
    board.hand_in(write("src/b.py", "BAD\n"))

    [train] = land_all(board)

    logs = [attempt_log(board.hub.home, board.run, name, 1, gate=True).read_text() for name in ("a", "b")]
    assert [landing.outcome for landing in train] == [Outcome.LANDED, Outcome.GATE_FAILED]
    assert all(log.startswith("MY OWN\n") for log in logs)
    assert "THE GATE\n== tests: exit code 1: red, " in logs[1]
    assert logs[1].endswith("s ==\n== tests: exit code 1 ==\n")
    assert "the tree of a, b ==\n== gate tests: " in logs[1]
    assert (
        "THE GATE\n== tests: exit code 0: green, " in logs[0].rpartition("== gate tests: ")[2]
    )  # once more, alone


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
    tip = board.hub.tip(board.branch)
    assert tip is not None
    assert board.hub.read_blob(tip, "src/t01.py") is None
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
