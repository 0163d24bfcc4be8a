"""`queue --explain`: the redis-cli lines that it prints give its numbers, wherever the project is kept."""

import os
import shlex
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from many_servers import PASSWORD, Node, cluster, free_port, watched

from swarm.cli.queues import redis_cli
from swarm.engine.connect import open_store
from swarm.engine.engine import Engine
from swarm.keys import Keys
from swarm.plan.model import Plan, TaskSpec
from swarm.testing.server import RedisServer

PROJECT = "shop"
Swarm = Callable[..., Any]
Task = Callable[..., TaskSpec]


def answers(lines: dict[str, str]) -> dict[str, str]:
    """What each of the redis-cli lines prints."""
    environment = {**os.environ, "REDISCLI_AUTH": PASSWORD}
    return {
        name: subprocess.run(
            shlex.split(line), env=environment, capture_output=True, text=True, check=True
        ).stdout.strip()
        for name, line in lines.items()
    }


def check_lines(swarm: Swarm, url: str, *tasks: TaskSpec) -> None:
    """Queue these tasks there; the lines must count them."""
    with closing(Engine(open_store(url), PROJECT)) as engine:
        engine.submit(Plan(tasks), base="b" * 40)

    lines = swarm("queue", "--explain", "--json").json()["redis_cli"]

    assert answers(lines)["ready general"] == str(len(tasks))


@pytest.mark.parametrize("place", ["{folder}/redis.sock?db=2", "127.0.0.1:{port}/2", "127.0.0.1:{port}?db=2"])
def test_the_lines_ask_the_database_of_the_url(swarm: Swarm, task: Task, folder: Path, place: str) -> None:
    """Whichever way it is given."""
    port = free_port()
    server = RedisServer(folder, settings=("--port", str(port)))
    scheme = "unix" if "folder" in place else "redis"
    url = f"{scheme}://:{PASSWORD}@{place.format(folder=folder, port=port)}"
    (folder / "swarm.toml").write_text(f'redis_url = "{url}"\nproject = "{PROJECT}"\n')
    server.start()
    try:
        with closing(open_store(server.url)) as plain:
            plain.call("CONFIG", "SET", "requirepass", PASSWORD)
        check_lines(swarm, url, task("a"))
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("unix:///pro%20ject/it's/s", """redis-cli -s '/pro ject/it'"'"'s/s'"""),
        ("redis://:secret@a:1/2", "redis-cli -u redis://a:1 -n 2"),
        ("redis://[::1]:7/2", "redis-cli -h ::1 -p 7 -n 2"),
        ("redis://a%20b:secret@a:1/2", "redis-cli -u redis://a:1 --user 'a b' -n 2"),
        ("rediss://[::1]", "redis-cli -h ::1 -p 6379 --tls"),
        ("redis://a$(reboot)", "redis-cli -u 'redis://a$(reboot):6379'"),
    ],
)
def test_the_lines_are_what_a_shell_takes(url: str, line: str) -> None:
    """Quoted where they have to be, without the password, and in the form that redis-cli knows."""
    assert redis_cli(url, "key") == line


@pytest.mark.parametrize("login", [f":{PASSWORD}", f"default:{PASSWORD}", ""])
def test_how_to_give_the_password_is_said_without_it(swarm: Swarm, folder: Path, login: str) -> None:
    """What is printed works in a shell as it stands, when it is typed in; without one nothing is said."""
    node = Node(
        folder / "server", ["--requirepass", PASSWORD] if login else [], password=login and PASSWORD
    ).start()
    at = f"{login}@" if login else ""
    (folder / "swarm.toml").write_text(f'redis_url = "redis://{at}{node.address}"\n')
    try:
        shown = swarm("queue", "--explain").out
        lines = shown.splitlines()
        line = next(one for one in lines if one.startswith("leases")).split(maxsplit=2)[2]
        asked = [one.partition(": ")[2] for one in lines if one.startswith("first")]
        typed = subprocess.run(
            ["bash", "-c", "\n".join([*asked, line])],
            input=f"{PASSWORD}\n",
            capture_output=True,
            text=True,
            check=True,
        )
        told = swarm("queue", "--explain", "--json").json()["first"]
    finally:
        node.stop()

    assert told == next((one for one in lines if one.startswith("first")), "")
    assert PASSWORD not in shown
    assert len(asked) == bool(login)
    assert typed.stdout == "0\n"


def test_the_lines_ask_the_master_that_sentinels_name(
    swarm: Swarm, task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sentinel has no queue: the server behind it does."""
    with watched(tmp_path / "servers") as servers:
        monkeypatch.setenv("REDIS_URL", servers.url)

        check_lines(swarm, servers.url, task("a"), task("b"))


def test_the_lines_ask_the_master_of_the_projects_slot(
    swarm: Swarm, task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a cluster, the others would only say who has it."""
    with cluster(tmp_path / "servers", key=Keys(PROJECT).of("meta")) as servers:
        monkeypatch.setenv("REDIS_URL", servers.url)

        check_lines(swarm, servers.url, task("a"), task("b"))
