"""Hunk accounting: no false alarm on what git merges, an alarm for what it would never do."""

import random

import pytest
from bare_hub import Bare, Edits, edited, edits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from merge_board import Board, task, write

from swarm.repo.git.accounting import find_unaccounted
from swarm.repo.git.line_accounting import Versions, find_faults
from swarm.repo.git.merge import Merged
from swarm.repo.git.workbench import Workbench
from swarm.repo.hub.hub import Hub
from swarm.repo.merging.landing import Outcome
from swarm.states import TaskState

BASE = b"".join(b"line %d\n" % number for number in range(12))
ATTEMPT = BASE.replace(b"line 2\n", b"new 2\nnew 3\n")
OURS = BASE.replace(b"line 9\n", b"other 9\n")
RESULT = ATTEMPT.replace(b"line 9\n", b"other 9\n")


def faults_of(result: bytes, *, ours: bytes = OURS, attempt: bytes = ATTEMPT) -> list[str]:
    """What is found in one file."""
    return [str(fault) for fault in find_faults(b"a.py", Versions(BASE, attempt, ours, result))]


def test_a_right_merge_adds_up() -> None:
    """Also where both sides made the same change."""
    assert faults_of(RESULT) == []
    assert faults_of(RESULT, ours=RESULT) == []
    assert faults_of(ATTEMPT, ours=ATTEMPT) == []


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (OURS, "1 too few of the line 'new 2\\n'"),  # all of it is lost: the silent "ours"
        (ATTEMPT, "1 too few of the line 'other 9\\n'"),  # theirs: what had landed is undone
        (RESULT.replace(b"new 3\n", b""), "1 too few of the line 'new 3\\n'"),
        (RESULT.replace(b"new 3\n", b"new 3\nnew 3\n"), "1 too many of the line 'new 3\\n'"),
        (RESULT.replace(b"new 2\n", b"line 2\nnew 2\n"), "1 too many of the line 'line 2\\n'"),
        (RESULT.replace(b"new 2\nnew 3\n", b"new 3\nnew 2\n"), "what was added is in another order"),
        (RESULT + b"<<<<<<< ours\n", "1 too many of the line '<<<<<<< ours\\n'"),
        (RESULT[:-1], "1 too few of the line 'line 11\\n'"),  # the newline at the end
    ],
)
def test_a_wrong_merge_is_told_by_its_lines(result: bytes, said: str) -> None:
    """Dropped, doubled, restored, in another order."""
    assert f"a.py: {said}" in faults_of(result)


@pytest.mark.parametrize(
    ("base", "attempt", "ours", "said"),
    [
        (b"a\nb\nc\n", b"x\na\nb\nc\n", b"a\nb\nc\nx\n", "1 too few of the line 'x\\n'"),
        (b"x\na\nb\nx\n", b"a\nb\nx\n", b"x\na\nb\n", "1 too many of the line 'x\\n'"),
    ],
)
def test_the_same_line_at_two_places_is_not_the_same_change(
    base: bytes, attempt: bytes, ours: bytes, said: str
) -> None:
    """Each side adds it, or takes it away, where the other does not: the attempt's may not be lost."""
    lost = find_faults(b"a.py", Versions(base, attempt, ours, ours))

    assert [str(fault) for fault in lost] == [f"a.py: {said}"]


def test_a_binary_file_is_the_attempts_as_it_is() -> None:
    """Nothing of two binary files can be merged."""
    theirs, ours = b"\0theirs", b"\0ours"

    assert faults_of(theirs, ours=BASE, attempt=theirs) == []
    assert faults_of(ours, ours=ours, attempt=BASE) == []
    assert faults_of(theirs + ours, ours=ours, attempt=theirs) == ["a.py: a binary file was merged"]


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Bare:
    """One hub for all examples."""
    return Bare(Hub.open_or_create(tmp_path_factory.mktemp("hub") / "repo.git"))


def unaccounted(bare: Bare, attempt: str, ours: str, result: str) -> list[str]:
    """What is found in a merge of whole trees."""
    with Workbench(bare.hub.path) as bench:
        before, after = bench.tree_of(ours), bench.tree_of(result)
        return find_unaccounted(
            bare.hub.git,
            bench,
            base=bench.tree_of(f"{attempt}^"),
            theirs=bench.tree_of(attempt),
            ours=before,
            result=after,
            merged=bench.changes(before, after),
        )


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    ours=st.lists(edits, max_size=4), theirs=st.lists(edits, min_size=1, max_size=4), seed=st.integers(0, 99)
)
def test_whatever_git_merges_adds_up_and_nothing_else_does(
    bare: Bare, ours: Edits, theirs: Edits, seed: int
) -> None:
    """A line dropped from any file of the result, or doubled in it, is noticed."""
    base = bare.commit(edited((), 0))
    tip = bare.commit(edited(ours, 1), base)
    attempt = bare.commit(edited(theirs, 2), base)
    with Workbench(bare.hub.path) as bench:
        merged = bench.merge(tip, attempt)
    if not isinstance(merged, Merged):
        return

    assert unaccounted(bare, attempt, tip, merged.tree) == []

    files = {path.decode(): content for path, content in bare.files(merged.tree).items()}
    if not files:
        return
    dice = random.Random(seed)  # a draw, not a secret
    name = dice.choice(sorted(files))
    lines = files[name].splitlines(keepends=True)
    place = dice.randrange(len(lines))
    lines[place : place + 1] = dice.choice(([], [lines[place], lines[place]], [b"from nowhere\n"]))
    wrong = bare.commit({**files, name: b"".join(lines)}, base)
    assert any(fault.startswith(f"{name}: ") for fault in unaccounted(bare, attempt, tip, wrong))


@pytest.mark.parametrize("who", ["ours", "theirs"])
def test_a_file_that_one_side_renames_and_the_other_edits_adds_up(bare: Bare, who: str) -> None:
    """What is missing under one name is there under the other."""
    plain = {"a.txt": BASE, "b.txt": b"other\n"}
    renamed = {"c.txt": BASE, "b.txt": b"other\n"}
    changed = {"a.txt": ATTEMPT, "b.txt": b"other\n"}
    base = bare.commit(plain)
    sides = {"ours": (renamed, changed), "theirs": (changed, renamed)}[who]
    tip, attempt = (bare.commit(files, base) for files in sides)
    with Workbench(bare.hub.path) as bench:
        merged = bench.merge(tip, attempt)

    assert isinstance(merged, Merged)
    assert bare.files(merged.tree)[b"c.txt"] == ATTEMPT
    assert unaccounted(bare, attempt, tip, merged.tree) == []
    assert unaccounted(bare, attempt, tip, bare.commit(renamed, base)) != []  # the edit is lost


def test_a_mode_that_is_lost_is_told(bare: Bare) -> None:
    """An attempt that makes a file executable, merged with an edit of that file."""
    git = bare.hub.git
    base = bare.commit({"run.sh": BASE})
    tip = bare.commit({"run.sh": OURS}, base)
    blob = git.one_line("rev-parse", f"{base}:run.sh")
    tree = git.run("mktree", stdin=f"100755 blob {blob}\trun.sh\n".encode()).decode().strip()
    with Workbench(bare.hub.path) as bench:
        attempt = bench.commit(tree, base, b"executable\n")

    assert unaccounted(bare, attempt, tip, tip) == ["run.sh: its mode is 100644, and was to be 100755"]


def test_a_merge_that_does_not_add_up_goes_to_a_person(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not land, the lines are named, and no further attempt is made."""
    board.submit(task("one", "src/a.py"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    git = board.hub.git
    blob = git.run("hash-object", "-w", "--stdin", stdin=b"a = 3\n").decode().strip()

    def merge_wrongly(_bench: Workbench, ours: str, _theirs: str) -> Merged:
        env = {"GIT_INDEX_FILE": str(board.folder / "index")}
        board.folder.mkdir(exist_ok=True)
        git.run("read-tree", ours, env=env)
        git.run("update-index", "--cacheinfo", f"100644,{blob},src/a.py", env=env)
        return Merged(git.run("write-tree", env=env).decode().strip())

    monkeypatch.setattr(Workbench, "merge", merge_wrongly)
    landing = board.land()

    assert landing.outcome == Outcome.REFUSED
    assert landing.reason.startswith("the merge does not add up: src/a.py: 1 too few of the line 'a = 2")
    record = board.engine.task(board.run, "one")
    assert (record.state, record.needs_person) == (TaskState.FAILED, True)
    assert board.hub.tip(board.branch) == board.user.head()


LINES = [b"line %d\n" % number for number in range(30)]


def with_lines(**changed: bytes) -> bytes:
    """A long file, with some lines (`_3=b"…"`) changed."""
    return b"".join(changed.get(f"_{number}", line) for number, line in enumerate(LINES))


@pytest.mark.parametrize(
    ("base", "ours", "theirs"),
    [
        (  # two values change places, and one of them had been changed already
            {"f": with_lines(_3=b"x=1\n", _25=b"x=2\n")},
            {"f": with_lines(_3=b"x=2\n", _25=b"x=2\n", _14=b"more\n")},
            {"f": with_lines(_3=b"x=2\n", _25=b"x=1\n")},
        ),
        (  # one side removes the line that the other one moves
            {"f": b"".join(LINES)},
            {"f": b"".join(LINES[:3] + LINES[4:])},
            {"f": b"".join(LINES[:3] + LINES[4:25] + [LINES[3]] + LINES[25:])},
        ),
        (  # one side renames a file in which both change a line alike
            {"f": b"".join(LINES)},
            {"g": with_lines(_2=b"X\n")},
            {"f": with_lines(_2=b"X\n", _20=b"Y\n")},
        ),
        (
            {"f": b"".join(LINES)},
            {"f": with_lines(_2=b"X\n", _20=b"Y\n")},
            {"g": with_lines(_2=b"X\n")},
        ),
        (  # both make a folder of a file
            {"a": b"1\n", "k": b"k\n"},
            {"a/x": b"x\n", "a/y": b"y\n", "k": b"k\n"},
            {"a/x": b"x\n", "k": b"k2\n"},
        ),
        *(  # names that mean something to git
            ({name: b"".join(LINES)}, {name: with_lines(_2=b"X\n")}, {name: with_lines(_20=b"Y\n")})
            for name in (":!x", ":(glob)x", ":/k", "-rf", "*", "a b", "ü", "[a]")
        ),
        ({"f": b"a\n" + b"end"}, {"f": b"A\na\n" + b"end"}, {"f": b"a\n" + b"end\nmore"}),
    ],
)
def test_unusual_merges_that_git_gets_right_add_up(
    bare: Bare, base: dict[str, bytes], ours: dict[str, bytes], theirs: dict[str, bytes]
) -> None:
    """A false alarm would keep good work off the branch until a person has looked."""
    root = bare.commit(base)
    tip, attempt = bare.commit(ours, root), bare.commit(theirs, root)
    with Workbench(bare.hub.path) as bench:
        merged = bench.merge(tip, attempt)
    if isinstance(merged, Merged):
        assert unaccounted(bare, attempt, tip, merged.tree) == []


def test_files_without_lines_are_accounted_for_too(bare: Bare) -> None:
    """An empty file that is lost, comes back, or appears from nowhere."""
    root = bare.commit({"k": b"k\n", "e": b""})
    tip = bare.commit({"k": b"k\n", "e": b"", "z": b"z\n"}, root)
    adds = bare.commit({"k": b"k\n", "e": b"", "pkg/__init__.py": b""}, root)
    removes = bare.commit({"k": b"k\n"}, root)
    edits_k = bare.commit({"k": b"k2\n", "e": b""}, root)
    ghost = bare.commit({"k": b"k2\n", "e": b"", "z": b"z\n", "ghost": b""}, root)
    gone = bare.commit({"k": b"k2\n", "z": b"z\n"}, root)

    assert unaccounted(bare, adds, tip, tip) == ["pkg/__init__.py: it is not there"]
    assert unaccounted(bare, removes, tip, tip) == ["e: it is there, and was not to be"]
    assert unaccounted(bare, edits_k, tip, ghost) == ["ghost: it is there, and was not to be"]
    assert unaccounted(bare, edits_k, tip, gone) == ["e: it is not there"]


def test_many_files_that_the_branch_holds_already_are_no_trouble(bare: Bare) -> None:
    """More than fit on a command line."""
    many = {f"folder/{'x' * 100}{number}": b"same\n" for number in range(2_000)}
    root = bare.commit({"k": b"k\n"})
    tip = bare.commit({"k": b"k2\n", **many}, root)

    assert unaccounted(bare, bare.commit({"k": b"k\n", **many}, root), tip, tip) == []


def test_a_large_file_is_compared_in_reasonable_time() -> None:
    """Each side changes one line of 200,000 that are mostly alike."""
    lines = [b'  "value": 1,\n', b"},\n", b"{\n"] * 66_000
    ours, theirs = list(lines), list(lines)
    ours[10], theirs[-10] = b"ours\n", b"theirs\n"
    both = list(ours)
    both[-10] = b"theirs\n"
    base, attempt, tip, result = (b"".join(each) for each in (lines, theirs, ours, both))

    assert find_faults(b"big.json", Versions(base, attempt, tip, result)) == []
    assert find_faults(b"big.json", Versions(base, attempt, tip, tip)) != []
