"""`swarm land`: a branch of the user's gets what has landed, and nothing else of the user's changes."""

from collections.abc import Callable, Collection

import pytest
from merge_board import Board, task, write
from user_states import STATES, fingerprint

from swarm.errors import RefusedError, UsageError
from swarm.repo.delivery import Delivered, How, Told, deliver
from swarm.repo.gates.gate import GateReport, GateResult
from swarm.testing.repository import UserRepository

GREEN = GateReport()
RED = GateReport((GateResult("tests", ("x",), 1, 0.1, ""),))


Judge = Callable[[str, str], GateReport]


def brought(
    board: Board, user: UserRepository, name: str, *, judge: Judge, squash: Told | None = None
) -> Delivered:
    """Bring the run's branch into one of a repository's."""
    base = board.engine.run(board.run).base
    return deliver(board.hub, user.path, board.branch, name, base=base, judge=judge, squash=squash)


def landed(board: Board) -> str:
    """A run of one task that has landed; its branch's tip."""
    board.submit(task("one", "src/a.py"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    return board.land().commit


def into(board: Board, name: str, report: GateReport = GREEN) -> Delivered:
    """Land the run's branch in one of the user's."""
    return brought(board, board.user, name, judge=lambda *_commits: report)


@pytest.mark.parametrize("reach", STATES, ids=lambda reach: str(reach.__name__))
def test_landing_changes_one_branch_and_nothing_else(
    board: Board, reach: Callable[[UserRepository], UserRepository]
) -> None:
    """In a checkout of any state: HEAD, index, files, stash, config stay byte for byte."""
    commit = landed(board)
    repository = reach(board.user)
    before = fingerprint(repository)

    delivered = brought(board, repository, "release", judge=lambda *_commits: RED)

    assert delivered == Delivered("release", How.CREATED, commit)
    assert repository.git("rev-parse", "release").decode().strip() == commit
    after = fingerprint(repository)
    new = {name for name in after if after[name] != before.get(name)}
    assert [name.endswith("refs/heads/release") for name in new] == [True]
    assert before.keys() <= after.keys()


def test_a_branch_behind_is_fast_forwarded_and_one_ahead_is_left(board: Board) -> None:
    """What holds everything already does not move."""
    board.user.git("branch", "release")
    commit = landed(board)

    first, second = into(board, "release", RED), into(board, "release", RED)

    assert first == Delivered("release", How.ADVANCED, commit)
    assert second == Delivered("release", How.UP_TO_DATE, commit)
    board.user.git("checkout", "-q", "release")
    ahead = board.user.commit({"src/b.py": "b = 3\n"})
    board.user.git("checkout", "-q", "main")
    assert into(board, "release") == Delivered("release", How.UP_TO_DATE, ahead)


def apart(board: Board, files: dict[str, str]) -> tuple[str, str]:
    """A branch `release` with a commit of its own, and what has landed since they parted."""
    board.user.git("checkout", "-q", "-b", "release")
    own = board.user.commit(files)
    board.user.git("checkout", "-q", "main")
    return own, landed(board)


def test_branches_that_went_apart_are_merged_and_judged(board: Board) -> None:
    """One commit with both parents, on which the gates are green."""
    own, commit = apart(board, {"src/b.py": "b = 3\n"})
    judged: list[str] = []

    def judge(merged: str, defined_in: str) -> GateReport:
        judged.extend([merged, defined_in])
        return GateReport()

    delivered = brought(board, board.user, "release", judge=judge)

    assert delivered.how == How.MERGED
    assert judged == [delivered.commit, own]  # by the gates of the user's own branch
    shown = board.user.git("log", "-1", "--format=%P|%s", "release").decode().strip()
    assert shown == f"{own} {commit}|Merge branch '{board.branch}' into release"
    assert board.user.git("show", "release:src/a.py") == b"a = 2\n"
    assert board.user.git("show", "release:src/b.py") == b"b = 3\n"


def test_what_cannot_land_leaves_the_branch_and_says_why(board: Board) -> None:
    """A conflict, red gates on both, a branch that is checked out, a name that is none."""
    own, _ = apart(board, {"src/a.py": "a = 'mine'\n", "src/b.py": "b = 3\n"})

    with pytest.raises(RefusedError, match=r"conflicts with 'release' in src/a\.py"):
        into(board, "release")
    with pytest.raises(RefusedError, match="branch 'main' is checked out"):
        into(board, "main")
    with pytest.raises(UsageError, match="is no name for a branch"):
        into(board, "a..b")
    with pytest.raises(UsageError, match="is no name for a branch"):
        into(board, "@{-1}")  # a word for another branch
    board.user.git("branch", "-f", "other", "release~1")
    board.user.git("checkout", "-q", "other")
    board.user.commit({"src/c.py": "c = 1\n"})
    board.user.git("checkout", "-q", "main")
    with pytest.raises(RefusedError, match="the gates are red: tests: exit code 1"):
        into(board, "other", RED)
    assert board.user.git("rev-parse", "release").decode().strip() == own


def test_a_name_for_another_branch_is_refused(board: Board) -> None:
    """Git would write that one, and see not that it is checked out."""
    landed(board)
    board.user.git("symbolic-ref", "refs/heads/alias", "refs/heads/main")
    before = fingerprint(board.user)

    with pytest.raises(UsageError, match="'alias' stands for another branch, 'refs/heads/main'"):
        into(board, "alias")

    assert fingerprint(board.user) == before


def test_a_branch_of_another_history_is_refused(board: Board) -> None:
    """There is nothing to merge it by."""
    landed(board)
    tree = board.user.git("rev-parse", "HEAD^{tree}").decode().strip()
    orphan = board.user.git("commit-tree", tree, "-m", "orphan").decode().strip()
    board.user.git("branch", "orphan", orphan)

    with pytest.raises(RefusedError, match="no commit in common"):
        into(board, "orphan")


def test_a_branch_that_is_checked_out_while_the_gates_run_is_left_alone(board: Board) -> None:
    """The gates take minutes: it ends as it would have before them, with the same next step."""
    own, _ = apart(board, {"src/b.py": "b = 3\n"})
    elsewhere = str(board.user.path.parent / "elsewhere")

    def judge(*_commits: str) -> GateReport:
        board.user.git("worktree", "add", "-q", elsewhere, "release")
        return GREEN

    with pytest.raises(RefusedError, match="branch 'release' is checked out") as refused:
        brought(board, board.user, "release", judge=judge)

    assert refused.value.hint == f"`git merge {board.branch}` there, or switch to another branch first"
    assert board.user.git("rev-parse", "release").decode().strip() == own


def test_a_branch_that_moves_while_the_gates_run_is_left_alone(board: Board) -> None:
    """What nothing has judged does not land; to land again merges it too."""
    apart(board, {"src/b.py": "b = 3\n"})
    moved: list[str] = []

    def judge(*_commits: str) -> GateReport:
        board.user.git("checkout", "-q", "release")
        moved.append(board.user.commit({"src/b.py": "b = 4\n"}))
        board.user.git("checkout", "-q", "main")
        return GREEN

    with pytest.raises(RefusedError, match="has got other commits meanwhile"):
        brought(board, board.user, "release", judge=judge)

    assert board.user.git("rev-parse", "release").decode().split() == moved


def test_a_branch_may_be_named_in_full(board: Board) -> None:
    """As git prints it; other refs are no branches, and none is made of their names."""
    commit = landed(board)

    delivered = into(board, "refs/heads/release")

    assert delivered == Delivered("release", How.CREATED, commit)
    with pytest.raises(UsageError, match=r"'refs/tags/v1' is no branch"):
        into(board, "refs/tags/v1")
    with pytest.raises(UsageError, match=r"'refs/heads/x' is no branch"):
        into(board, "refs/heads/refs/heads/x")
    assert "refs/" not in board.user.git("for-each-ref", "--format=%(refname:short)").decode()


def test_a_branch_that_git_has_no_room_for_is_refused(board: Board) -> None:
    """`a/b` beside `a`, and `a` beside `a/b`: the one in the way is named."""
    landed(board)
    board.user.git("branch", "team/release")

    with pytest.raises(UsageError, match="'main/x' cannot be: there is a branch 'main'"):
        into(board, "main/x")
    with pytest.raises(UsageError, match="'team' cannot be: there is a branch 'team/release'"):
        into(board, "team")

    assert into(board, "team/releases").how == How.CREATED


def squashed(board: Board, name: str, report: GateReport = GREEN) -> Delivered:
    """Land the run's branch in one of the user's as one commit."""
    return brought(board, board.user, name, judge=lambda *_commits: report, squash=lambda *_: "All of it\n")


def test_squashed_it_is_one_commit_with_the_same_files(board: Board) -> None:
    """On a branch that is behind, which the gates have passed already; twice is once."""
    board.user.git("branch", "release")
    base = board.user.head()
    board.submit(task("one", "src/a.py"), task("two", "src/b.py"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    board.hand_in(write("src/b.py", "b = 2\n"))
    tip = board.queue().land_train()[-1].commit

    first, second = squashed(board, "release", RED), squashed(board, "release", RED)

    def git(*words: str) -> str:
        return board.user.git(*words).decode().strip()

    assert (first.how, second.how) == (How.SQUASHED, How.UP_TO_DATE)
    assert git("rev-parse", "release") == first.commit == second.commit
    assert git("rev-list", "--count", f"{base}..release") == "1"
    assert git("rev-parse", "release^") == base
    assert git("rev-parse", "release^{tree}") == board.hub.resolve(f"{tip}^{{tree}}")
    assert git("log", "-1", "--format=%B", "release") == f"All of it\n\nSwarm-Tip: {tip}"


def test_squashed_into_a_new_branch_it_follows_the_runs_base(board: Board) -> None:
    """As if that had been fast-forwarded."""
    base = board.user.head()
    landed(board)

    delivered = squashed(board, "new", RED)

    assert delivered.how == How.SQUASHED
    assert board.user.git("rev-parse", "new^").decode().strip() == base


def test_squashed_into_a_new_branch_after_the_run_was_landed_elsewhere(board: Board) -> None:
    """What is known to the hub as a commit to start from is not therefore what this run began with."""
    board.user.git("branch", "release")
    base = board.user.head()
    commit = landed(board)
    into(board, "release")
    into(board, "release")  # which imports the tip itself

    delivered = squashed(board, "new", RED)

    assert delivered.how == How.SQUASHED
    assert board.user.git("rev-parse", "new^").decode().strip() == base
    assert board.user.git("rev-parse", "new^{tree}").decode().strip() == board.hub.resolve(
        f"{commit}^{{tree}}"
    )


def test_squashed_beside_what_a_person_did_it_is_judged(board: Board) -> None:
    """Red changes nothing; green has both."""
    board.user.git("branch", "release")
    landed(board)
    board.user.git("checkout", "-q", "release")
    mine = board.user.commit({"src/b.py": "b = 3\n"})
    board.user.git("checkout", "-q", "main")

    with pytest.raises(RefusedError, match="the gates are red"):
        squashed(board, "release", RED)
    delivered = squashed(board, "release", GREEN)

    assert delivered.how == How.SQUASHED
    assert board.user.git("rev-parse", "release^").decode().strip() == mine
    assert board.user.git("show", "release:src/a.py") == b"a = 2\n"
    assert board.user.git("show", "release:src/b.py") == b"b = 3\n"


def landed_twice(board: Board) -> None:
    """A task lands, is squashed into `release`, a person goes on there, and another task lands."""
    board.user.git("branch", "release")
    board.submit(task("one", "src/a.py", priority=1), task("two", "src/a.py"))
    board.hand_in(write("src/a.py", "a = 2\nb = 2\n"))
    board.land()
    squashed(board, "release")
    board.user.git("checkout", "-q", "release")
    board.user.commit({"src/b.py": "b = 3\n"})
    board.user.git("checkout", "-q", "main")
    board.hand_in(write("src/a.py", "a = 2\nb = 3\n"))
    board.land()


def test_what_landed_after_it_was_squashed_is_squashed_once_more(board: Board) -> None:
    """What the first one brought is no change of both sides; twice is once again."""
    landed_twice(board)

    second, third = squashed(board, "release"), squashed(board, "release")

    assert (second.how, third.how) == (How.SQUASHED, How.UP_TO_DATE)
    assert board.user.git("show", "release:src/a.py") == b"a = 2\nb = 3\n"
    assert board.user.git("show", "release:src/b.py") == b"b = 3\n"
    assert board.user.git("rev-list", "--merges", "--count", "release").strip() == b"0"


def named(held: Collection[str], since: str) -> str:
    """A message that tells what it was made from."""
    return f"Part\n\n{' '.join(held)} after {since}\n"


def test_what_was_squashed_again_is_told_by_what_is_in_it_alone(board: Board) -> None:
    """Also where a person has reverted the first one since: nothing of that comes back."""
    board.user.git("branch", "release")
    board.submit(task("one", "src/a.py", priority=1), task("two", "src/b.py"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    first = board.land().commit
    whole = brought(board, board.user, "release", judge=lambda *_: GREEN, squash=named)
    board.user.git("checkout", "-q", "release")
    board.user.git("revert", "--no-edit", "HEAD")
    board.user.git("checkout", "-q", "main")
    board.hand_in(write("src/b.py", "b = 2\n"))
    second = board.land().commit

    part = brought(board, board.user, "release", judge=lambda *_: GREEN, squash=named)

    told = [
        board.user.git("log", "-1", "--format=%b", commit).decode() for commit in (whole.commit, part.commit)
    ]
    assert (whole.since, part.since) == ("", first)
    assert told[0].startswith(f"{first} after\n")
    assert told[1].startswith(f"{second} after {first}\n")
    changed = board.user.git("show", "--format=", "--name-only", "release").decode()
    assert changed == "src/b.py\n"


def test_what_landed_after_a_merge_is_squashed_by_itself(board: Board) -> None:
    """A part that came as it had landed is there as well as one that was squashed."""
    board.user.git("branch", "release")
    board.submit(task("one", "src/a.py", priority=1), task("two", "src/b.py"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    first = board.land().commit
    into(board, "release")
    board.hand_in(write("src/b.py", "b = 2\n"))
    second = board.land().commit

    part = brought(board, board.user, "release", judge=lambda *_: GREEN, squash=named)

    assert part.since == first
    assert f"{second} after {first}" in board.user.git("log", "-1", "--format=%b", "release").decode()


def test_what_landed_after_it_was_squashed_is_merged(board: Board) -> None:
    """Also where it is not squashed the second time, as a merge with the user's own parents."""
    landed_twice(board)
    before, tip = board.user.git("rev-parse", "release").split(), board.hub.tip(board.branch) or ""

    merged = into(board, "release")

    assert merged.how == How.MERGED
    assert board.user.git("show", "release:src/a.py") == b"a = 2\nb = 3\n"
    assert board.user.git("log", "-1", "--format=%P", "release").split() == [*before, tip.encode()]


def test_what_a_person_took_back_of_what_was_squashed_stays_away(board: Board) -> None:
    """As of what was merged: it is a change of the user's, and not undone by what lands later."""
    board.user.git("branch", "release")
    board.submit(task("one", "src/a.py", "src/new.py", priority=1), task("two", "docs/guide.md"))
    board.hand_in(lambda tree: [write(f"src/{name}.py", "new\n")(tree) for name in ("a", "new")])
    board.land()
    squashed(board, "release")
    board.user.git("checkout", "-q", "release")
    board.user.git("rm", "-q", "src/new.py")
    board.user.commit({"src/a.py": "a = 1\n"})
    board.user.git("checkout", "-q", "main")
    board.hand_in(write("docs/guide.md", "better\n"))
    board.land()

    squashed(board, "release")

    assert board.user.git("show", "release:src/a.py") == b"a = 1\n"
    assert board.user.git("show", "release:docs/guide.md") == b"better\n"
    assert b"new.py" not in board.user.git("ls-tree", "-r", "--name-only", "release")


def test_a_line_that_names_what_never_landed_here_counts_for_nothing(board: Board) -> None:
    """A message may say anything: what two have changed is a conflict as ever."""
    base = board.user.head()
    board.user.git("checkout", "-q", "-b", "release")
    own = board.user.commit({"src/a.py": "mine\n"})
    board.user.commit({"src/b.py": "mine\n"}, message=f"mine\n\nSwarm-Tip: {own}")
    board.user.commit({"src/c.py": "mine\n"}, message="mine\n\nSwarm-Tip: " + "1" * 40)
    board.user.git("checkout", "-q", "main")
    assert board.user.head() == base
    landed(board)

    with pytest.raises(RefusedError, match="conflicts with 'release'"):
        squashed(board, "release")
