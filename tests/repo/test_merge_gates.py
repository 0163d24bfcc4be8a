"""Gates in the merge queue: what they see, what they judge, and what no task can do to them."""

import time

from bare_hub import Bare
from merge_board import Board, gate_that, task, write

from swarm.fleet.process import ProcessLauncher
from swarm.repo.hub.refs import attempt_ref
from swarm.repo.merging.merge_queue import Landing, MergeQueue, Outcome
from swarm.states import TaskState


def test_a_red_gate_goes_back_with_its_output(board: Board) -> None:
    """Nothing lands; the evidence holds the command and what it printed; later gates are not run."""
    gates = (
        '[gate.tests]\ncommand = ["sh", "-c", "grep -q good src/a.py || { echo not good; exit 3; }"]\n'
        '[gate.later]\ncommand = ["sh", "-c", "touch /nowhere/later"]\nrequired = false\n'
    )
    board.user.commit({"swarm.toml": gates})
    board.submit(task("one"))
    board.hand_in(write("src/a.py", "bad\n"))

    landing = board.land()

    assert (landing.outcome, landing.requeued) == (Outcome.GATE_FAILED, True)
    assert [result.name for result in landing.gates.results] == ["tests"]
    record = board.engine.task(board.run, "one")
    assert (record.state, record.failure_kind) == (TaskState.QUEUED, "gate_failed")
    assert record.failure_reason == "tests: exit code 3"
    assert "not good" in record.evidence
    assert board.hub.tip(board.branch) == board.user.head()
    assert board.violations() == []
    board.hand_in(write("src/a.py", "good\n"))
    assert board.land().outcome == Outcome.LANDED


def test_the_gate_sees_the_merged_tree_and_nothing_else(board: Board) -> None:
    """Both sides are there; left-overs and git's data are not; the user's repository is out of reach."""
    look = "find . -type f | sort; cat src/a.py src/b.py; git rev-parse --show-toplevel 2>/dev/null; exit 0"
    gate_that(board, look)
    board.submit(task("one", "src/a.py"), task("two", "src/b.py"))
    claims = [board.claim(), board.claim()]
    for claim in claims:
        workspace = board.workspace(claim)
        name = "a" if claim.task.id == "one" else "b"
        (workspace.tree / f"src/{name}.py").write_text(f"{name} = 2\n")
        (workspace.tree / "junk.log").write_text("x")
        board.engine.hand_in(claim, commit=board.take(claim, workspace))

    board.land()
    landing = board.land()

    assert landing.gates.results[0].output.splitlines() == [
        "./.gitignore", "./README.md", "./docs/guide.md", "./src/a.py", "./src/b.py", "./swarm.toml",
        "a = 2", "b = 2",
    ]  # fmt: skip
    assert list((board.hub.home / "gates").iterdir()) == []


def test_a_task_cannot_weaken_the_gate_that_judges_it(board: Board) -> None:
    """The definition comes from the commit that the run began with, even where nobody guards the file."""
    trusting = '[approval]\ntrusted = ["swarm.toml"]\n'
    board.user.commit({"swarm.toml": f'{trusting}[gate.tests]\ncommand = ["false"]\n'})
    board.submit(task("one", "swarm.toml"))
    board.hand_in(write("swarm.toml", '[gate.tests]\ncommand = ["true"]\n'))

    assert board.land().outcome == Outcome.GATE_FAILED


def test_acceptance_commands_run_on_the_merged_tree(board: Board) -> None:
    """A task's own commands judge it, before the project's gates."""
    board.submit(task("one", acceptance=(("grep", "-q", "2", "src/a.py"), ("false",))))
    board.hand_in(write("src/a.py", "a = 2\n"))

    landing = board.land()

    assert landing.outcome == Outcome.GATE_FAILED
    assert [str(result) for result in landing.gates.results] == [
        "acceptance 1: exit code 0",
        "acceptance 2: exit code 1",
    ]
    log = board.hub.home / "logs" / board.run / "one.1.gate.log"
    assert log.exists()


def test_no_gate_sees_what_another_command_has_written(board: Board) -> None:
    """What is gated is what lands: neither acceptance commands nor gates can mend the tree for a gate."""
    gates = (
        '[gate.format]\ncommand = ["sh", "-c", "test ! -e marker && touch formatted"]\n'
        '[gate.clean]\ncommand = ["test", "!", "-e", "formatted"]\n'
        '[gate.marked]\ncommand = ["test", "-f", "marker"]\n'
    )
    board.user.commit({"swarm.toml": gates})
    board.submit(task("one", acceptance=(("touch", "marker"), ("test", "-f", "marker"))))
    board.hand_in(write("src/a.py", "a = 2\n"))

    landing = board.land()

    assert landing.outcome == Outcome.GATE_FAILED
    assert [(result.name, result.passed) for result in landing.gates.results] == [
        ("acceptance 1", True), ("acceptance 2", True), ("format", True), ("clean", True), ("marked", False),
    ]  # fmt: skip
    assert list((board.hub.home / "gates").iterdir()) == []


def test_a_broken_gate_definition_is_for_a_person(board: Board) -> None:
    """No attempt can mend it, so none is wasted on it."""
    board.user.commit({"swarm.toml": '[gate.tests]\ncommand = "pytest"\n'})
    board.submit(task("one"))
    board.hand_in(write("src/a.py", "a = 2\n"))

    landing = board.land()

    assert (landing.outcome, landing.requeued) == (Outcome.REFUSED, False)
    assert "gate.tests.command must be a list" in landing.reason


def test_a_gate_whose_sandbox_is_killed_charges_nobody(board: Board) -> None:
    """The attempt stays as it is, and is judged the next time."""
    gate_that(board, "test -e $0/calm || { touch $0/calm; kill -9 $PPID; sleep 60; }")
    board.submit(task("one"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    queue = MergeQueue(board.engine, board.hub, ProcessLauncher(), merger_id="merger-1", home=board.hub.home)

    [killed] = queue.land_train()

    record = board.engine.task(board.run, "one")
    assert (killed.outcome, killed.requeued) == (Outcome.INFRASTRUCTURE, True)
    assert (record.failures, record.setbacks) == (0, 1)
    assert board.hub.find_attempt(board.run, "one") is not None


SETBACKS = 8
"""The last of which is final."""


def test_a_tree_that_no_disk_takes_ends_at_a_person(board: Board) -> None:
    """Its checkout fails each time: it is put off so often, charged to nobody, and then a person is asked."""
    gate_that(board, "true")
    board.submit(task("one", "**"))
    bare, base = Bare(board.hub), board.user.head()
    files = {path.decode(): content for path, content in bare.files(base).items()}
    commit = bare.commit(files | {"x" * 300: b"x\n"}, base)
    board.hub.create_refs({attempt_ref(board.run, "one", 1): commit})

    landings = [handed_in_again(board, commit) for _ in range(SETBACKS)]

    assert [landing.outcome for landing in landings] == [Outcome.INFRASTRUCTURE] * SETBACKS
    assert [landing.requeued for landing in landings] == [True] * (SETBACKS - 1) + [False]
    record = board.engine.task(board.run, "one")
    assert (record.state, record.needs_person, record.failures) == (TaskState.FAILED, True, 0)
    assert "File name too long" in record.failure_reason


def test_a_disk_that_takes_no_checkout_charges_no_attempt(board: Board) -> None:
    """What was handed in lands as it is, once the host is in order."""
    gate_that(board, "true")
    board.submit(task("one"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    in_the_way = board.hub.home / "gates"
    in_the_way.write_text("no folder\n")

    first = board.land()
    in_the_way.unlink()
    found = board.hub.find_attempt(board.run, "one")
    assert found is not None
    again = handed_in_again(board, found.commit)

    record = board.engine.task(board.run, "one")
    assert (first.outcome, again.outcome) == (Outcome.INFRASTRUCTURE, Outcome.LANDED)
    assert (record.state, record.failures, record.setbacks) == (TaskState.DONE, 0, 1)


def handed_in_again(board: Board, commit: str) -> Landing:
    """A worker finds the attempt that is there, and hands it in; what becomes of it."""
    time.sleep(0.01)  # its backoff
    claim = board.claim()
    board.engine.hand_in(claim, commit=commit)
    return board.land()
