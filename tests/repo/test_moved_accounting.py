"""Hunk accounting of files that one side has moved: right merges land, wrong ones are told."""

from collections.abc import Iterator

import pytest
from bare_hub import Bare
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from merge_board import Board, task

from swarm.repo.git.accounting import find_unaccounted
from swarm.repo.git.merge import Merged
from swarm.repo.git.moves import merge_moved
from swarm.repo.git.workbench import Workbench
from swarm.repo.hub.hub import Hub
from swarm.repo.merging.landing import Outcome

Files = dict[str, bytes]
LINES = [b"line %d\n" % number for number in range(30)]
LOGO = bytes(range(256)) * 4


def text(words: str) -> bytes:
    """One word a line."""
    return "".join(f"{word}\n" for word in words.split()).encode()


REPEATED = text("24 28 15 7 15 12 28 18 37")
CUT = text("28 15 7 15 12")
REORDERED = text("28 24 12 28 18 37")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Bare:
    """One hub for all examples."""
    return Bare(Hub.open_or_create(tmp_path_factory.mktemp("hub") / "repo.git"))


@pytest.fixture(scope="module")
def bench(bare: Bare) -> Iterator[Workbench]:
    """One workbench: starting its processes is most of what an example costs."""
    with Workbench(bare.hub.path) as made:
        yield made


def unaccounted(bare: Bare, bench: Workbench, *, base: str, tip: str, attempt: str, result: str) -> list[str]:
    """What is found in a merge of whole trees."""
    before, after = bench.tree_of(tip), bench.tree_of(result)
    return find_unaccounted(
        bare.hub.git,
        bench,
        base=bench.tree_of(base),
        theirs=bench.tree_of(attempt),
        ours=before,
        result=after,
        merged=bench.changes(before, after),
    )


def changed(place: int, *instead: bytes) -> bytes:
    """The long file with one line exchanged."""
    return b"".join([*LINES[:place], *instead, *LINES[place + 1 :]])


@pytest.mark.parametrize("moved_by", ["landed", "attempt"])
def test_what_is_edited_in_one_moved_file_is_not_looked_for_in_another(
    bare: Bare, bench: Workbench, moved_by: str
) -> None:
    """All lines together add up; each file by itself does not."""
    one, two = b"".join(LINES), b"".join(reversed(LINES))
    base = bare.commit({"a/f": one, "a/g": two})
    moved = bare.commit({"b/f": one, "b/g": two}, base)
    edited = bare.commit({"a/f": one + b"for f\n", "a/g": two + b"for g\n"}, base)
    right = bare.commit({"b/f": one + b"for f\n", "b/g": two + b"for g\n"}, base)
    wrong = bare.commit({"b/f": one + b"for g\n", "b/g": two + b"for f\n"}, base)
    tip, attempt = (moved, edited) if moved_by == "landed" else (edited, moved)

    found = [
        unaccounted(bare, bench, base=base, tip=tip, attempt=attempt, result=result)
        for result in (right, wrong)
    ]

    assert found[0] == []
    assert any(fault.startswith("b/f: ") for fault in found[1])


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "wanted"),
    [
        (  # the attempt moves a line that the branch has removed where it was
            {"y/f": REPEATED},
            {"y/f": CUT},
            {"d/f": REORDERED},
            {"d/f": text("28 24 12")},
        ),
        (  # without a rename
            {"y/f": REPEATED},
            {"y/f": CUT},
            {"y/f": REORDERED},
            {"y/f": text("28 24 12")},
        ),
        (  # a text file is merged, and a binary one is moved beside it
            {"x/a": b"".join(LINES), "x/logo": LOGO},
            {"y/a": changed(2, b"ours\n"), "y/logo": LOGO},
            {"x/a": changed(25, b"theirs\n"), "x/logo": LOGO + b"new"},
            {"y/a": changed(2, b"ours\n").replace(b"line 25\n", b"theirs\n"), "y/logo": LOGO + b"new"},
        ),
        (  # both sides remove from one moved file a line that the attempt puts into another
            {"x/a": changed(5, b"X\n"), "x/b": changed(0, b"b\n") * 2},
            {"y/a": changed(5), "y/b": (changed(0, b"b\n") * 2)[2:]},
            {"x/a": changed(5).replace(b"line 20\n", b""), "x/b": changed(0, b"b\n") * 2 + b"X\n"},
            {
                "y/a": changed(5).replace(b"line 20\n", b""),
                "y/b": (changed(0, b"b\n") * 2)[2:] + b"X\n",
            },
        ),
    ],
)
def test_a_right_merge_of_moved_files_adds_up(
    bare: Bare, bench: Workbench, *, base: Files, ours: Files, theirs: Files, wanted: Files
) -> None:
    """Also where the lines of one file make up for those of another in the sum."""
    root = bare.commit(base)
    tip, attempt = bare.commit(ours, root), bare.commit(theirs, root)

    merged = merge_moved(bench, tip, attempt, base=root)

    assert isinstance(merged, Merged)
    assert bare.files(merged.tree) == {name.encode(): content for name, content in wanted.items()}
    assert unaccounted(bare, bench, base=root, tip=tip, attempt=attempt, result=merged.tree) == []


@pytest.mark.parametrize("more", [b"", b"more\n"])
def test_an_edit_that_a_moved_file_has_already_adds_up(bare: Bare, bench: Workbench, more: bytes) -> None:
    """Nothing is left to do under either name; an edit that is not there is still told."""
    root = bare.commit({"b": b"".join(LINES), "k": b"k\n"})
    tip = bare.commit({"a": changed(3, b"new\n") + more, "k": b"k\n"}, root)
    attempt = bare.commit({"b": changed(3, b"new\n"), "k": b"k\n"}, root)
    other = bare.commit({"b": changed(3, b"other\n"), "k": b"k\n"}, root)

    merged = merge_moved(bench, tip, attempt, base=root)

    assert isinstance(merged, Merged)
    assert bare.files(merged.tree) == bare.files(tip)
    assert unaccounted(bare, bench, base=root, tip=tip, attempt=attempt, result=merged.tree) == []
    lost = unaccounted(bare, bench, base=root, tip=tip, attempt=other, result=tip)
    assert "b: 1 too few of the line 'other\\n'" in lost


def test_a_line_that_is_missing_only_in_the_sum_is_named(bare: Bare, bench: Workbench) -> None:
    """Under neither name alone is it too few: the attempt kept it, and the branch had removed one like it."""
    root = bare.commit({"y/f": REPEATED})
    tip, attempt = bare.commit({"y/f": CUT}, root), bare.commit({"d/f": REORDERED}, root)
    wrong = bare.commit({"d/f": text("28 24 24 12")}, root)

    assert unaccounted(bare, bench, base=root, tip=tip, attempt=attempt, result=wrong) == [
        "d/f: 2 too many of the line '24\\n'"
    ]


def test_a_binary_file_that_is_neither_sides_is_told_beside_a_text(bare: Bare, bench: Workbench) -> None:
    """The text does not hide it, and it does not accuse the text."""
    root = bare.commit({"x/a": b"".join(LINES), "x/logo": LOGO})
    tip = bare.commit({"y/a": b"".join(LINES), "y/logo": LOGO}, root)
    attempt = bare.commit({"x/a": changed(3, b"new\n"), "x/logo": LOGO + b"new"}, root)
    wrong = bare.commit({"y/a": changed(3, b"new\n"), "y/logo": LOGO + b"odd"}, root)
    lost = bare.commit({"y/a": b"".join(LINES), "y/logo": LOGO + b"new"}, root)

    assert unaccounted(bare, bench, base=root, tip=tip, attempt=attempt, result=wrong) == [
        "y/logo: a binary file was merged"
    ]
    assert "x/a: 1 too few of the line 'new\\n'" in unaccounted(
        bare, bench, base=root, tip=tip, attempt=attempt, result=lost
    )


def test_an_attempt_that_moves_a_repeated_line_and_its_file_lands(board: Board) -> None:
    """The queue judges it once; it was an error of the queue's own, time and again."""
    base = board.user.commit({"y/f": REPEATED.decode()})
    board.submit(task("move", "**"))
    claim = board.claim()
    workspace = board.workspace(claim)
    (workspace.tree / "y/f").unlink()
    (workspace.tree / "d").mkdir()
    (workspace.tree / "d/f").write_bytes(REORDERED)
    board.engine.hand_in(claim, commit=board.take(claim, workspace))
    cut = board.user.commit({"y/f": CUT.decode()})
    board.hub.import_base(board.user.path, cut)
    board.hub.git.run("update-ref", f"refs/heads/{board.branch}", cut, base)

    landing = board.land()

    assert landing.outcome == Outcome.LANDED
    assert board.hub.git.run("show", f"{board.branch}:d/f") == text("28 24 12")
    assert board.violations() == []


alphabet = st.sampled_from([b"a\n", b"b\n", b"c\n", b"d\n", b"e\n"])
verbs = st.sampled_from(["move", "drop", "add"])
Verbs = list[tuple[str, int, int, bytes]]
changes: st.SearchStrategy[Verbs] = st.lists(
    st.tuples(verbs, st.integers(0, 9), st.integers(0, 9), alphabet), max_size=3
)
"""Lines of one file go to another place, go altogether, and come: what confuses one with its equal."""


def edited(lines: list[bytes], chosen: Verbs) -> bytes:
    """The file with these changes."""
    lines = list(lines)
    for verb, place, other, line in chosen:
        moved = [] if verb == "add" else [lines.pop(place % len(lines))] if lines else []
        lines[other:other] = [] if verb == "drop" else moved or [line]
    return b"".join(lines)


@settings(max_examples=100, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(
    lines=st.lists(alphabet, min_size=5, max_size=10), ours=changes, theirs=changes, place=st.integers(0, 9)
)
def test_moved_files_of_few_different_lines_are_accounted_for(
    bare: Bare, bench: Workbench, *, lines: list[bytes], ours: Verbs, theirs: Verbs, place: int
) -> None:
    """What git merges adds up or is refused by its lines, and one from nowhere never adds up."""
    root = bare.commit({"old/f": b"".join(lines), "k": b"k\n"})
    tip = bare.commit({"old/f": edited(lines, ours), "k": b"k\n"}, root)
    attempt = bare.commit({"new/f": edited(lines, theirs), "k": b"k\n"}, root)
    merged = merge_moved(bench, tip, attempt, base=root)
    if not isinstance(merged, Merged):
        return

    for fault in unaccounted(bare, bench, base=root, tip=tip, attempt=attempt, result=merged.tree):
        assert " of the line '" in fault or fault.endswith("in another order")

    result = bare.files(merged.tree)[b"new/f"].splitlines(keepends=True)
    result.insert(place, b"from nowhere\n")
    wrong = bare.commit({"new/f": b"".join(result), "k": b"k\n"}, root)
    found = unaccounted(bare, bench, base=root, tip=tip, attempt=attempt, result=wrong)
    assert any("1 too many of the line 'from nowhere\\n'" in fault for fault in found)
