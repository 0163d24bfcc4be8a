"""`config show`, `completion`, `explain`: swarm about itself."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from swarm.cli.error_guide import explain_error
from swarm.errors import SwarmError
from swarm.plan.model import TaskSpec
from swarm.repo.git.command import GitError

ROOT = Path(__file__).parents[2]

# Any: the fixture's own type, and a test cannot import from its conftest.
Swarm = Callable[..., Any]


def subclasses(kind: type[SwarmError]) -> Iterator[type[SwarmError]]:
    """An error class and all that are derived from it."""
    yield kind
    for one in kind.__subclasses__():
        yield from subclasses(one)


def test_every_error_of_swarm_is_explained() -> None:
    """Each code belongs to one class, which says what it means and what to do."""
    assert issubclass(GitError, SwarmError), "defined where it happens, so it has to be imported to be found"
    kinds = [kind for kind in subclasses(SwarmError) if "code" in vars(kind)]

    entries = explain_error("")

    assert [entry.code for entry in entries] == sorted({kind.code for kind in kinds})
    assert len(entries) == len(kinds)
    assert all("next_step" in vars(kind) and kind.__doc__ for kind in kinds)


def test_explain_takes_a_code_in_any_case(swarm: Swarm) -> None:
    """As it is copied from a terminal, or typed from memory."""
    explained = swarm("explain", "sw011", "--json").json()

    assert (explained["code"], explained["name"], explained["exit_code"]) == (
        "SW011",
        "StoreUnreachableError",
        3,
    )


def test_explain_names_the_nearest_code(swarm: Swarm) -> None:
    """An unknown code is a usage error with a next step."""
    unknown = swarm("explain", "SW01")

    assert unknown.code == 2
    assert "did you mean SW010, SW011, SW012? `swarm explain` lists every code" in unknown.err


def test_explain_alone_lists_every_code(swarm: Swarm) -> None:
    """Nobody has to know a code to see which there are."""
    listed = swarm("explain")

    assert (listed.code, listed.out) == (0, swarm("explain", "all").out)
    assert "SW011" in listed.out


def test_config_shows_where_each_value_came_from(swarm: Swarm, folder: Path, redis_url: str) -> None:
    """A wrong value can be traced to its file."""
    rows = {row["name"]: row for row in swarm("config", "show", "--json").json()}

    assert (rows["project"]["value"], rows["project"]["source"]) == ("shop", "swarm.toml")
    assert (rows["lease_s"]["value"], rows["lease_s"]["source"]) == (30.0, "default")
    assert rows["redis_url"]["value"] == redis_url
    assert rows["root"]["value"] == str(folder)
    assert all(row["help"] for row in rows.values())


def test_config_never_shows_a_secret(swarm: Swarm, folder: Path) -> None:
    """Not the password in a URL, in no form of output."""
    (folder / "swarm.toml").write_text('redis_url = "rediss://user:hunter2@redis.example:6380/1"\n')

    as_text, as_json = swarm("config", "show"), swarm("config", "show", "--json")

    rows = {row["name"]: row["value"] for row in as_json.json()}
    assert rows["redis_url"] == "rediss://user:***@redis.example:6380/1"
    assert rows["anthropic_api_key"] == "not set"
    assert "hunter2" not in as_text.out + as_json.out


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (
            "redis+sentinel://a:1/shop?sentinel_password=hunter2",
            "redis+sentinel://a:1/shop?sentinel_password=***",
        ),
        ("redis://:[hunter2@a:1", "redis://a:1"),
        ("redis://:x/hunter2@a:1", "redis://a:1"),
        ("unix:///srv/a@b/redis.sock", "unix:///srv/a@b/redis.sock"),
    ],
)
def test_config_hides_a_password_wherever_it_stands(swarm: Swarm, folder: Path, url: str, shown: str) -> None:
    """That of the sentinels, and one in a URL that cannot be parted."""
    (folder / "swarm.toml").write_text(f'redis_url = "{url}"\n')

    rows = {row["name"]: row["value"] for row in swarm("config", "show", "--json").json()}

    assert rows["redis_url"] == shown


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_the_shells_script(swarm: Swarm, shell: str) -> None:
    """The script asks `swarm` itself, so that it never goes stale."""
    script = swarm("completion", shell).out

    assert f"{shell}_complete" in script
    assert "_SWARM_COMPLETE" in script


def test_the_bash_script_is_bash(swarm: Swarm) -> None:
    """`eval` of it is no syntax error."""
    checked = subprocess.run(
        ["bash", "-n"], input=swarm("completion", "bash").out, capture_output=True, text=True, check=False
    )

    assert (checked.returncode, checked.stderr) == (0, "")


def completions(folder: Path, *words: str) -> list[str]:
    """What a shell is offered for the last of these words."""
    done = subprocess.run(
        [sys.executable, "-m", "swarm"],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "_SWARM_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(["swarm", "-C", str(folder), *words]),
            "COMP_CWORD": str(len(words) + 2),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


def test_tab_completes_runs_and_tasks(bench: Any, folder: Path) -> None:
    """Ids are long, and known to the server."""
    run = bench.submit(
        TaskSpec("parse", "Write it"), TaskSpec("print", "Write it"), TaskSpec("docs", "Write it")
    )

    assert completions(folder, "status", run[:3]) == [run]
    assert completions(folder, "why", "p") == ["parse", "print"]
    assert completions(folder, "cancel", "--task", "d") == ["docs"]


def test_tab_is_silent_when_no_server_answers(tmp_path: Path) -> None:
    """Whoever presses Tab wants no error message in the command line."""
    (tmp_path / "swarm.toml").write_text(f'redis_url = "unix://{tmp_path}/none.sock"\n')

    assert completions(tmp_path, "status", "") == []


def test_config_shows_a_hub_without_its_login(swarm: Swarm, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token may stand in the place of a name; blanks around an address are none of it."""
    monkeypatch.setenv("SWARM_HUB", " HTTPS://s3cr@t/Token@host/x ")

    rows = {row["name"]: row["value"] for row in swarm("config", "show", "--json").json()}

    assert rows["hub"] == "HTTPS://***@host/x"
