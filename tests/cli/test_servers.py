"""The server that a question is asked of: which one it is, and what is said when it is away."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from many_servers import Node

from swarm.fleet.process_id import ProcessId
from swarm.fleet.server_file import ServerRecord, write_server_file
from swarm.plan.model import TaskSpec
from swarm.testing.server import RedisServer

# Any: these are the fixtures' own types, and a test cannot import from its conftest.
Swarm = Callable[..., Any]
Bench = Any
Task = Callable[..., TaskSpec]


@pytest.fixture
def tcp_server(tmp_path: Path) -> Iterator[str]:
    """Host and port of one real server."""
    node = Node(tmp_path / "tcp", []).start()
    yield node.address
    node.stop()


def test_a_server_that_is_away_is_exit_3(tmp_path: Path, swarm: Swarm) -> None:
    """Scripts can tell an unreachable Redis from everything else, and soon."""
    (tmp_path / "swarm.toml").write_text(f'redis_url = "unix://{tmp_path}/none.sock"\n')

    away = swarm("status", "--json")

    assert (away.code, away.json()["error"]["code"], away.json()["error"]["retryable"]) == (3, "SW011", True)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis://127.0.0.1:1", "no answer from Redis at 127.0.0.1:1: [Errno 111] Connection refused"),
        ("rediss://127.0.0.1:1", "no answer from Redis at 127.0.0.1:1: [Errno 111] Connection refused"),
        (
            "redis+cluster://:secret@127.0.0.1:1,127.0.0.1:2",
            (
                "none of the cluster's nodes at 127.0.0.1:1, 127.0.0.1:2 can be used: "
                "[Errno 111] Connection refused"
            ),
        ),
        ("redis+sentinel://127.0.0.1:1/shop", "none of the sentinels at 127.0.0.1:1 answers"),
    ],
)
def test_a_server_that_is_down_is_told_in_our_words_whatever_it_is(
    folder: Path, swarm: Swarm, url: str, message: str
) -> None:
    """One server, one over TLS, a cluster, sentinels: the same error, and the next step."""
    (folder / "swarm.toml").write_text(f'redis_url = "{url}"\n')

    down = swarm("status", "--json")

    error = down.json()["error"]
    assert (down.code, error["code"], error["message"]) == (3, "SW011", message)
    assert error["hint"].startswith("check ")
    assert "redis_url" in error["hint"]


@pytest.mark.parametrize("url", ["redis://[::1", "unix://", "redis://localhost:99999"])
@pytest.mark.parametrize("command", [("status",), ("queue", "--explain")])
def test_a_url_that_means_nothing_is_a_setting_that_is_wrong(
    folder: Path, swarm: Swarm, url: str, command: tuple[str, ...]
) -> None:
    """Not a fault of ours, nor of a server; and `config show` says where it stands."""
    (folder / "swarm.toml").write_text(f'redis_url = "{url}"\n')

    wrong = swarm(*command)
    shown = swarm("config", "show")

    assert wrong.code == 2
    assert "error[SW002]: redis_url: " in wrong.err
    assert "help: the forms: redis://" in wrong.err
    assert (shown.code, f"  {url} " in shown.out) == (0, True)


def test_one_server_that_is_given_as_a_cluster_is_a_setting_to_mend(
    folder: Path, swarm: Swarm, tcp_server: str
) -> None:
    """It answers, so waiting for it would be in vain."""
    (folder / "swarm.toml").write_text(f'redis_url = "redis+cluster://{tcp_server}"\n')

    wrong = swarm("status", "--json")

    error = wrong.json()["error"]
    assert (wrong.code, error["code"]) == (2, "SW002")
    assert error["message"] == f"redis_url: the server at {tcp_server} is no node of a cluster"
    assert f"redis://{tcp_server}" in error["hint"]


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("redis+cluster://{}?client_name=a%20b", "after its `?`"),
        ("redis+sentinel://{}/shop?client_name=a%20b", "after its `?`"),
    ],
)
def test_what_a_server_has_against_an_option_is_told(
    folder: Path, swarm: Swarm, tcp_server: str, url: str, hint: str
) -> None:
    """In its own words: it is there, and what it refuses stands in the URL."""
    (folder / "swarm.toml").write_text(f'redis_url = "{url.format(tcp_server)}"\n')

    wrong = swarm("status", "--json")

    error = wrong.json()["error"]
    assert (wrong.code, error["code"]) == (2, "SW002")
    assert "Client names cannot contain spaces" in error["message"]
    assert hint in error["hint"]


def test_the_embedded_server_of_the_folder_is_found(
    folder: Path, redis_server: RedisServer, bench: Bench, task: Task, swarm: Swarm
) -> None:
    """Without any setting, `swarm status` asks the server that `swarm run` left running here."""
    (folder / "swarm.toml").write_text('project = "shop"\n')
    (folder / ".swarm" / "server").mkdir(parents=True)
    process = str(ProcessId.running(redis_server.pid))
    note = ServerRecord(str(redis_server.socket), process, "redis-server", str(folder / "server.log"))
    run = bench.submit(task("a"))

    write_server_file(folder / ".swarm", note)
    found = swarm("status", "--json")
    write_server_file(folder / ".swarm", note._replace(process=f"{socket.gethostname()}-1-00000000"))
    gone = swarm("status")

    assert found.json()["run"]["run"] == run
    assert (gone.code, gone.err.splitlines()[1]) == (3, "help: start one with `swarm run` or set REDIS_URL")
