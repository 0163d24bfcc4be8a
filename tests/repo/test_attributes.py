"""What .gitattributes says is no text is not merged as text, though git's merge here reads none of them."""

from pathlib import Path

import pytest
from bare_hub import Bare

from swarm.repo.git.merge import Conflict, Merged
from swarm.repo.git.moves import merge_moved
from swarm.repo.git.workbench import Workbench
from swarm.repo.hub.hub import Hub

LINES = [f"line {number}" for number in range(30)]
BASE, OURS, THEIRS = (
    "".join(f"{line}\n" for line in lines).encode()
    for lines in (LINES, ["ours", *LINES[1:]], [*LINES[:-1], "theirs"])
)
"""Both changes fit together as text."""
NAME = ".gitattributes"


@pytest.fixture
def bare(tmp_path: Path) -> Bare:
    """A hub."""
    return Bare(Hub.open_or_create(tmp_path / "repo.git"))


def both(
    bare: Bare, files: dict[str, bytes], ours: dict[str, bytes], theirs: dict[str, bytes]
) -> Merged | Conflict:
    """A base, and what becomes of two changes of it."""
    base = bare.commit(files)
    tip, attempt = bare.commit(files | ours, base), bare.commit(files | theirs, base)
    with Workbench(bare.hub.path) as bench:
        return merge_moved(bench, tip, attempt, base=base)


@pytest.mark.parametrize(
    "attributes",
    [
        "*.lock -merge",
        "*.lock binary",
        "*.lock merge=binary",
        "*.lock merge=regenerate",
        "deep/** -merge",
        "[attr]made -merge\n*.lock made",
        "\ufeff*.lock -merge",
    ],
)
def test_what_is_no_text_conflicts_where_both_changed_it(bare: Bare, attributes: str) -> None:
    """Also under a driver's name: none is ever run."""
    files = {NAME: attributes.encode() + b"\n", "deep/a.lock": BASE}

    conflict = both(bare, files, {"deep/a.lock": OURS}, {"deep/a.lock": THEIRS})

    assert isinstance(conflict, Conflict)
    assert conflict.paths == ("deep/a.lock",)
    assert "deep/a.lock was changed on both sides, and is no text by .gitattributes" in conflict.evidence


@pytest.mark.parametrize(
    "attributes", ["*.txt -merge", "*.lock merge", "*.lock merge=text", "*.lock merge=union", "*.lock -diff"]
)
def test_what_is_text_is_merged_as_it_was(bare: Bare, attributes: str) -> None:
    """`union` too, where nothing is in each other's way."""
    files = {NAME: attributes.encode() + b"\n", "a.lock": BASE}

    merged = both(bare, files, {"a.lock": OURS}, {"a.lock": THEIRS})

    assert isinstance(merged, Merged)
    assert bare.files(merged.tree)[b"a.lock"] == THEIRS.replace(b"line 0\n", b"ours\n", 1)


def test_lines_that_union_would_put_together_conflict(bare: Bare) -> None:
    """No side's lines are lost, and none are put in an order that nobody has seen."""
    files = {NAME: b"NEWS merge=union\n", "NEWS": b"news\n"}

    conflict = both(bare, files, {"NEWS": b"news\none\n"}, {"NEWS": b"news\ntwo\n"})

    assert isinstance(conflict, Conflict)
    assert conflict.paths == ("NEWS",)


def test_the_attributes_of_a_folder_above_count_and_those_beside_it_do_not(bare: Bare) -> None:
    """As git reads them."""
    folders = {f"{folder}/data.json": BASE for folder in ("a/b", "c")}
    files = folders | {"a/.gitattributes": b"*.json -merge\n"}

    conflict = both(bare, files, dict.fromkeys(folders, OURS), dict.fromkeys(folders, THEIRS))

    assert isinstance(conflict, Conflict)
    assert conflict.paths == ("a/b/data.json",)


def test_an_attempt_does_not_free_itself_by_its_own_attributes(bare: Bare) -> None:
    """Those count that are there without it."""
    files = {NAME: b"*.lock -merge\n", "a.lock": BASE}

    conflict = both(bare, files, {"a.lock": OURS}, {"a.lock": THEIRS, NAME: b"\n"})

    assert isinstance(conflict, Conflict)
    assert conflict.paths == ("a.lock",)


def test_what_one_side_changed_or_both_alike_lands(bare: Bare) -> None:
    """Nothing is to be merged."""
    files = {NAME: b"*.lock -merge\n", "a.lock": BASE, "b.lock": BASE}

    merged = both(bare, files, {"b.lock": OURS}, {"a.lock": THEIRS, "b.lock": OURS, "c.lock": BASE})

    assert isinstance(merged, Merged)
    assert bare.files(merged.tree)[b"a.lock"] == THEIRS


def test_the_change_of_one_side_that_has_the_others_in_it_conflicts(bare: Bare) -> None:
    """As text the result would be one of the two; of what is no text nobody knows that."""
    files = {NAME: b"*.lock -merge\n", "a.lock": BASE}

    whole = OURS.replace(b"line 29\n", b"theirs\n")

    assert isinstance(both(bare, files, {"a.lock": whole}, {"a.lock": THEIRS}), Conflict)


def test_what_one_side_moved_and_both_changed_conflicts_where_it_is_now(bare: Bare) -> None:
    """The merge looks at the attributes of the new name."""
    attributes = {NAME: b"*.lock -merge\n"}
    base = bare.commit(attributes | {"a.lock": BASE})
    tip = bare.commit(attributes | {"b.lock": OURS}, base)
    attempt = bare.commit(attributes | {"a.lock": THEIRS}, base)

    with Workbench(bare.hub.path) as bench:
        conflict = merge_moved(bench, tip, attempt, base=base)

    assert isinstance(conflict, Conflict)
    assert conflict.paths == ("b.lock",)
