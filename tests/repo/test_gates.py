"""Gates: read from a commit, every mistake named by its key, run until one must stop the landing."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest

from swarm.errors import ConfigError
from swarm.fleet.process import ProcessLauncher
from swarm.repo.gates.definitions import load_gates
from swarm.repo.gates.gate import Gate, Kind
from swarm.repo.gates.ground import Ground
from swarm.repo.gates.running import run_acceptance, run_gates
from swarm.repo.hub.hub import Hub
from swarm.sandbox.landlock import Confinement, landlock_abi
from swarm.sandbox.protocol import Launcher, SandboxEndedError
from swarm.testing.launcher import SubprocessLauncher
from swarm.testing.repository import UserRepository


@dataclass(frozen=True)
class FolderGround(Ground):
    """Always the same folder, where a merge queue has a clean checkout each time."""

    folder: Path = Path()

    def checkout(self, revision: str) -> AbstractContextManager[Path]:
        """The folder, whatever is asked for."""
        assert not revision
        return nullcontext(self.folder)


def at(folder: Path, launcher: Launcher | None = None, log: Path | None = None) -> FolderGround:
    """A ground for commands that know no git."""
    hub = Hub(folder / "no.git")
    return FolderGround(hub, "", "", launcher or SubprocessLauncher(), {"swarm.run": "r"}, log, folder=folder)


def load(user: UserRepository, hub: Hub, text: str | bytes) -> tuple[Gate, ...]:
    """Commit a swarm.toml and load its gates."""
    return load_gates(hub, (user.commit({"swarm.toml": text}), hub.import_base(user.path))[1])


def test_gates_are_read_in_order_with_their_defaults(user: UserRepository, hub: Hub) -> None:
    """Only the command is needed; other settings of swarm.toml are none of ours."""
    text = """
    workers = 3
    [gate.tests]
    command = ["python", "-m", "pytest"]
    [gate.style]
    command = ["ruff", "check"]
    timeout_s = 60
    env = {COLOR = "never"}
    required = false
    """

    assert load(user, hub, text) == (
        Gate("tests", ("python", "-m", "pytest"), 1800.0, {}, required=True, kind=Kind.TESTS),
        Gate("style", ("ruff", "check"), 60.0, {"COLOR": "never"}, required=False),
    )


def test_no_file_or_no_table_is_no_gate(user: UserRepository, hub: Hub) -> None:
    """A repository without gates is merged on acceptance commands alone."""
    assert load_gates(hub, user.head()) == ()
    assert load(user, hub, "workers = 3\n") == ()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[gate", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        ("gate = 3", "gate must be a table, got 3"),
        ("[gate]\ntests = 'pytest'", "gate.tests must be a table, got 'pytest'"),
        ("[gate.t]\n", r"gate.t.command must be a list of strings .* got nothing"),
        ("[gate.t]\ncommand = 'make test'", "gate.t.command must be a list of strings .* got 'make test'"),
        ("[gate.t]\ncommand = []", "gate.t.command must be a list"),
        ("[gate.t]\ncommand = ['a', 1]", "gate.t.command must be a list"),
        ('[gate.t]\ncommand = ["a\\u0000"]', "gate.t.command must be a list"),
        ("[gate.t]\ncommand = ['a']\ntimeout_s = 0", "gate.t.timeout_s must be .* got 0"),
        ("[gate.t]\ncommand = ['a']\ntimeout_s = true", "gate.t.timeout_s must be .* got True"),
        ("[gate.t]\ncommand = ['a']\ntimeout_s = nan", "gate.t.timeout_s must be .* got nan"),
        ("[gate.t]\ncommand = ['a']\nenv = {A = 1}", "gate.t.env must be a table of strings"),
        ("[gate.t]\ncommand = ['a']\nenv = {'A=B' = 'x'}", "gate.t.env must be a table of strings"),
        ("[gate.t]\ncommand = ['a']\nrequired = 'yes'", "gate.t.required must be true or false, got 'yes'"),
        ("[gate.t]\ncommand = ['a']\ntimeout = 3", "unknown key gate.t.timeout"),
        ("[gate.'a/../b']\ncommand = ['a']", "named with letters"),
    ],
)
def test_a_broken_definition_names_the_key(
    user: UserRepository, hub: Hub, text: str | bytes, what: str
) -> None:
    """The message says which key, what it must be, and what was found."""
    with pytest.raises(ConfigError, match=what):
        load(user, hub, text)


def test_gates_run_until_a_required_one_fails(tmp_path: Path) -> None:
    """Acceptance commands come first; a gate that is not required stops nothing; no sandbox stays."""
    launcher = SubprocessLauncher()
    gates = (
        Gate("hint", ("sh", "-c", "echo hint; exit 2"), required=False),
        Gate("must", ("sh", "-c", "echo must; exit 1")),
        Gate("never", ("touch", "never")),
    )

    ground = at(tmp_path, launcher, tmp_path / "log")
    own = run_acceptance([("pwd",), ("true",)], ground)
    report = run_gates(gates, ground)

    assert [(result.name, result.exit_code) for result in own.results] == [
        ("acceptance 1", 0),
        ("acceptance 2", 0),
    ]
    assert [(result.name, result.exit_code, result.passed) for result in report.results] == [
        ("hint", 2, False),
        ("must", 1, False),
    ]
    assert not report.passed
    assert report.failure == report.results[1]
    assert (tmp_path / "log").read_text() == f"{tmp_path}\nhint\nmust\n"
    assert not (tmp_path / "never").exists()
    assert len(launcher.opened) == 3
    assert all(sandbox.is_closed for sandbox in launcher.opened)
    assert launcher.opened[0].labels == {"swarm.run": "r"}


def test_a_gate_that_takes_too_long_has_failed(tmp_path: Path) -> None:
    """The time limit is part of the verdict, whatever the exit code."""
    gate = Gate("slow", ("sh", "-c", "trap 'exit 0' TERM; sleep 60"), timeout_s=0.2)

    report = run_gates([gate], at(tmp_path))

    assert not report.passed
    assert str(report.failure) == "slow: timed out after 0.2 s"


def test_nothing_to_run_passes_without_a_sandbox(tmp_path: Path) -> None:
    """A task without acceptance in a repository without gates costs no process."""
    launcher = SubprocessLauncher()

    assert run_gates([], at(tmp_path, launcher)).passed
    assert run_acceptance([], at(tmp_path, launcher)).passed
    assert launcher.opened == []


def test_a_gate_has_the_environment_of_its_table(tmp_path: Path) -> None:
    """Its own variables are there."""
    gate = Gate("env", ("sh", "-c", 'test "$COLOR" = never'), env={"COLOR": "never"})

    assert run_gates([gate], at(tmp_path)).passed


def test_a_gate_whose_program_does_not_exist_has_failed(tmp_path: Path) -> None:
    """It is red like any other, with 127 and the name of what is missing."""
    (tmp_path / "tree").mkdir()

    report = run_gates([Gate("lint", ("no-such-program",))], at(tmp_path / "tree", ProcessLauncher()))

    assert str(report.failure) == "lint: exit code 127"
    assert "no-such-program" in report.results[0].output


def test_a_gate_whose_sandbox_is_killed_is_not_judged(tmp_path: Path) -> None:
    """SIGKILL of the tool host says nothing about the tree; the landing is tried again."""
    (tmp_path / "tree").mkdir()
    gate = Gate("killed", ("sh", "-c", "kill -9 $PPID; sleep 60"))

    with pytest.raises(SandboxEndedError):
        run_gates([gate], at(tmp_path / "tree", ProcessLauncher()))


@pytest.mark.skipif(landlock_abi() < 6, reason="this kernel cannot keep a command from its tool host")
def test_a_gate_cannot_end_its_own_sandbox(tmp_path: Path) -> None:
    """Killing the tool host is no way to be tried again for nothing: it is out of a command's reach."""
    (tmp_path / "tree").mkdir()
    gate = Gate("suicide", ("sh", "-c", "kill -9 $PPID; exit 3"))
    launcher = ProcessLauncher(confinement=Confinement(writable=(), hidden=()))

    report = run_gates([gate], at(tmp_path / "tree", launcher))

    assert str(report.failure) == "suicide: exit code 3"
