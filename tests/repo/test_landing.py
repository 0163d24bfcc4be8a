"""Landing: what reaches the branch, and what is sent back with which evidence."""

from pathlib import Path

import pytest
from merge_board import NOBODY, Board, task, write

from swarm.engine.claims import Claim
from swarm.repo.gates.gate import GateReport, GateResult
from swarm.repo.git.merge import MAX_EVIDENCE
from swarm.repo.hub.refs import fence_ref
from swarm.repo.merging.landing import condemned
from swarm.repo.merging.merge_queue import Outcome
from swarm.repo.workspaces.workspace import open_workspace
from swarm.states import TaskState


def test_an_attempt_lands_as_one_commit_with_its_trailers(board: Board) -> None:
    """Author, subject, trailers, tree, refs and state are as documented; the attempt's refs are gone."""
    board.submit(task("one"))
    claim = board.hand_in(write("src/a.py", "a = 2\n"))

    landing = board.land()

    assert (landing.outcome, landing.task, landing.branch) == (Outcome.LANDED, "one", board.branch)
    assert landing.commit == board.hub.tip(board.branch)
    assert board.hub.read_blob(landing.commit, "src/a.py") == b"a = 2\n"
    assert board.hub.git.one_line("log", "-1", "--format=%an <%ae>|%cn <%ce>|%s|%P", landing.commit) == (
        f"swarm <swarm@localhost>|swarm <swarm@localhost>|Do one|{claim.base}"
    )
    (landed,) = board.hub.landings(board.branch, claim.base)
    assert (landed.run, landed.task, landed.attempt) == (board.run, "one", 1)
    fence = board.hub.git.run("cat-file", "blob", fence_ref(board.branch))
    assert fence == f"{landed.merge_token}\n{landed.commit}\n".encode()
    assert board.hub.refs_under("refs/swarm/attempt/") == {}
    assert board.state("one") == TaskState.DONE
    assert board.engine.task(board.run, "one").merged_commit == landing.commit
    assert board.violations() == []
    assert board.queue().land_train() == ()


def test_a_dependent_starts_from_what_its_dependency_landed(board: Board) -> None:
    """The landing names what it queued, and the next base contains it."""
    board.submit(task("one"), task("two", dependencies=("one",)))
    board.hand_in(write("src/a.py", "a = 2\n"))

    landing = board.land()
    claim = board.hand_in(write("src/b.py", "b = 2\n"))

    assert landing.newly_queued == ("two",)
    assert claim.base == landing.commit
    assert board.land().outcome == Outcome.LANDED
    assert board.violations() == []


def test_parallel_attempts_from_one_base_both_land(board: Board) -> None:
    """The second is merged onto the first."""
    board.submit(task("one", "src/a.py"), task("two", "src/b.py"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    board.hand_in(write("src/b.py", "b = 2\n"))

    outcomes = [board.land().outcome, board.land().outcome]

    assert outcomes == [Outcome.LANDED, Outcome.LANDED]
    tip = board.hub.tip(board.branch)
    assert tip is not None
    assert board.hub.read_blob(tip, "src/a.py") == b"a = 2\n"
    assert board.hub.read_blob(tip, "src/b.py") == b"b = 2\n"
    assert board.violations() == []


def conflicting(board: Board) -> Claim:
    """Land one attempt, and have another from the same base handed in that disagrees."""
    board.submit(task("one", "src/a.py"), task("two", "src/b.py"))
    first, second = board.claim(), board.claim()
    trees = [board.workspace(first), board.workspace(second)]
    for claim, workspace, content in zip(
        (first, second), trees, ("a = 'ours'\n", "a = 'theirs'\n"), strict=True
    ):
        (workspace.tree / "src/a.py").write_text(content)
        board.engine.hand_in(claim, commit=board.take(claim, workspace))
    assert board.land().outcome == Outcome.LANDED
    return second


def test_a_conflict_goes_back_with_the_hunks(board: Board) -> None:
    """The next attempt is told which paths, and both versions; its old commit is not offered again."""
    second = conflicting(board)
    tip = board.hub.tip(board.branch)

    landing = board.land()

    assert (landing.outcome, landing.task, landing.requeued) == (Outcome.CONFLICT, second.task.id, True)
    record = board.engine.task(board.run, second.task.id)
    assert record.failure_kind == "conflict"
    assert "src/a.py" in record.failure_reason
    first = next(name for name in ("one", "two") if name != second.task.id)
    parts = [line for line in record.evidence.splitlines() if line.startswith("# ")]
    assert parts == [
        f"# The change of '{second.task.id}' conflicts with what has landed since it began, in",
        "# What has landed there since",
        f"# What '{second.task.id}' was to do",
        "# The conflict, with the lines that both began with (landed, before, attempt)",
        "# What the landed changes did there",
        f"# What '{second.task.id}' did there",
    ]
    assert f"\n{first}: Do {first}\n" in record.evidence
    assert "CONFLICT (content)" in record.evidence
    assert "|||||||" in record.evidence
    assert "a = 'ours'" in record.evidence
    assert "a = 'theirs'" in record.evidence
    assert board.hub.tip(board.branch) == tip
    assert board.hub.find_attempt(board.run, second.task.id) is None
    assert len(board.hub.refs_under("refs/swarm/rejected/")) == 1
    assert board.violations() == []


def test_a_second_conflict_goes_to_a_person(board: Board) -> None:
    """Whoever was told of both sides and conflicts again is not tried a third time."""
    first = conflicting(board)
    board.land()
    again = board.claim()
    assert again.task.id == first.task.id
    other = board.user.commit({"src/a.py": "a = 'by a person'\n"})
    workspace = board.workspace(again)
    (workspace.tree / "src/a.py").write_text("a = 'once more'\n")
    board.engine.hand_in(again, commit=board.take(again, workspace))
    board.hub.import_base(board.user.path, other)
    git, tip = board.hub.git, board.hub.tip(board.branch)
    theirs = git.one_line("rev-parse", f"{other}^{{tree}}")
    moved = git.run("commit-tree", theirs, "-p", str(tip), "-m", "by hand", env=NOBODY).decode().strip()
    board.hub.create_refs({f"refs/heads/{board.branch}": moved})

    landing = board.land()

    assert (landing.outcome, landing.requeued) == (Outcome.CONFLICT, False)
    assert landing.reason == "conflicts with what has landed: src/a.py, for the second time"
    record = board.engine.task(board.run, again.task.id)
    assert (record.state, record.needs_person) == (TaskState.FAILED, True)
    assert f"{moved[:12]}: by hand" in record.evidence
    assert "a = 'once more'" in record.evidence


def test_a_change_outside_the_scope_does_not_land(board: Board) -> None:
    """The merge looks at the real difference, whatever the worker let through."""
    board.submit(task("one", "src/a.py"))
    board.hand_in(write("README.md", "mine\n"))

    landing = board.land()

    assert landing.outcome == Outcome.OUT_OF_SCOPE
    assert landing.reason == "README.md: changed outside the write scope"
    assert board.hub.tip(board.branch) == board.user.head()


def commit_raw(board: Board, claim: Claim, entry: str) -> str:
    """An attempt that no workspace could produce: one tree entry, written straight into the hub."""
    git = board.hub.git
    blob = git.run("hash-object", "-w", "--stdin", stdin=b"/etc/passwd").decode().strip()
    tree = git.run("ls-tree", claim.base) + entry.format(blob=blob, base=claim.base).encode()
    made = git.run("mktree", "--missing", stdin=tree).decode().strip()
    return git.run("commit-tree", made, "-p", claim.base, "-m", "evil", env=NOBODY).decode().strip()


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("120000 blob {blob}\tlink\n", "link: links to '/etc/passwd', outside the repository"),
        ("160000 commit {base}\tsub\n", "sub: is a submodule"),
    ],
)
def test_links_outward_and_submodules_never_land(board: Board, entry: str, reason: str) -> None:
    """A forged attempt is refused on the diff, and a person is told."""
    board.submit(task("one", "**"))
    claim = board.claim()
    board.engine.hand_in(claim, commit=commit_raw(board, claim, entry))

    landing = board.land()

    assert landing.outcome == Outcome.REFUSED
    assert landing.reason == reason
    assert board.engine.task(board.run, "one").needs_person
    assert board.hub.tip(board.branch) == board.user.head()


def test_an_attempt_whose_change_is_there_already_is_done_without_a_commit(board: Board) -> None:
    """The same edit twice gives one commit; the second task is done with the tip it found."""
    check = (("grep", "-q", "2", "src/a.py"),)
    board.submit(task("one", "src/a.py", acceptance=check), task("two", "src/b.py", acceptance=check))
    for claim in (board.claim(), board.claim()):
        workspace = board.workspace(claim)
        (workspace.tree / "src/a.py").write_text("a = 2\n")
        board.engine.hand_in(claim, commit=board.take(claim, workspace))
    tip = board.land().commit

    landing = board.land()

    assert (landing.outcome, landing.commit) == (Outcome.UNCHANGED, tip)
    assert [result.passed for result in landing.gates.results] == [True]
    assert board.hub.tip(board.branch) == tip
    assert sorted(board.done()) == ["one", "two"]
    # Nobody is told that the second landed as what the first has landed.
    assert [one.merged_commit for one in board.engine.tasks(board.run)] == [tip, ""]
    assert board.violations() == []


def test_an_edit_of_a_file_that_was_renamed_meanwhile_lands_in_the_renamed_one(board: Board) -> None:
    """It changed what it may change, and git follows the name: that is no change outside its scope."""
    board.submit(task("mover", "src/a.py", "lib/a.py"), task("editor", "src/a.py", dependencies=("mover",)))
    early = open_workspace(board.hub, board.user.head(), board.folder / "early")
    (early.tree / "src/a.py").write_text("a = 1\nb = 2\n")

    def move(tree: Path) -> None:
        (tree / "lib").mkdir()
        (tree / "src/a.py").rename(tree / "lib/a.py")

    board.hand_in(move)
    assert board.land().outcome == Outcome.LANDED
    claim = board.claim()
    board.engine.hand_in(claim, commit=board.take(claim, early))

    landing = board.land()

    assert (landing.outcome, landing.reason) == (Outcome.LANDED, "")
    assert board.hub.read_blob(landing.commit, "lib/a.py") == b"a = 1\nb = 2\n"
    assert board.hub.read_blob(landing.commit, "src/a.py") is None


def test_what_an_attempt_adds_beyond_its_scope_lands_under_no_name(board: Board) -> None:
    """Only what was there already may have been followed; its own changes are held to the scope."""
    board.submit(task("one", "src/a.py"))
    claim = board.claim()
    workspace = board.workspace(claim)
    (workspace.tree / "src/b.py").write_text("b = 2\n")
    board.engine.hand_in(claim, commit=board.take(claim, workspace))

    assert board.land().outcome == Outcome.OUT_OF_SCOPE


def test_a_command_as_long_as_the_evidence_leaves_room_for_what_it_printed() -> None:
    """Hundreds of test files are named to it; what the next attempt needs is why one is red."""
    argv = ("pytest", *(f"tests/deep/test_{number}.py" for number in range(4000)))
    red = GateResult("tests", argv, 1, 0.1, "x" * MAX_EVIDENCE + "1 failed\n")

    evidence = condemned(GateReport((red,)), before=()).failure.evidence

    assert evidence.startswith("tests: exit code 1\n$ pytest tests/deep/test_0.py")
    assert evidence.endswith("xxx1 failed\n")
    assert len(evidence) == MAX_EVIDENCE
