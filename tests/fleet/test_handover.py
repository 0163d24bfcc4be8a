"""Giving a tree to the agent's user."""

import os
from pathlib import Path

import pytest

from swarm.fleet.handover import hand_over

AGENT = 10001

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def owner(path: Path) -> int:
    """Who owns the name itself, not what it points to."""
    return path.lstat().st_uid


def test_everything_below_becomes_the_agents(tmp_path: Path) -> None:
    """Folders, files and links; the folder above does not."""
    tree = tmp_path / "tree"
    (tree / "deep" / "er").mkdir(parents=True)
    (tree / "deep" / "er" / "file").touch()
    (tree / "link").symlink_to("deep")

    hand_over(tree, uid=AGENT, gid=AGENT)

    assert {owner(path) for path in (tree, *tree.rglob("*"))} == {AGENT}
    assert owner(tmp_path) == 0


def test_no_link_leads_out(tmp_path: Path) -> None:
    """Neither a symbolic nor a hard link gives away what lies outside."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "soft").symlink_to(outside)
    os.link(outside / "file", tree / "hard")

    hand_over(tree, uid=AGENT, gid=AGENT)

    assert (owner(outside), owner(outside / "file"), owner(tree / "soft")) == (0, 0, AGENT)


def test_what_the_agent_owns_already_is_not_touched(tmp_path: Path) -> None:
    """A second time changes no file, so that nobody takes it for edited."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "file").touch()
    hand_over(tree, uid=AGENT, gid=AGENT)
    before = (tree / "file").stat().st_ctime_ns

    hand_over(tree, uid=AGENT, gid=AGENT)

    assert (tree / "file").stat().st_ctime_ns == before
