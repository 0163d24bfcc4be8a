"""Kill things in the middle; the history that comes out is the same."""

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import Popen

import psutil
import pytest
from real_swarm import DIAMOND, LEASE_S, Swarm, wait_for, write_task

from swarm.crashpoints import POINTS, REACHED
from swarm.engine.connect import open_store
from swarm.engine.words import words_of
from swarm.fleet.process_id import ProcessId
from swarm.testing.server import RedisServer

pytestmark = pytest.mark.usefixtures("uncounted")

EXPECTED_JOIN = "join left middle right"
RUN_POINTS = [point for point in POINTS if not point.startswith("archive.")]
"""Those of the archive have tests of their own: how often one is passed depends on time."""


def assert_right_history(swarm: Swarm, report: dict[str, object]) -> None:
    """Done, one trailer a task, and the tree that an undisturbed run makes."""
    branch = str(report["branch"])
    assert report["state"] == "done"
    tasks = [value.split("/")[1] for value in swarm.trailers(branch)]
    assert sorted(tasks) == sorted(str(task["id"]) for task in DIAMOND)
    assert swarm.git("show", f"{branch}:out/join.txt") == EXPECTED_JOIN
    assert swarm.git("ls-tree", "-r", "--name-only", branch, "out/").splitlines() == [
        f"out/{name}.txt" for name in sorted(str(task["id"]) for task in DIAMOND)
    ]


def crashes(swarm: Swarm) -> set[tuple[str, str, str]]:
    """The process, the point and the action of each crash that the processes' logs tell of."""
    lines = [
        (path.stem, json.loads(line))
        for path in (swarm.root / ".swarm" / "logs").glob("*.log")
        for line in path.read_text(encoding="utf-8").splitlines()
        if REACHED in line
    ]
    return {(process, line["point"], line["action"]) for process, line in lines}


@pytest.mark.parametrize("point", RUN_POINTS)
def test_a_run_survives_an_error_and_a_kill_at(swarm: Swarm, point: str) -> None:
    """Who raises there goes on, who dies there is replaced, and nothing is lost or done twice."""
    crash = {"SWARM_CRASH": f"{point}:1:raise,{point}:2:kill"}

    done = swarm.call("run", swarm.plan(DIAMOND), "-y", "--workers", "2", env=crash)

    assert done.returncode == 0, done.stderr
    reached = crashes(swarm)
    assert {(at, what) for _, at, what in reached} == {(point, "raise"), (point, "kill")}
    for process in (process for process, _, action in reached if action == "kill"):
        assert re.search(rf"{process} \(pid \d+\) ended with -9", done.stderr), done.stderr
    assert_right_history(swarm, swarm.json("report", "--format", "json"))


@pytest.mark.parametrize("point", RUN_POINTS)
def test_a_run_survives_a_stop_for_longer_than_a_lease_at(swarm: Swarm, point: str) -> None:
    """Others take over from the process that sleeps at the point; when it wakes up, it does nothing twice."""
    plan = swarm.plan(DIAMOND)

    run = swarm.start("run", plan, "-y", "--workers", "2", env={"SWARM_CRASH": f"{point}:2:stop"})
    asleep_since: dict[int, float] = {}
    wait_for(lambda: has_ended(run, asleep_since), "the run to end", timeout_s=100)

    assert run.returncode == 0, swarm.told()
    assert {(at, what) for _, at, what in crashes(swarm)} == {(point, "stop")}
    assert_right_history(swarm, swarm.json("report", "--format", "json"))


def has_ended(run: "Popen[bytes]", since: dict[int, float]) -> bool:
    """Whether it has ended; if not, whoever was seen asleep for longer than a lease is woken up."""
    with suppress(psutil.NoSuchProcess):
        for child in stopped_children(run.pid):
            if time.monotonic() > since.setdefault(child.pid, time.monotonic()) + 1.25 * LEASE_S:
                child.send_signal(signal.SIGCONT)
    return run.poll() is not None


def stopped_children(parent: int) -> list[psutil.Process]:
    """Those of its workers and supervisors that are stopped."""
    children = [*children_running(parent, "workers"), *children_running(parent, "supervisor")]
    return [child for child in children if child.status() == psutil.STATUS_STOPPED]


def slow_diamond() -> list[dict[str, object]]:
    """The same plan, with a first task long enough to be caught in the middle."""
    root = write_task("root")
    command = [*root["command"]]  # type: ignore[misc]
    command[2] = command[2].replace("time.sleep(0.15)", "time.sleep(3)")
    return [root | {"command": command}, *DIAMOND[1:]]


def children_running(parent: int, module: str) -> list[psutil.Process]:
    """The child processes of `parent` that run this module."""
    return [child for child in psutil.Process(parent).children() if runs(child, module)]


def runs(process: psutil.Process, module: str) -> bool:
    """The process lives, and this module is on its command line."""
    try:
        return module in process.cmdline()
    except psutil.Error:  # it ended while we looked
        return False


def kill_run(run: Popen[bytes]) -> None:
    """End `swarm run` itself without a chance to tidy up."""
    run.send_signal(signal.SIGKILL)
    run.wait(10)


def is_running(swarm: Swarm, task: str) -> bool:
    """The task's agent is at work."""
    done = swarm.call("tasks", "--json")
    return done.returncode == 0 and any(
        row["id"] == task and row["state"] == "running" for row in _rows(done.stdout)
    )


def _rows(text: str) -> list[dict[str, str]]:
    loaded: list[dict[str, str]] = json.loads(text)
    return loaded


def test_resume_after_kill_9_of_a_worker_mid_task(swarm: Swarm) -> None:
    """The task is taken back from the dead worker and run again."""
    run = swarm.start("run", swarm.plan(slow_diamond()), "-y", "--workers", "1")
    wait_for(lambda: is_running(swarm, "root"), "the first task to run")
    worker = children_running(run.pid, "workers")[0]

    worker.kill()
    kill_run(run)
    report = swarm.json("run", "--resume", "latest", "--workers", "2")

    assert_right_history(swarm, report)


def test_resume_after_kill_9_of_the_supervisor_mid_merge(swarm: Swarm) -> None:
    """What it had merged is found in git; what it had not is merged by the next one."""
    run = swarm.start(
        "run", swarm.plan(DIAMOND), "-y", "--workers", "1", env={"SWARM_CRASH": "merge.after_tx:2:stop"}
    )
    wait_for(
        lambda: stopped_children(run.pid) != [],
        "the supervisor to stop in the middle of a merge",
    )
    supervisor = children_running(run.pid, "supervisor")[0]

    supervisor.kill()
    kill_run(run)
    report = swarm.json("run", "--resume", "latest", "--workers", "2")

    assert_right_history(swarm, report)


def test_resume_after_kill_9_of_the_embedded_server(swarm: Swarm) -> None:
    """The append-only file brings the queue back, and the run goes on."""
    run = swarm.start("run", swarm.plan(slow_diamond()), "-y", "--workers", "1")
    wait_for(lambda: is_running(swarm, "root"), "the first task to run")
    server = _server_pid(swarm.root)

    os.kill(server, signal.SIGKILL)
    kill_run(run)
    report = swarm.json("run", "--resume", "latest", "--workers", "2")

    assert_right_history(swarm, report)


def test_a_run_goes_on_when_the_embedded_server_is_killed_under_it(swarm: Swarm) -> None:
    """`swarm run` starts its server again; nobody has to resume."""
    run = swarm.start("run", swarm.plan(slow_diamond()), "-y", "--workers", "2")
    wait_for(lambda: is_running(swarm, "root"), "the first task to run")

    killed = _server_pid(swarm.root)
    os.kill(killed, signal.SIGKILL)

    wait_for(lambda: _server_pid(swarm.root) != killed, "a new server")
    assert run.wait(60) == 0
    assert_right_history(swarm, swarm.json("report", "--format", "json"))


@contextmanager
def outage_that_ends_well(swarm: Swarm, folder: Path) -> Iterator[Popen[bytes]]:
    """A run whose Redis is away during the block, and then back with its files: it comes to its end."""
    server = RedisServer(folder, settings=("--appendonly", "yes"))
    server.start()
    swarm.environment["REDIS_URL"] = server.url
    run = swarm.start("run", swarm.plan(slow_diamond()), "-y", "--workers", "2")
    wait_for(lambda: is_running(swarm, "root"), "the first task to run")
    server.stop()
    yield run
    server.start()
    code = run.wait(90)
    report = swarm.json("report", "--format", "json")
    server.stop()
    assert code == 0, swarm.told()
    assert_right_history(swarm, report)


def test_a_run_whose_submission_redis_has_lost_is_submitted_to_its_end(swarm: Swarm, tmp_path: Path) -> None:
    """A power cut takes the last seconds, the run's activation among them: `swarm run` knows the plan."""
    with outage_that_ends_well(swarm, tmp_path):
        file = next((tmp_path / "appendonlydir").glob("*.incr.aof"))
        written = file.read_bytes()
        file.write_bytes(written[: written.index(b"$9\r\nactivated\r\n")])


def test_a_run_that_ends_leaves_no_workspace_of_a_dead_worker(swarm: Swarm) -> None:
    """Workers sweep when they start; whoever dies after the last start is swept for when the run ends."""
    run = swarm.start("run", swarm.plan(slow_diamond()), "-y", "--workers", "1")
    wait_for(lambda: is_running(swarm, "root"), "the first task to run")
    dead = Popen(["sleep", "60"])
    name = ProcessId.running(dead.pid)
    dead.kill()
    dead.wait()
    left = swarm.root / ".swarm" / "workspaces" / str(name) / "7"
    left.mkdir(parents=True)

    assert run.wait(60) == 0

    assert not left.parent.exists()


def test_a_run_that_is_not_wholly_stored_is_not_waited_for(swarm: Swarm, tmp_path: Path) -> None:
    """Without its plan nobody can go on with it: --resume says so at once, and the plan goes on."""
    server = RedisServer(tmp_path)
    server.start()
    swarm.environment["REDIS_URL"] = server.url
    plan = swarm.plan(DIAMOND)
    run = str(swarm.json("submit", plan)["run"])
    store = open_store(server.url)
    (name,) = [key for key in words_of(store.call("KEYS", "*")) if key.endswith(f":run:{run}")]
    store.call("HDEL", name, "activated")
    store.call("HSET", name, "state", "loading")

    refused = swarm.call("run", "--resume", run, "--workers", "2")
    done = swarm.call("run", plan, "-y", "--workers", "2")

    store.close()
    server.stop()
    assert refused.returncode == 6
    assert "swarm run FILE" in refused.stderr
    assert done.returncode == 0, done.stderr


def test_a_run_waits_for_a_redis_that_is_not_its_own(swarm: Swarm, tmp_path: Path) -> None:
    """REDIS_URL is away for some seconds and comes back with its data: the run goes on by itself."""
    with outage_that_ends_well(swarm, tmp_path) as run:
        gone_s = time.monotonic()
        wait_for(lambda: time.monotonic() > gone_s + 2, "two seconds without Redis")
        assert run.poll() is None


def _server_pid(root: Path) -> int:
    return int(json.loads((root / ".swarm" / "server" / "server.json").read_text(encoding="utf-8"))["pid"])
