"""Settings: precedence, types, and what must never come from the repository."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

PROGRAM = """
import dataclasses, json, pathlib, sys
from swarm.errors import ConfigError
from swarm.settings import load_settings
try:
    settings = load_settings(pathlib.Path(sys.argv[1]), json.loads(sys.argv[2]))
    values = {**vars(settings), "repr": repr(settings), "has_model_credential": settings.has_model_credential}
except ConfigError as error:
    values = {"error": error.message, "hint": error.hint}
print(json.dumps(values, default=str))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The top of a repository."""
    (tmp_path / ".git").mkdir()
    return tmp_path


# Any: the values of settings are of several types.
def load(
    folder: Path, env: Mapping[str, str] | None = None, flags: Mapping[str, object] | None = None
) -> dict[str, Any]:
    """The settings in force in a process with just this environment, or its error."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder), json.dumps(flags)],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[2]), **(env or {})},
        capture_output=True,
        text=True,
        check=True,
    )
    values: dict[str, Any] = json.loads(done.stdout)
    return values


def test_a_nearer_source_wins(folder: Path) -> None:
    """The order is flags, SWARM_*, swarm.toml, pyproject.toml, user config; each source is remembered."""
    (folder / "config" / "swarm").mkdir(parents=True)
    (folder / "config" / "swarm" / "config.toml").write_text("workers = 1\nlease_s = 1.5\n")
    (folder / "pyproject.toml").write_text("[tool.swarm]\nworkers = 2\ndrain_s = 7\n")
    (folder / "swarm.toml").write_text("workers = 3\nmax_turns = 9\n[gate.tests]\ncommand = ['true']\n")
    env = {"XDG_CONFIG_HOME": str(folder / "config"), "SWARM_WORKERS": "4"}

    settings = load(folder, env, {"workers": 5, "isolation": None})

    assert [settings[name] for name in ("workers", "lease_s", "drain_s", "max_turns")] == [5, 1.5, 7.0, 9]
    assert settings["sources"] == {
        "lease_s": "user config",
        "drain_s": "pyproject.toml",
        "max_turns": "swarm.toml",
        "workers": "flag",
    }
    assert load(folder, env)["workers"] == 4
    assert load(folder)["workers"] == 3


def test_the_root_is_the_nearest_folder_with_git(folder: Path) -> None:
    """Commands work from any folder of the repository."""
    (folder / "deep" / "er").mkdir(parents=True)

    settings = load(folder / "deep" / "er")

    assert (settings["root"], settings["home"]) == (str(folder), str(folder / ".swarm"))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("workers = 'three'", "workers must be of type int, got 'three'"),
        ("workers = 1.5", "workers must be of type int"),
        ("workers = true", "workers must be of type int"),
        ("workers = -1", "must not be negative"),
        ("isolation = 'jail'", "must be one of process, docker, got 'jail'"),
        ("project = 'a b'", "project must be letters"),
        ("wrokers = 3", "unknown setting 'wrokers'"),
        ("anthropic_api_key = 'sk-1'", "secret"),
        ("workers = ", "cannot be read"),
    ],
)
def test_a_bad_line_is_refused_with_its_file(folder: Path, line: str, reason: str) -> None:
    """The error names the file, the setting and the value, and never goes on with a default."""
    (folder / "swarm.toml").write_text(line + "\n")

    error = load(folder)["error"]

    assert "swarm.toml" in error
    assert reason in error


def test_a_secret_is_read_from_the_environment_and_not_shown(folder: Path) -> None:
    """The key is there for the SDK, and in no printed form of the settings."""
    settings = load(folder, {"ANTHROPIC_API_KEY": "sk-secret"})

    assert settings["has_model_credential"]
    assert "sk-secret" not in settings["repr"]
