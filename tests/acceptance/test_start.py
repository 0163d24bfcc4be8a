"""`swarm init` and `swarm doctor`: the first minutes in a repository."""

import json
import os
import subprocess
import tomllib
from pathlib import Path

import pytest
from real_swarm import Swarm, write_task

from swarm.starter import starter_config
from swarm.testing.repository import make_repository

PYTEST = ["python3", "-m", "pytest", "-q"]


def lay_out(root: Path, files: dict[str, str]) -> None:
    """Write these files."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, encoding="utf-8")


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({"pyproject.toml": "", "test_shop.py": ""}, PYTEST),
        ({"tests/test_shop.py": ""}, PYTEST),
        ({"tests/test_shop.py": "", "setup.py": "", "Makefile": "build:\n"}, PYTEST),
        ({"tests/test_shop.py": "", "package.json": "{}"}, PYTEST),
        ({"deep/er/test_shop.py": ""}, PYTEST),
        ({"setup.cfg": "[tool:pytest]\n", "checks/test_a.py": "", "Makefile": "test:\n"}, PYTEST),
        ({"package.json": '{"scripts": {"test": "jest"}}'}, ["npm", "test", "--silent"]),
        ({"Cargo.toml": "", "test_shop.py": ""}, ["cargo", "test", "--quiet"]),
        ({"go.mod": ""}, ["go", "test", "./..."]),
        ({"Makefile": "build: a.c\n\tcc a.c\ntest: build\n\t./a.out\n"}, ["make", "test"]),
        ({"makefile": "lint test:: build\n"}, ["make", "test"]),
    ],
)
def test_the_first_gate_fits_the_repository(
    tmp_path: Path, files: dict[str, str], command: list[str]
) -> None:
    """The files that tell what kind of repository it is choose the command."""
    lay_out(tmp_path, files)

    text, chosen = starter_config(tmp_path)

    assert tomllib.loads(text)["gate"]["tests"]["command"] == chosen == command


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"Makefile": "build:\n\tcc test.c\ntest-data: x\n# test: later\ntest := x\n"},
        {"package.json": '{"scripts": {"test": "echo \\"Error: no test specified\\" && exit 1"}}'},
        {"package.json": "no JSON"},
    ],
)
def test_no_command_is_made_up_where_nothing_tests(tmp_path: Path, files: dict[str, str]) -> None:
    """`make test` without such a target is red, and nothing could ever land; the file says what to put."""
    lay_out(tmp_path, files)

    text, chosen = starter_config(tmp_path)

    assert chosen == []
    assert list(tomllib.loads(text)["gate"]) == ["conflicts", "security"]
    assert "# [gate.tests]\n# command = " in text


def test_init_says_that_it_recognised_no_tests(swarm: Swarm, tmp_path: Path) -> None:
    """Two gates that are green are no tests."""
    bare = make_repository(tmp_path / "bare", {"README.md": "bare\n"}).path

    done = Swarm(bare, swarm.environment).call("init")

    assert done.returncode == 0
    assert "no tests were recognised here" in done.stderr


@pytest.mark.parametrize("marker", ["pyproject.toml", "conftest.py", "setup.py"])
def test_a_package_without_tests_gets_a_gate_that_passes(swarm: Swarm, marker: str) -> None:
    """A test runner that finds no test is red, and nothing could ever land."""
    (swarm.root / marker).write_text("")

    swarm.json("init", "--force")

    text = (swarm.root / "swarm.toml").read_text(encoding="utf-8")
    command = tomllib.loads(text)["gate"]["tests"]["command"]
    assert subprocess.run(command, cwd=swarm.root, check=False).returncode == 0
    assert command[:3] == ["python3", "-m", "compileall"]
    assert "no test yet" in text


def test_a_source_folder_is_put_before_an_installed_copy(tmp_path: Path) -> None:
    """Without it the gate would test whatever is installed, and nothing could turn it red."""
    (tmp_path / "pyproject.toml").touch()
    package = tmp_path / "src" / "shop"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()

    text, _ = starter_config(tmp_path)

    assert tomllib.loads(text)["gate"]["tests"]["env"] == {"PYTHONPATH": "src"}


@pytest.mark.usefixtures("uncounted")
def test_a_repository_may_be_called_anything(swarm: Swarm, tmp_path: Path) -> None:
    """From a plan to its branch; a shell takes the redis-cli lines of `queue` as they are printed."""
    root = make_repository(tmp_path / "a q?x#h p%41'\"$HOME *[zü", {"README.md": "odd\n"}).path
    odd = Swarm(root, swarm.environment)
    plan = odd.plan([write_task("a")])
    try:
        run = odd.json("run", plan, "-y", "--workers", "1")
        lines = odd.json("queue", "--explain")["redis_cli"]
        assert isinstance(lines, dict)
        password = (root / ".swarm" / "server" / "password").read_text().strip()
        answers = {
            name: subprocess.run(
                ["sh", "-c", line],
                env={**os.environ, "REDISCLI_AUTH": password},
                capture_output=True,
                text=True,
                check=False,
            ).stdout
            for name, line in lines.items()
        }
    finally:
        odd.end()

    assert run["state"] == "done"
    assert odd.git("show", f"{run['branch']}:out/a.txt") == "a"
    assert set(answers.values()) == {"0\n"}


def test_init_does_not_replace_a_config(swarm: Swarm) -> None:
    """What a person wrote stays, unless they say so."""
    before = (swarm.root / "swarm.toml").read_text(encoding="utf-8")

    refused = swarm.call("init")
    forced = swarm.call("init", "--force")

    assert refused.returncode == 6
    assert "--force" in refused.stderr
    assert forced.returncode == 0
    assert (swarm.root / "swarm.toml").read_text(encoding="utf-8") != before


def test_doctor_names_what_is_there_and_what_is_missing(swarm: Swarm) -> None:
    """Everything that a run needs is there; a model is not, and it says what to set."""
    found = swarm.json("doctor")

    checks = {check["name"]: check for check in found["checks"]}  # type: ignore[attr-defined]
    assert found["ok"] is True
    assert checks["gates"]["found"] == f"compiles: green on {swarm.git('rev-parse', 'HEAD')[:12]}"
    assert checks["workspaces"]["found"].startswith(("overlays of a template", "copies of a template"))
    assert checks["workspaces"]["is_ok"] is True
    assert checks["model"]["is_ok"] is False
    assert "ANTHROPIC_API_KEY" in checks["model"]["hint"]


def test_doctor_changes_nothing_where_there_is_no_repository(tmp_path: Path, swarm: Swarm) -> None:
    """It says so, exits 3, and starts no server."""
    elsewhere = Swarm(tmp_path / "elsewhere", swarm.environment)
    elsewhere.root.mkdir()

    done = elsewhere.call("doctor", "--json")

    assert done.returncode == 3
    assert json.loads(done.stdout)["ok"] is False
    assert list(elsewhere.root.iterdir()) == []
