"""A long train's objects are apart until it is coupled, and one pack in the hub from then on."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from bare_hub import Bare
from merge_board import Board, task, write

from swarm.repo.git.quarantine import Quarantine, sweep_quarantines
from swarm.repo.git.workbench import Workbench
from swarm.repo.hub import tidying
from swarm.repo.hub.hub import Hub
from swarm.repo.merging import settling
from swarm.repo.merging.landing import Outcome


@pytest.fixture
def bare(tmp_path: Path) -> Bare:
    """A hub of its own."""
    return Bare(Hub.open_or_create(tmp_path / "hub" / "repo.git"))


def folders(hub: Hub) -> set[Path]:
    """The quarantines of a hub."""
    return set(hub.home.glob("objects.*"))


def loose(hub: Hub) -> int:
    """How many objects are a file each."""
    return len(list(hub.path.glob("objects/??/*")))


def packs(hub: Hub) -> list[Path]:
    """The hub's packs."""
    return sorted(hub.path.glob("objects/pack/*.pack"))


def test_nothing_is_in_the_repository_before_it_is_kept(bare: Bare) -> None:
    """Afterwards it is a pack, which the same workbench reads; a second one has only what is new."""
    base = bare.commit({"a": b"1\n", "b": b"1\n"})
    one, other = bare.commit({"a": b"2\n", "b": b"1\n"}, base), bare.commit({"a": b"1\n", "b": b"2\n"}, base)
    before = loose(bare.hub)

    with Workbench(bare.hub.path, apart=True) as bench:
        merged = bench.merge(one, other)
        commit = bench.commit(merged.tree, one, b"merged\n")  # type: ignore[union-attr]
        apart = folders(bare.hub)
        unseen = bare.hub.resolve(f"{commit}^{{commit}}")
        bench.keep()
        first = packs(bare.hub)
        again = bench.commit(merged.tree, commit, b"again\n")  # type: ignore[union-attr]
        bench.keep()
        bench.keep()

    assert unseen is None
    assert len(apart) == 1  # in swarm's own folder, which is closed to agents
    assert bare.files(again) == {b"a": b"2\n", b"b": b"2\n"}
    assert loose(bare.hub) == before
    assert (len(first), len(packs(bare.hub))) == (1, 2)
    assert folders(bare.hub) == set()


def test_a_long_train_lands_as_one_pack(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short one as files: a pack each would be more work than that."""
    monkeypatch.setattr(settling, "_LONG", 3)
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


def test_what_a_killed_process_left_of_a_train_is_swept(bare: Bare) -> None:
    """That of a living one is not."""
    program = (
        "import sys, time; from pathlib import Path; from swarm.repo.git.quarantine import Quarantine;"
        "kept = Quarantine(Path(sys.argv[1])); print('made', flush=True); time.sleep(60)"
    )
    before = folders(bare.hub)
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(bare.hub.path)],
        stdout=subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    with child:
        assert child.stdout is not None
        child.stdout.readline()
        made = folders(bare.hub) - before
        sweep_quarantines(bare.hub.home)
        alive = folders(bare.hub) & made
        child.send_signal(signal.SIGKILL)
        child.wait()
        sweep_quarantines(bare.hub.home)

    assert len(made) == 1
    assert alive == made
    assert not folders(bare.hub) & made


def test_what_others_sweep_is_never_what_was_just_made(bare: Bare) -> None:
    """Between a folder and its lock there is a moment in which it looks like a dead process's."""
    is_over = threading.Event()

    def sweep() -> None:
        while not is_over.is_set():
            sweep_quarantines(bare.hub.home)

    sweeper = threading.Thread(target=sweep)
    sweeper.start()
    try:
        for _ in range(500):
            with Quarantine(bare.hub.path):
                assert folders(bare.hub)
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
