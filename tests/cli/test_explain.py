"""`queue --explain`: the redis-cli lines that it prints give its numbers, wherever the project is kept."""

import os
import shlex
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from many_servers import PASSWORD, cluster, watched

from swarm.engine.connect import open_store
from swarm.engine.engine import Engine
from swarm.keys import Keys
from swarm.plan.model import Plan, TaskSpec

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
