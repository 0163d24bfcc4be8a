"""A long train's objects are in memory until it is coupled, and one pack in the hub from then on."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from bare_hub import Bare
from merge_board import Board, task, write

from swarm.repo.git import quarantine
from swarm.repo.git.command import GitError
from swarm.repo.git.quarantine import MEMORY, Quarantine, is_roomy, sweep_quarantines
from swarm.repo.git.workbench import Workbench
from swarm.repo.hub import tidying
from swarm.repo.hub.hub import Hub
from swarm.repo.merging import train_landing
from swarm.repo.merging.landing import Outcome

needs_memory = pytest.mark.skipif(not is_roomy(), reason="there is no room in memory for objects")


@pytest.fixture
def bare(tmp_path: Path) -> Bare:
    """A hub of its own."""
    return Bare(Hub.open_or_create(tmp_path / "hub" / "repo.git"))


def folders() -> set[Path]:
    """Those in memory now."""
    return set(MEMORY.glob("swarm-objects.*"))


def loose(hub: Hub) -> int:
    """How many objects are a file each."""
    return len(list(hub.path.glob("objects/??/*")))


def packs(hub: Hub) -> list[Path]:
    """The hub's packs."""
    return sorted(hub.path.glob("objects/pack/*.pack"))


@needs_memory
def test_nothing_is_in_the_repository_before_it_is_kept(bare: Bare) -> None:
    """Afterwards it is a pack, which the same workbench reads; a second one has only what is new."""
    base = bare.commit({"a": b"1\n", "b": b"1\n"})
    one, other = bare.commit({"a": b"2\n", "b": b"1\n"}, base), bare.commit({"a": b"1\n", "b": b"2\n"}, base)
    before = loose(bare.hub)

    with Workbench(bare.hub.path, in_memory=True) as bench:
        merged = bench.merge(one, other)
        commit = bench.commit(merged.tree, one, b"merged\n")  # type: ignore[union-attr]
        unseen = bare.hub.resolve(f"{commit}^{{commit}}")
        bench.keep()
        first = packs(bare.hub)
        again = bench.commit(merged.tree, commit, b"again\n")  # type: ignore[union-attr]
        bench.keep()
        bench.keep()

    assert unseen is None
    assert bare.files(again) == {b"a": b"2\n", b"b": b"2\n"}
    assert loose(bare.hub) == before
    assert (len(first), len(packs(bare.hub))) == (1, 2)
    assert folders() == set()


@needs_memory
def test_what_was_changed_in_memory_is_not_kept(bare: Bare) -> None:
    """An agent of the same user can write there; git alone would take another content for the object."""
    base = bare.commit({"a": b"1\n"})
    innocent, evil = bare.commit({"a": b"2\n"}, base), bare.commit({"a": b"evil\n"}, base)

    with Workbench(bare.hub.path, in_memory=True) as bench:
        commit = bench.commit(bench.tree_of(innocent), base, b"innocent\n")
        other = bench.commit(bench.tree_of(evil), base, b"evil\n")
        [folder] = folders()
        changed = folder / commit[:2] / commit[2:]
        changed.chmod(0o644)
        changed.write_bytes((folder / other[:2] / other[2:]).read_bytes())
        with pytest.raises(GitError, match="was changed in memory"):
            bench.keep()

    assert bare.hub.resolve(f"{commit}^{{commit}}") is None


@needs_memory
def test_a_long_train_lands_as_one_pack(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short one as files: a pack each would be more work than that."""
    monkeypatch.setattr(train_landing, "_LONG", 3)
    names = [f"t{number}" for number in range(5)]
    board.submit(*(task(name, f"src/{name}.py") for name in names))
    for name in names:
        board.hand_in(write(f"src/{name}.py", "x\n"))
    before = loose(board.hub), len(packs(board.hub))

    short = board.queue(most=2).land_train()
    between = loose(board.hub), len(packs(board.hub))
    long = board.queue("merger-2").land_train()

    assert [len(short), len(long)] == [2, 3]
    assert {landing.outcome for landing in (*short, *long)} == {Outcome.LANDED}
    assert between[0] > before[0]
    assert between[1] == before[1]
    # What the fence holds, before the train and after it, is a file each in either case.
    assert (loose(board.hub), len(packs(board.hub))) == (between[0] + 2, between[1] + 1)
    assert board.violations() == []


def test_without_room_in_memory_a_train_lands_as_files(
    board: Board, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In a container, say."""
    monkeypatch.setattr(quarantine, "MEMORY", tmp_path / "none")
    monkeypatch.setattr(train_landing, "_LONG", 1)
    board.submit(task("a", "src/a.py"))
    board.hand_in(write("src/a.py", "a = 2\n"))

    [landing] = board.queue().land_train()

    assert not is_roomy()
    assert landing.outcome == Outcome.LANDED


@needs_memory
def test_what_a_killed_process_left_in_memory_is_swept(bare: Bare) -> None:
    """That of a living one is not."""
    program = (
        "import sys, time; from pathlib import Path; from swarm.repo.git.quarantine import Quarantine;"
        "kept = Quarantine(Path(sys.argv[1])); print('made', flush=True); time.sleep(60)"
    )
    before = folders()
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(bare.hub.path)],
        stdout=subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    with child:
        assert child.stdout is not None
        child.stdout.readline()
        made = folders() - before
        sweep_quarantines()
        alive = folders() & made
        child.send_signal(signal.SIGKILL)
        child.wait()
        sweep_quarantines()

    assert len(made) == 1
    assert alive == made
    assert not folders() & made


@needs_memory
def test_nobody_finds_the_sheet_that_commits_are_written_on(bare: Bare) -> None:
    """Agents on this machine may write to what is in memory; and a kill leaves nothing behind."""
    base = bare.commit({"a": b"1\n"})
    before = set(MEMORY.iterdir())

    with Workbench(bare.hub.path, in_memory=True) as bench:
        first = bench.commit(bench.tree_of(base), base, b"a longer message than the next\n")
        second = bench.commit(bench.tree_of(base), first, b"short\n")
        bench.keep()
        made = set(MEMORY.iterdir()) - before

    assert [path for path in made if path.name.startswith("commit")] == []
    assert bare.hub.git.one_line("log", "-1", "--format=%P %B", second).strip() == f"{first} short"


@needs_memory
def test_what_others_sweep_is_never_what_was_just_made(bare: Bare) -> None:
    """Between a folder and its lock there is a moment in which it looks like a dead process's."""
    is_over = threading.Event()

    def sweep() -> None:
        while not is_over.is_set():
            sweep_quarantines()

    sweeper = threading.Thread(target=sweep)
    sweeper.start()
    try:
        for _ in range(500):
            with Quarantine(bare.hub.path):
                assert folders()
    finally:
        is_over.set()
        sweeper.join()


def test_many_packs_are_put_together(bare: Bare, monkeypatch: pytest.MonkeyPatch) -> None:
    """And everything is still there, what no ref holds included."""
    monkeypatch.setattr(tidying, "MOST_PACKS", 3)
    base = bare.commit({"a": b"1\n"})
    commits = [bare.commit({"a": b"%d\n" % number}, base) for number in range(6)]
    for commit in commits:
        oids = bare.hub.git.run("rev-list", "--objects", "--no-object-names", commit)
        bare.hub.git.run("pack-objects", "-q", str(bare.hub.path / "objects/pack/pack"), stdin=oids)

    tidying.tidy(bare.hub)

    assert len(packs(bare.hub)) < 6
    assert [bare.files(commit) for commit in commits] == [{b"a": b"%d\n" % number} for number in range(6)]
