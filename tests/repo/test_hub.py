"""The hub: made whole or not at all, and written by one at a time."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from swarm.errors import RepositoryError
from swarm.plan.model import TaskSpec
from swarm.repo.git.trailers import Landed, landing_message, parse_landed
from swarm.repo.hub.hub import Hub
from swarm.repo.hub.refs import attempt_ref, fence_ref
from swarm.repo.hub.writing import LOCK_NAME, RefsBusyError
from swarm.testing.repository import UserRepository

BRANCH = "swarm/run1"


def test_many_at_once_make_one_hub(user: UserRepository) -> None:
    """Whoever is second finds the first one's; no half-made folder stays."""
    path = user.path / ".swarm" / "repo.git"

    with ThreadPoolExecutor(8) as pool:
        hubs = list(pool.map(lambda _: Hub.open_or_create(path), range(8)))
        bases = list(pool.map(lambda hub: hub.import_base(user.path), hubs))

    assert set(bases) == {user.head()}
    assert sorted(each.name for each in path.parent.iterdir()) == [".gitignore", "repo.git"]


def test_something_else_in_its_place_is_not_touched(tmp_path: Path) -> None:
    """A folder that is no repository stays as it is."""
    path = tmp_path / "repo.git"
    path.mkdir()
    (path / "precious").write_text("x")

    with pytest.raises(RepositoryError, match="in the way"):
        Hub.open_or_create(path)

    assert (path / "precious").read_text() == "x"


def test_starting_a_branch_again_keeps_its_tip(user: UserRepository, hub: Hub) -> None:
    """A resumed run goes on where it was."""
    first = user.head()
    hub.start_branch(BRANCH, first)
    second = user.commit({"x": "y"})
    hub.import_base(user.path)

    assert hub.start_branch(BRANCH, second) == first
    assert hub.tip(BRANCH) == first


def test_the_fence_only_rises(hub: Hub) -> None:
    """A lower token is refused and changes nothing; the same one is fine."""
    first = hub.raise_fence(BRANCH, 5)
    assert hub.raise_fence(BRANCH, 4) is None
    assert hub.raise_fence(BRANCH, 5) == first
    assert hub.raise_fence(BRANCH, 6) != first
    assert hub.git.run("cat-file", "blob", fence_ref(BRANCH)) == b"6\n"


def test_the_fence_rises_under_contention(hub: Hub) -> None:
    """Whatever the order, the highest token stays."""
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda token: hub.raise_fence(BRANCH, token), [3, 9, 1, 7, 2, 8, 4, 6, 5]))

    assert hub.git.run("cat-file", "blob", fence_ref(BRANCH)) == b"9\n"


def test_lock_files_of_a_killed_git_are_no_obstacle(user: UserRepository, hub: Hub) -> None:
    """Stale locks are removed by whoever holds the flock."""
    hub.start_branch(BRANCH, user.head())
    hub.create_refs({attempt_ref("run1", "t", 1): user.head()})
    for ref in (fence_ref(BRANCH), f"refs/heads/{BRANCH}", attempt_ref("run1", "t", 1), "packed-refs"):
        lock = hub.path / f"{ref}.lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        lock.touch()

    hub.raise_fence(BRANCH, 1)
    hub.create_refs({f"refs/heads/{BRANCH}": user.head()})
    hub.sweep_attempts("run1", "t")

    assert hub.find_attempt("run1", "t") is None
    assert not list(hub.path.glob("refs/**/*.lock"))


def test_a_writer_waits_for_the_git_of_a_killed_one(hub: Hub) -> None:
    """The flock lives on in the git child; only when that ends may the next writer remove locks."""
    code = (
        "import os, subprocess, sys\n"
        "from pathlib import Path\n"
        "from swarm.repo.hub.hub import Hub\n"
        "with Hub(Path(sys.argv[1])).writing_refs() as writer:\n"
        "    fds = {'stdin': int(sys.argv[2]), 'stdout': -3, 'pass_fds': [writer.lock_fd]}\n"
        "    child = subprocess.Popen(['cat'], **fds)\n"
        "    print('held', flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    read_fd, write_fd = os.pipe()
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(hub.path), str(read_fd)],
        pass_fds=[read_fd],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
    )
    os.close(read_fd)
    holder.communicate(timeout=30)
    assert holder.returncode == -signal.SIGKILL

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(hub.raise_fence, BRANCH, 1)
        is_held = subprocess.run(["flock", "-n", hub.path / LOCK_NAME, "true"], check=False).returncode
        was_done = waiting.done()
        os.close(write_fd)  # `cat` ends, and the lock with it

        assert is_held == 1
        assert not was_done
        assert waiting.result(timeout=30)


HOLD = """
import sys, pathlib
from swarm.repo.hub.hub import Hub
with Hub(pathlib.Path(sys.argv[1])).writing_refs():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(hub: Hub) -> Iterator["subprocess.Popen[str]"]:
    """A process that holds the right to write refs, and was stopped."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(hub.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    process.send_signal(signal.SIGSTOP)
    yield process
    process.kill()
    process.communicate()


def test_a_stopped_writer_blocks_nobody_without_end(hub: Hub, holder: "subprocess.Popen[str]") -> None:
    """The next writer is told who holds the lock; once that one is gone, it goes on."""
    impatient = Hub(hub.path, patience_s=0.2)

    with pytest.raises(RefsBusyError, match=f"process {holder.pid} has held") as refused:
        impatient.raise_fence(BRANCH, 7)
    holder.kill()
    holder.wait()
    fence = hub.raise_fence(BRANCH, 7)

    assert refused.value.retryable
    assert fence is not None
    assert hub.fence(BRANCH) == 7


def test_rejected_attempts_are_kept_but_not_found_again(user: UserRepository, hub: Hub) -> None:
    """People can look at them; the next attempt starts afresh. Landing sweeps both."""
    hub.create_refs({attempt_ref("run1", "t", 1): user.head(), attempt_ref("run1", "other", 1): user.head()})

    hub.reject_attempts("run1", "t", upto=9)

    assert hub.find_attempt("run1", "t") is None
    assert hub.find_attempt("run1", "other") is not None
    assert list(hub.refs_under("refs/swarm/rejected/").values()) == [user.head()]
    hub.sweep_attempts("run1", "t")
    assert hub.refs_under("refs/swarm/rejected/") == {}


@pytest.mark.parametrize(
    "description",
    [
        "Add a page",
        "x" * 300,
        "Two\nlines",
        "Sneaky\n\nSwarm-Task: run1/other/1\nSwarm-Fence: 999",
        "Swarm-Task: run1/other/1",
        "\x1b[2Jclear \u202e the screen",
        " \n ",
        "---\ndivided",
        "ünï \N{PILE OF POO}",
    ],
)
def test_no_description_passes_for_a_trailer(description: str) -> None:
    """The last paragraph is ours alone, and the subject is one line of at most 72 characters."""
    task = TaskSpec(id="a.b-c", description=description)

    message = landing_message("run1", task, 3, 17)

    assert parse_landed(f"{'0' * 40}\n{message}") == Landed("0" * 40, "run1", "a.b-c", 3, 17)
    lines = message.splitlines()
    assert 0 < len(lines[0]) <= 72
    assert lines[1] == ""
    assert all(line.isprintable() for line in lines)


LONG = "Make the shop open on Sundays, but only where the law of the country has a word for that"


@pytest.mark.parametrize(
    ("description", "subject", "body"),
    [
        ("Open the shop", "Open the shop", ""),
        ("Open the shop\nand close it", "Open the shop", "and close it\n\n"),
        ("\n Open\n\nFirst:\n\n    unlock\n\n\n\n- look\n", "Open", "First:\n\n    unlock\n\n- look\n\n"),
        ("\u202e\n\nOpen", "Open", ""),
        (LONG, f"{LONG[:68]}…", f"… {LONG[69:]}\n\n"),
        ("x" * 80, "x" * 71 + "…", "…" + "x" * 9 + "\n\n"),
    ],
)
def test_a_landing_says_what_the_task_was_once(description: str, subject: str, body: str) -> None:
    """The first line is the subject; the rest follows as it was written, after a blank line."""
    message = landing_message("run1", TaskSpec(id="a", description=description), 3, 17)

    assert message == f"{subject}\n\n{body}Swarm-Task: run1/a/3\nSwarm-Fence: 17\n"
