"""Redis comes back without its last writes in the middle of merging: git knows better, and is believed."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from merge_board import WORKER, Board, gate_that, task, write

from swarm.engine.engine import Engine
from swarm.engine.wire import HiredisStore
from swarm.repo.hub.hub import Hub
from swarm.repo.merging.merge_queue import Outcome
from swarm.testing.repository import UserRepository, make_repository
from swarm.testing.server import RedisServer

TASKS = [f"t{number:02}" for number in range(30)]
DEADLINE_S = 60
WRITES = (1, 3, 8, 21, 55, 144, 233, 377, 500)
PERSISTENT = ("--appendonly", "yes", "--auto-aof-rewrite-percentage", "0")


@dataclass(frozen=True)
class Recorded:
    """A run that was left in the middle: what Redis and git have of it."""

    folder: Path
    run: str
    landed: int


def engine_on(url: str) -> Engine:
    """An engine whose leases end soon: those of before come back with an older copy."""
    return Engine(HiredisStore(url), "p", lease_ms=500, retry_base_ms=1, retry_cap_ms=1)


def board_in(folder: Path, engine: Engine) -> Board:
    """The board of the repository in a folder."""
    user = UserRepository(folder / "project")
    return Board(engine, Hub.open_or_create(user.path / ".swarm" / "repo.git"), user, folder / "work")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Thirty tasks: some have landed, some wait for their merge, some are held, some are queued."""
    folder = tmp_path_factory.mktemp("rec")
    make_repository(folder / "project", {"src/a.py": "a = 1\n"})
    server = RedisServer(folder, settings=PERSISTENT)
    server.start()
    engine = engine_on(server.url)
    board = board_in(folder, engine)
    gate_that(board, "true")
    board.submit(*(task(name, f"src/{name}.py") for name in TASKS))
    landed = 0
    for number, name in enumerate(TASKS[:24]):
        board.hand_in(write(f"src/{name}.py", "done\n"))
        if number % 4 == 3 and number < 20:
            landed += len(board.queue(most=3).land_train())
    board.claim()
    server.stop()
    engine.close()
    return Recorded(folder, board.run, landed)


def cut(log: Path, writes: int) -> None:
    """Take the last write commands off an append-only file; what frames a transaction is none."""
    content, starts, place = log.read_bytes(), [], 0
    while place < len(content):
        start = place
        place = content.index(b"\r\n", place)
        words = []
        for _ in range(int(content[start + 1 : place])):
            size = content.index(b"\r\n", place + 3)
            begin = size + 2
            end = begin + int(content[place + 3 : size])
            words.append(content[begin:end])
            place = end
        place += 2
        if words[0].upper() not in {b"MULTI", b"EXEC", b"SELECT"}:
            starts.append(start)
    assert len(starts) > writes, f"only {len(starts)} writes"
    log.write_bytes(content[: starts[-writes]])


def attempt_again(board: Board) -> bool:
    """What a worker does: an attempt that is durable is handed in as it is, any other is done."""
    board.claims += 1
    claim = board.engine.claim(WORKER, f"later-{board.claims}")
    if claim is None:
        return False
    board.engine.start(claim)
    found = board.hub.find_attempt(claim.run, claim.task.id)
    if found is None:
        workspace = board.workspace(claim)
        write(f"src/{claim.task.id}.py", "done\n")(workspace.tree)
        commit = board.take(claim, workspace)
    else:
        commit = found.commit
    board.engine.hand_in(claim, commit=commit)
    return True


def see_through(board: Board) -> None:
    """Merge and work until all is done, as a supervisor and a worker would."""
    queue = board.queue("merger-2", most=3)
    assert queue.reconcile() == ()
    deadline_s = time.monotonic() + DEADLINE_S
    while not board.engine.run(board.run).state.is_terminal:
        assert time.monotonic() < deadline_s, board.engine.tasks(board.run)
        board.engine.reclaim_expired()
        landings = queue.land_train()
        assert {landing.outcome for landing in landings} <= {Outcome.LANDED, Outcome.STALE}
        if not attempt_again(board) and not landings:
            time.sleep(0.02)


@pytest.mark.parametrize("writes", WRITES)
def test_what_git_has_stays_landed_once(recorded: Recorded, tmp_path: Path, writes: int) -> None:
    """No task lands twice, none is lost, fences rise on from what git has seen."""
    folder = tmp_path / "f"
    shutil.copytree(recorded.folder, folder, symlinks=True, ignore=shutil.ignore_patterns("*.sock"))
    [log] = (folder / "appendonlydir").glob("*.incr.aof")
    cut(log, writes)
    server = RedisServer(folder, settings=PERSISTENT)
    server.start()
    engine = engine_on(server.url)
    board = board_in(folder, engine)
    board.run = recorded.run
    before = board.hub.landings(board.branch, engine.run(board.run).base)
    assert len(before) == recorded.landed

    see_through(board)

    after = board.hub.landings(board.branch, engine.run(board.run).base)
    assert after[: len(before)] == before
    assert sorted(landed.task for landed in after) == TASKS
    assert sorted(board.done()) == TASKS
    assert board.violations() == []
    engine.close()
    server.stop()
