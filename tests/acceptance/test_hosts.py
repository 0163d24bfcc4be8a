"""Several hosts on one queue and one git server: one submits, others work and merge."""

import os
import re
import shlex
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from git_servers import PASSWORD, SERVERS, SSHD, GitServer, by_https, by_path, declining
from real_swarm import DIAMOND, LEASE_S, Swarm, wait_for, write_task

from swarm.engine.connect import open_store
from swarm.repo.hub.hub import Hub
from swarm.testing.checker_git import check_history
from swarm.testing.repository import UserRepository
from swarm.testing.server import RedisServer

pytestmark = pytest.mark.usefixtures("uncounted")

MakeHost = Callable[..., Swarm]


@pytest.fixture
def redis(short_folder: Path, swarm: Swarm) -> Iterator[RedisServer]:
    """The queue that all hosts reach; what they left is checked before it ends."""
    server = RedisServer(short_folder)
    server.start()
    yield server
    swarm.stop_started()
    found = swarm.check()
    server.stop()
    assert not found, "\n".join(found)


@pytest.fixture(params=[*SERVERS])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[GitServer]:
    """The git server that they share, by each of the ways to reach one; CI has an sshd."""
    if request.param == "ssh" and not Path(SSHD).exists() and "CI" not in os.environ:
        pytest.skip("there is no sshd here")
    folder = tmp_path / "server"
    folder.mkdir()
    with SERVERS[request.param](folder) as server:
        yield server


@pytest.fixture
def path_shared(tmp_path: Path) -> Iterator[GitServer]:
    """The simplest of them."""
    folder = tmp_path / "server"
    folder.mkdir()
    with by_path(folder) as server:
        yield server


def at_home(swarm: Swarm, redis: RedisServer, server: GitServer) -> Swarm:
    """The host where the repository is, told of the queue and the git server."""
    swarm.environment |= {
        "REDIS_URL": redis.url,
        "SWARM_HUB": server.address,
        "SWARM_PROJECT": "shop",
        **server.environment,
    }
    swarm.hubs = (server.repository,)
    return swarm


@pytest.fixture
def elsewhere(swarm: Swarm, tmp_path: Path) -> Iterator[MakeHost]:
    """Makes hosts that have nothing but an empty folder, and the environment of the first."""
    made: list[Swarm] = []

    def make() -> Swarm:
        root = tmp_path / f"host-{len(made)}"
        root.mkdir()
        made.append(Swarm(root, swarm.environment))
        return made[-1]

    yield make
    for each in made:
        each.stop_started()


def run_of(swarm: Swarm, tasks: list[dict[str, object]]) -> tuple[str, str]:
    """Submit tasks; the run's id and its branch."""
    told = swarm.json("submit", swarm.plan(tasks))
    return str(told["run"]), str(told["branch"])


def texts_below(*folders: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file that swarm keeps there."""
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file():
                yield path, path.read_bytes()


def test_one_host_submits_and_others_work_and_merge(
    swarm: Swarm, redis: RedisServer, shared: GitServer, elsewhere: MakeHost
) -> None:
    """Two hosts that have never seen the repository do everything; the first gets its branch."""
    home, one, other = at_home(swarm, redis, shared), elsewhere(), elsewhere()
    run, branch = run_of(home, DIAMOND)

    one.start("worker")
    other.start("worker")
    other.start("supervisor")
    done = home.call("wait", run)

    assert done.returncode == 0, done.stderr + one.told() + other.told()
    tasks = sorted(value.split("/")[1] for value in home.trailers(branch))
    assert tasks == sorted(str(task["id"]) for task in DIAMOND)
    assert home.git("show", f"{branch}:out/join.txt") == "join left middle right"
    assert check_history(shared.repository, branch, tasks) == []
    assert Hub(shared.repository).tip(branch) == home.git("rev-parse", branch)
    seen = [
        path
        for path, text in texts_below(*(host.root / ".swarm" for host in (home, one, other)))
        if PASSWORD.encode() in text
    ]
    assert seen == []


def test_looking_back_works_from_any_host_with_a_clone(
    swarm: Swarm, redis: RedisServer, path_shared: GitServer, elsewhere: MakeHost, tmp_path: Path
) -> None:
    """Whoever asks has not merged, worked or submitted."""
    home, one = at_home(swarm, redis, path_shared), elsewhere()
    run, branch = run_of(home, [write_task("root")])
    one.start("worker")
    one.start("supervisor")
    assert home.call("wait", run).returncode == 0
    clone = tmp_path / "clone"
    UserRepository(home.root).git("clone", "-q", str(home.root), str(clone))
    third = Swarm(clone, home.environment)

    logs, gates = third.call("logs", "root"), third.call("logs", "root", "--gate", "-f")
    diff = third.json("diff", "root", "--run", run)
    report = third.json("report", run)
    landed = third.json("land", run, "--into", "taken")

    assert f"on host {socket.gethostname()}, where worker" in logs.stderr
    assert f".swarm/logs/{run}/root.1.log" in logs.stderr
    assert f"on host {socket.gethostname()}, where supervisor" in gates.stderr
    assert "+root" in str(diff["patch"])
    assert report["state"] == "done"
    assert third.git("rev-parse", "taken") == landed["commit"] == home.git("rev-parse", branch)
    assert third.json("pr", run)["branch"] == branch


def test_what_a_killed_worker_made_durable_another_host_hands_in(
    swarm: Swarm, redis: RedisServer, path_shared: GitServer, elsewhere: MakeHost
) -> None:
    """Its agent is not run again: the attempt is on the git server."""
    home, killed, heir = at_home(swarm, redis, path_shared), elsewhere(), elsewhere()
    run, branch = run_of(home, [write_task("root")])

    killed.start("worker", env={"SWARM_CRASH": "attempt.after_commit:1:kill"}).wait(60)
    heir.start("worker")
    heir.start("supervisor")
    done = home.call("wait", run, timeout_s=90 + LEASE_S)

    assert done.returncode == 0, done.stderr + heir.told()
    assert home.git("show", f"{branch}:out/root.txt") == "root"
    logs = [path.name for path in (heir.root / ".swarm" / "logs").rglob("root.*.log")]
    assert [name for name in logs if "gate" not in name] == []


def test_work_waits_for_a_hub_that_is_away(
    swarm: Swarm, redis: RedisServer, path_shared: GitServer, elsewhere: MakeHost
) -> None:
    """It is neither lost nor charged: the agent is run once, and hands in when the hub is back."""
    home, one = at_home(swarm, redis, path_shared), elsewhere()
    slow = write_task("root")
    slow["command"] = ["sh", "-c", "sleep 2; mkdir -p out; echo root >out/root.txt"]
    run, branch = run_of(home, [slow])
    away = path_shared.repository.with_suffix(".away")
    one.start("worker")
    one.start("supervisor")

    log = one.root / ".swarm" / "logs" / run / "root.1.log"
    wait_for(log.exists, "the agent to begin")
    path_shared.repository.rename(away)
    wait_for(lambda: "waits for the hub" in log.read_text(), "the hub to be missed")
    wait_for(lambda: "no hub" in home.call("agents").stdout, "the worker to say so")
    shown = [home.call(*words).stdout for words in (("agents",), ("status",), ("why", "root"))]
    events = home.call("events").stdout
    away.rename(path_shared.repository)
    done = home.call("wait", run)

    assert done.returncode == 0, done.stderr + one.told()
    assert [task["attempt"] for task in home.json("status", run)["tasks"]] == [1]  # type: ignore[attr-defined]
    assert all("cannot use the hub since" in each for each in shown), shown
    assert '"hub_away"' in events
    assert "cannot use the hub" not in home.call("status").stdout
    assert home.git("show", f"{branch}:out/root.txt") == "root"


def test_who_names_no_hub_leaves_a_run_in_one_alone(
    swarm: Swarm, redis: RedisServer, path_shared: GitServer, elsewhere: MakeHost
) -> None:
    """Where it was submitted too, whose mirror knows all of it: nothing is charged, and it is said."""
    home = at_home(swarm, redis, path_shared)
    run, branch = run_of(home, [write_task("root")])
    without = {"SWARM_HUB": ""}

    home.start("worker", env=without)
    home.start("supervisor", env=without)
    wait_for(lambda: "is in hub" in home.told(), "the worker to give the task back")
    resumed = home.call("run", "--resume", run, env=without)
    home.stop_started()
    one = elsewhere()
    one.start("worker")
    one.start("supervisor")
    done = home.call("wait", run, timeout_s=90 + LEASE_S)

    assert resumed.returncode == 6
    assert os.fspath(path_shared.repository) in resumed.stderr
    assert "--hub" in resumed.stderr
    assert done.returncode == 0, done.stderr + one.told()
    assert home.git("show", f"{branch}:out/root.txt") == "root"


def test_a_hub_that_cannot_be_reached_is_said_before_anything_is_submitted(
    swarm: Swarm, redis: RedisServer, path_shared: GitServer
) -> None:
    """With the next step; nothing is left behind in the queue."""
    home = at_home(swarm, redis, path_shared)

    refused = home.call("submit", home.plan(DIAMOND), "--hub", str(path_shared.repository) + "-of-nobody")
    doctor = home.call("doctor")

    assert refused.returncode == 3
    assert "SW015" in refused.stderr
    assert "git ls-remote" in refused.stderr
    assert home.call("status").returncode == 2  # there is no run
    assert "hub" in doctor.stdout
    assert os.fspath(path_shared.repository) in doctor.stdout


def test_a_run_on_one_machine_may_share_its_hub(swarm: Swarm, path_shared: GitServer) -> None:
    """`swarm run --hub` as without it, and its branch is on the server."""
    done = swarm.json("run", swarm.plan(DIAMOND), "-y", "--workers", "2", "--hub", path_shared.address)

    assert done["state"] == "done"
    branch = str(done["branch"])
    assert Hub(path_shared.repository).tip(branch) == swarm.git("rev-parse", branch)
    assert check_history(path_shared.repository, branch, [str(task["id"]) for task in DIAMOND]) == []


def test_doctor_checks_what_a_host_of_workers_needs(
    swarm: Swarm, redis: RedisServer, path_shared: GitServer, elsewhere: MakeHost
) -> None:
    """There is no repository, and none is missed: git, Redis and the hub are."""
    at_home(swarm, redis, path_shared)
    one = elsewhere()

    done = one.call("doctor")
    path_shared.repository.rename(path_shared.repository.with_suffix(".away"))
    away = one.call("doctor")

    assert done.returncode == 0, done.stdout
    assert "REDIS_URL answers" in done.stdout
    assert f"{path_shared.repository} answers, and has taken a push" in done.stdout
    assert "git init" not in done.stdout
    assert away.returncode == 3
    assert "SW015" in away.stdout


def test_a_hub_that_may_only_be_read_is_said_to(swarm: Swarm, redis: RedisServer, tmp_path: Path) -> None:
    """As a forge says it of a key that may not push; it is not worth trying again."""
    with by_https(tmp_path) as server:
        home = at_home(swarm, redis, server)
        config = ["git", "-C", str(server.repository), "config", "http.receivepack"]
        subprocess.run([*config, "false"], check=True)

        doctor = home.call("doctor")
        refused = home.call("submit", home.plan(DIAMOND))
        subprocess.run([*config, "true"], check=True)
        with declining(server.repository, "update", f"closed, says https://me:{PASSWORD}@x/y"):
            declined = home.call("submit", home.plan(DIAMOND))
            late = home.call("doctor")

    assert [each.returncode for each in (doctor, refused, declined, late)] == [4, 4, 4, 4]
    assert "closed, says https://***@x/y" in declined.stderr
    assert "closed, says" in late.stdout
    assert "SW016" in doctor.stdout
    assert "SW016" in refused.stderr
    assert "SW017" in declined.stderr
    assert "SW017" in late.stdout
    assert "hook declined" in declined.stderr
    assert PASSWORD not in doctor.stdout + refused.stderr + declined.stderr + late.stdout


def moved_back(server: GitServer, branch: str) -> None:
    """As a person does it who thinks better of the last landing."""
    git = ["git", "-C", str(server.repository), "update-ref", f"refs/heads/{branch}", f"{branch}~1"]
    subprocess.run(git, check=True)


def state_of(swarm: Swarm, task: str) -> str:
    """Where a task of the newest run is."""
    return str(swarm.json("why", task)["state"])


def do_as_told(swarm: Swarm, line: str) -> None:
    """Type it, as it stands there."""
    if line.startswith("swarm "):
        assert swarm.call(*shlex.split(line)[1:]).returncode == 0
    else:
        subprocess.run(line, shell=True, check=True, cwd=swarm.root, env=swarm.environment)  # noqa: S602


def test_a_branch_that_was_moved_back_is_put_back_as_told(
    swarm: Swarm, redis: RedisServer, path_shared: GitServer
) -> None:
    """Each step that `swarm why` names works when it is typed, and skipping is none of them."""
    home = at_home(swarm, redis, path_shared)
    run, branch = run_of(home, [write_task("root"), write_task("next", "root")])
    home.start("worker")
    supervisor = home.start("supervisor")
    wait_for(lambda: state_of(home, "root") == "done", "the first task to land")
    supervisor.kill()
    supervisor.wait()
    wait_for(lambda: state_of(home, "next") in {"merging", "done"}, "the second to be handed in")
    moved_back(path_shared, branch)

    home.start("supervisor")
    wait_for(lambda: state_of(home, "next") == "failed", "the contradiction to be found", timeout_s=90)
    refused, status = home.call("diff", "root"), home.call("status")
    steps = home.json("why", "next")["next"]
    for step in steps:  # type: ignore[attr-defined]
        do_as_told(home, step)
    done = home.call("wait", run)

    assert not [step for step in steps if "skip" in step]  # type: ignore[attr-defined]
    assert "`swarm why next` says how its branch is put back" in status.stdout
    assert [step for step in steps if step.startswith("git ")] == re.findall("`(git .*?)`", refused.stderr)  # type: ignore[attr-defined]
    assert done.returncode == 0, done.stderr + home.told()
    assert check_history(path_shared.repository, branch, ["root", "next"]) == []


def test_a_branch_that_was_moved_back_before_redis_was_lost_is_put_back_as_told(
    swarm: Swarm, redis: RedisServer, path_shared: GitServer
) -> None:
    """Nothing is queued before: no agent works for what cannot land."""
    home = at_home(swarm, redis, path_shared)
    tasks = [write_task("root"), write_task("next", "root")]
    run, branch = run_of(home, tasks)
    home.start("worker")
    home.start("supervisor")
    assert home.call("wait", run).returncode == 0
    home.stop_started()
    moved_back(path_shared, branch)
    store = open_store(redis.url)
    store.call("FLUSHALL")

    refused = home.call("submit", home.plan(tasks))
    queued = store.call("KEYS", f"*{run}*")
    store.close()
    [step] = re.findall("`(git .*?)`", refused.stderr)
    do_as_told(home, step)
    again, _ = run_of(home, tasks)

    assert refused.returncode == 6
    assert queued == []
    assert again == run
    assert home.json("status", run)["run"]["state"] == "done"  # type: ignore[index]
    assert check_history(path_shared.repository, branch, ["root", "next"]) == []
