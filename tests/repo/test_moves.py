"""What git takes for a move counts as one only where one commit has moved the file."""

from pathlib import Path

import pytest
from bare_hub import Bare

from swarm.repo.git.merge import Conflict, Merged
from swarm.repo.git.moves import merge_moved
from swarm.repo.git.workbench import Workbench
from swarm.repo.hub.hub import Hub

HANDLERS = "".join(f"def handler_{n}():\n    return respond({n})\n" for n in range(15))
OLD, NEW = f"VERSION = 1\n{HANDLERS}".encode(), f"VERSION = 2\n{HANDLERS}".encode()
EDITED = OLD.replace(b"respond(7)", b"raise_gone(7)")
OTHER = {"README": b"x\n"}


@pytest.fixture
def bare(tmp_path: Path) -> Bare:
    """A hub."""
    return Bare(Hub.open_or_create(tmp_path / "repo.git"))


def merged(bare: Bare, ours: str, theirs: str, base: str) -> Merged | Conflict:
    """Both sides."""
    with Workbench(bare.hub.path) as bench:
        return merge_moved(bench, ours, theirs, base=base)


def landed(bare: Bare, base: str, *trees: dict[str, bytes]) -> str:
    """Commits one upon another; the last."""
    for files in trees:
        base = bare.commit(OTHER | files, base)
    return base


def test_what_one_removed_and_another_made_alike_is_no_move(bare: Bare) -> None:
    """An edit of the removed file conflicts with the removal, and is not put into the new one."""
    base = bare.commit(OTHER | {"v1/api.py": OLD})
    tip = landed(bare, base, {}, {"v2/api.py": NEW})
    attempt = bare.commit(OTHER | {"v1/api.py": EDITED}, base)

    conflict = merged(bare, tip, attempt, base)

    assert isinstance(conflict, Conflict)
    assert conflict.paths == ("v1/api.py",)
    assert "v1/api.py was changed on one side, and removed on the other" in conflict.evidence


def test_the_other_way_round(bare: Bare) -> None:
    """As `swarm land` merges: many commits on the side that is brought in."""
    base = bare.commit(OTHER | {"v1/api.py": OLD})
    run = landed(bare, base, {}, {"v2/api.py": NEW})
    branch = bare.commit(OTHER | {"v1/api.py": EDITED}, base)

    assert isinstance(merged(bare, branch, run, base), Conflict)


def test_what_is_there_already_conflicts_too(bare: Bare) -> None:
    """Git would find nothing left to do in the file that it takes for the moved one."""
    base = bare.commit(OTHER | {"v1/api.py": OLD})
    tip = landed(bare, base, {}, {"v2/api.py": EDITED})
    attempt = bare.commit(OTHER | {"v1/api.py": EDITED}, base)

    conflict = merged(bare, tip, attempt, base)

    assert isinstance(conflict, Conflict)
    assert conflict.paths == ("v1/api.py",)


def test_a_binary_file_does_not_take_the_place_of_its_equal(bare: Bare) -> None:
    """Of two equal files one was removed, and the other one moved: the edit was of the removed one."""
    logo = bytes(range(256)) * 4
    base = bare.commit(OTHER | {"ios/logo.png": logo, "web/logo.png": logo})
    tip = landed(bare, base, {"web/logo.png": logo}, {"static/web-logo.png": logo})
    attempt = bare.commit(OTHER | {"ios/logo.png": logo + b"\0new", "web/logo.png": logo}, base)

    conflict = merged(bare, tip, attempt, base)

    assert isinstance(conflict, Conflict)
    assert conflict.paths == ("ios/logo.png",)


@pytest.mark.parametrize("moved_by", ["landed", "attempt"])
def test_of_two_equal_files_that_were_moved_nobody_can_tell_which_is_where(bare: Bare, moved_by: str) -> None:
    """An edit of the one landed in the other."""
    base = bare.commit(OTHER | {"a/one.py": OLD, "b/two.py": OLD})
    moved = bare.commit(OTHER | {"c/first.py": OLD, "c/second.py": OLD}, base)
    edited = bare.commit(OTHER | {"a/one.py": EDITED, "b/two.py": OLD}, base)
    tip, attempt = (moved, edited) if moved_by == "landed" else (edited, moved)

    conflict = merged(bare, tip, attempt, base)

    assert isinstance(conflict, Conflict)
    assert conflict.paths == ("a/one.py",)


def test_an_edit_follows_a_file_that_was_moved_again_and_again(bare: Bare) -> None:
    """Each move by a commit of its own, with others between."""
    base = bare.commit(OTHER | {"a.py": OLD})
    tip = landed(bare, base, {"b.py": OLD}, {"b.py": OLD, "c.txt": b"c\n"}, {"d.py": OLD, "c.txt": b"c\n"})
    attempt = bare.commit(OTHER | {"a.py": EDITED}, base)

    found = merged(bare, tip, attempt, base)

    assert isinstance(found, Merged)
    assert bare.files(found.tree) == {b"README": b"x\n", b"c.txt": b"c\n", b"d.py": EDITED}


def test_what_an_attempt_moved_has_what_others_edited(bare: Bare) -> None:
    """The move is the attempt's own."""
    base = bare.commit(OTHER | {"a.py": OLD})
    tip = landed(bare, base, {"a.py": EDITED})
    attempt = bare.commit(OTHER | {"b.py": OLD}, base)

    found = merged(bare, tip, attempt, base)

    assert isinstance(found, Merged)
    assert bare.files(found.tree) == {b"README": b"x\n", b"b.py": EDITED}


def test_a_file_that_became_a_folder_is_named_as_it_was(bare: Bare) -> None:
    """Not by the name under which git puts it aside."""
    base = bare.commit(OTHER | {"f.txt": OLD})
    tip = landed(bare, base, {"f.txt/inside": b"y\n"})
    attempt = bare.commit(OTHER | {"f.txt": EDITED}, base)

    conflict = merged(bare, tip, attempt, base)

    assert isinstance(conflict, Conflict)
    assert conflict.paths == ("f.txt",)
