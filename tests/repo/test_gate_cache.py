"""What is kept of gates: green results of a tree, for a day, under one isolation."""

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from merge_board import Board, gate_that, task, write

from swarm.repo.gates import cache as cache_module
from swarm.repo.gates.cache import FOLDER_NAME, MAX_AGE_S, PRUNE_EVERY, GateCache
from swarm.repo.gates.gate import Gate, GateResult
from swarm.repo.merging.landing import Outcome
from swarm.settings import attempt_log

GATE = Gate("tests", ("pytest",), 60.0, {"A": "b"})
GREEN = GateResult("tests", ("pytest",), 0, 1.5, "5 passed\n")


def test_a_green_result_counts_for_the_same_tree_gate_and_isolation(tmp_path: Path) -> None:
    """Not for another tree, command, environment, limit or isolation; and it says that it is known."""
    cache = GateCache(tmp_path, "process")

    cache.keep("tree", GATE, "base", GREEN)
    cache.keep("noted", GATE, "base", replace(GREEN, note="compared nothing"))

    assert cache.find("tree", GATE, "base") == replace(GREEN, is_known=True)
    assert cache.find("noted", GATE, "base") == replace(GREEN, is_known=True, note="compared nothing")
    others = [
        replace(GATE, command=("pytest", "-x")),
        replace(GATE, env={}),
        replace(GATE, timeout_s=30.0),
        replace(GATE, name="more"),
    ]
    assert [cache.find("tree", other, "base") for other in others] == [None] * 4
    assert cache.find("other tree", GATE, "base") is None
    assert GateCache(tmp_path, "docker").find("tree", GATE, "base") is None


def test_red_is_not_kept_and_green_gets_old(tmp_path: Path) -> None:
    """A gate that fails by chance is run again; a result of yesterday decides nothing."""
    cache = GateCache(tmp_path)
    cache.keep("red", GATE, "base", replace(GREEN, exit_code=1))
    cache.keep("slow", GATE, "base", replace(GREEN, timed_out=True))
    cache.keep("old", GATE, "base", GREEN)
    [kept] = (tmp_path / FOLDER_NAME).iterdir()
    long_ago = time.time() - MAX_AGE_S - 60
    os.utime(kept, (long_ago, long_ago))

    assert [cache.find(tree, GATE, "base") for tree in ("red", "slow", "old")] == [None, None, None]
    cache.keep("new", GATE, "base", GREEN)
    cache.prune()
    assert len(list((tmp_path / FOLDER_NAME).iterdir())) == 1
    assert cache.find("new", GATE, "base")


def test_a_supervisor_that_never_ends_keeps_no_more_than_one_that_was_just_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A result holds up to 64 KiB of output, and a busy day has thousands."""
    monkeypatch.setattr(cache_module, "MOST_KEPT", 10)
    cache = GateCache(tmp_path)

    for number in range(3 * PRUNE_EVERY):
        cache.keep(f"tree {number}", GATE, "base", GREEN)

    assert len(list((tmp_path / FOLDER_NAME).iterdir())) <= 10 + PRUNE_EVERY
    assert cache.find(f"tree {number}", GATE, "base")


def test_a_disk_that_is_full_leaves_no_part_of_a_result(tmp_path: Path) -> None:
    """What cannot be put into its place is in nobody's way."""
    cache = GateCache(tmp_path)
    cache.keep("tree", GATE, "base", GREEN)
    [kept] = (tmp_path / FOLDER_NAME).iterdir()
    kept.unlink()
    kept.mkdir()

    cache.keep("tree", GATE, "base", GREEN)

    assert list((tmp_path / FOLDER_NAME).iterdir()) == [kept]


def test_a_damaged_file_is_as_good_as_none(tmp_path: Path) -> None:
    """The gate is run again."""
    cache = GateCache(tmp_path)
    cache.keep("tree", GATE, "base", GREEN)
    [kept] = (tmp_path / FOLDER_NAME).iterdir()
    for content in ("", "{", "[]", "{}", '"x"'):
        kept.write_text(content)
        assert cache.find("tree", GATE, "base") is None


def test_a_tree_that_comes_again_is_not_judged_again(board: Board) -> None:
    """What changes nothing has the tree that has just passed; its log says so."""
    gate_that(board, "echo run >> $0/runs")
    board.submit(task("one", "src/a.py"), task("two", "src/b.py"))
    board.hand_in(write("src/a.py", "a = 2\n"))
    nothing = board.claim()
    board.engine.hand_in(nothing, commit=nothing.base)

    outcomes = [board.land().outcome, board.land().outcome]

    assert outcomes == [Outcome.LANDED, Outcome.UNCHANGED]
    assert (board.hub.path / "runs").read_text() == "run\n"
    log = attempt_log(board.hub.home, board.run, nothing.task.id, 1, gate=True)
    assert "has passed on this very tree before" in log.read_text()
