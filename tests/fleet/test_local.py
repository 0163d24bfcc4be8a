"""Local processes: what they are told, and how they come back."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from real_swarm import wait_for
from worker_rig import Rig, sh

from swarm.fleet.local import Death, LocalFleet
from swarm.settings import load_settings, scrubbed_environment
from swarm.states import TaskState
from swarm.testing.repository import make_repository

RED = '[gate.never]\ncommand = ["false"]\n'

StartFleet = Callable[..., LocalFleet]


@pytest.fixture
def rig(tmp_path: Path, redis_url: str) -> Iterator[Rig]:
    """A repository whose gate is always red, and a queue."""
    made = Rig(make_repository(tmp_path / "repo", {"swarm.toml": RED}), redis_url)
    yield made
    made.close()


@pytest.fixture
def start_fleet(rig: Rig) -> Iterator[StartFleet]:
    """Start one worker and a supervisor with some flags; they end with the test."""
    fleets: list[LocalFleet] = []

    def start(url: str = rig.url, **flags: object) -> LocalFleet:
        fleets.append(LocalFleet(load_settings(rig.user.path, flags), url, workers=1))
        fleets[-1].start()
        return fleets[-1]

    yield start
    for fleet in fleets:
        fleet.stop()


def environment_of(pid: int) -> dict[str, str]:
    """What a process was started with."""
    entries = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


@pytest.mark.skipif(os.geteuid() != 0, reason="swarm's processes show their environment to root only")
def test_flags_reach_every_process(start_fleet: StartFleet) -> None:
    """What was given to `swarm run` holds for its workers and its supervisor."""
    fleet = start_fleet(image="our-image", retry_base_s=7.5)

    processes = [child.process for child in fleet._children]

    def told() -> list[dict[str, str]]:
        found = [environment_of(process.pid) for process in processes if process is not None]
        return found if all(found) else []

    wait_for(lambda: bool(told()), "both to have been started")
    assert [(each["SWARM_IMAGE"], each["SWARM_RETRY_BASE_S"]) for each in told()] == [
        ("our-image", "7.5")
    ] * 2


def test_a_killed_process_is_reported_once_and_comes_back(rig: Rig, start_fleet: StartFleet) -> None:
    """The death has a name, a number and a cause; the next life comes after a pause."""
    fleet = start_fleet(project=rig.project)
    wait_for(lambda: len(rig.engine.agents()) == 2, "both to show up")
    worker = fleet._children[1]
    assert worker.process is not None
    killed = worker.process.pid

    os.kill(killed, signal.SIGKILL)
    died_s = time.monotonic()
    deaths: list[Death] = []

    def is_back() -> bool:
        deaths.extend(fleet.check())
        return bool(deaths) and worker.process is not None

    wait_for(is_back, "the next life")

    assert deaths == [Death("worker-1", killed, -signal.SIGKILL)]
    assert time.monotonic() - died_s >= 0.5
    assert worker.process.pid != killed


def test_what_dies_at_once_is_started_slower_each_time(start_fleet: StartFleet) -> None:
    """Half a second, one, two: a broken setup does not eat the machine."""
    fleet = start_fleet(url="unix:///nowhere/redis.sock")
    deaths: list[Death] = []
    began_s = time.monotonic()

    def has_died_thrice() -> bool:
        deaths.extend(fleet.check())
        return sum(death.name == "worker-1" for death in deaths) == 3

    wait_for(has_died_thrice, "three deaths", timeout_s=60)

    assert {death.exit_code for death in deaths if death.name == "worker-1"} == {3}
    assert time.monotonic() - began_s > 0.5 + 1.0


def test_retry_settings_reach_the_supervisor(rig: Rig) -> None:
    """What its merge queue sends back waits as long as the settings say."""
    run = rig.submit(sh("t", "echo x > f", files=("f",)))
    rig.worker().work_once()
    supervisor = subprocess.Popen(
        [sys.executable, "-m", "swarm", "-C", str(rig.user.path), "supervisor", "--lifeline"],
        env=scrubbed_environment(
            {
                "REDIS_URL": rig.url,
                "SWARM_PROJECT": rig.project,
                "SWARM_RETRY_BASE_S": "100",
                "SWARM_RETRY_CAP_S": "100",
                "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
            }
        ),
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )

    wait_for(lambda: rig.task(run, "t").failures == 1, "the red gate")
    record = rig.task(run, "t")
    supervisor.communicate()

    assert record.state is TaskState.QUEUED
    assert 50_000 <= record.not_before_ms - record.queued_ms <= 100_000
