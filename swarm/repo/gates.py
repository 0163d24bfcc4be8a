"""Gates: the commands that decide, by exit code, whether a merged tree may land.

Their definition is read from the base commit, so that no task can weaken the gate it is judged by.
"""

import re
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swarm.errors import ConfigError
from swarm.repo.hub import Hub
from swarm.repo.project_file import read_table, wrong
from swarm.sandbox.protocol import Finished, Launcher, Sandbox, SandboxEndedError, ToolError
from swarm.settings import CONFIG_NAME

DEFAULT_TIMEOUT_S = 1800.0
NOT_STARTED = 127
"""The exit code of a command that could not be started, as a shell would have it."""
_KNOWN = ("command", "timeout_s", "env", "required")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Gate:
    """One `[gate.<name>]` table."""

    name: str
    command: tuple[str, ...]
    timeout_s: float = DEFAULT_TIMEOUT_S
    env: Mapping[str, str] = field(default_factory=dict)
    required: bool = True  # a gate that is not required is run and reported, and stops nothing


@dataclass(frozen=True)
class GateResult:
    """How one gate or acceptance command ended."""

    name: str
    argv: tuple[str, ...]
    exit_code: int
    duration_s: float
    output: str  # the last 64 KiB
    required: bool = True
    timed_out: bool = False
    ran_out_of_memory: bool = False
    is_known: bool = False  # it was green on the same tree before, and was not run again

    @property
    def passed(self) -> bool:
        """It ended by itself with 0."""
        return self.exit_code == 0 and not self.timed_out and not self.ran_out_of_memory

    def __str__(self) -> str:
        if self.timed_out:
            return f"{self.name}: timed out after {self.duration_s:.0f} s"
        if self.ran_out_of_memory:
            return f"{self.name}: ran out of memory"
        return f"{self.name}: exit code {self.exit_code}"


@dataclass(frozen=True)
class GateReport:
    """All results, in the order they ran; nothing runs after a required gate has failed."""

    results: tuple[GateResult, ...] = ()

    @property
    def passed(self) -> bool:
        """Every required gate passed."""
        return self.failure is None

    @property
    def failure(self) -> GateResult | None:
        """The required gate that failed, if one did."""
        return next((each for each in self.results if each.required and not each.passed), None)


def load_gates(hub: Hub, commit: str) -> tuple[Gate, ...]:
    """The gates that `swarm.toml` defines in a commit, in its order; none when there is no such file.

    Raises:
        ConfigError: the file is not TOML, or a gate is malformed; names the key.
    """
    return tuple(_parse_gate(name, table) for name, table in read_table(hub, commit, "gate").items())


def run_gates(
    gates: Sequence[Gate],
    acceptance: Mapping[str, tuple[str, ...]],
    checkout: Callable[[], AbstractContextManager[Path]],
    launcher: Launcher,
    *,
    labels: Mapping[str, str],
    log: Path | None = None,
    acceptance_timeout_s: float = DEFAULT_TIMEOUT_S,
    find: Callable[[Gate], GateResult | None] = lambda _gate: None,
) -> GateReport:
    """Run the tasks' acceptance commands, by name, in one checkout, then each gate in one of its own.

    `checkout` lays out the tree that may land: no gate judges what another command has
    written. A command that cannot be started, or that ends its sandbox, has failed. `find` knows what a gate
    has said of this tree before, if it has.

    Raises:
        SandboxEndedError: a sandbox was killed from outside; that says nothing about the tree.
    """
    own = [Gate(name, argv, acceptance_timeout_s) for name, argv in acceptance.items()]
    report = GateReport()
    for together in ([own] if own else []) + [[gate] for gate in gates]:
        known = find(together[0]) if together is not own else None
        if known:
            report = GateReport((*report.results, known))
            continue
        with checkout() as tree:
            sandbox = launcher.open(tree, labels=labels)
            try:
                report = GateReport(report.results + _run_in(sandbox, together, log))
            finally:
                sandbox.close()
        if not report.passed:
            break
    return report


def _run_in(sandbox: Sandbox, gates: Sequence[Gate], log: Path | None) -> tuple[GateResult, ...]:
    """Run gates in one sandbox until a required one fails."""
    results: list[GateResult] = []
    for gate in gates:
        results.append(_run_gate(gate, sandbox, log))
        if gate.required and not results[-1].passed:
            break
    return tuple(results)


def _run_gate(gate: Gate, sandbox: Sandbox, log: Path | None) -> GateResult:
    # A command that looks for a repository must not find the one that swarm's own folder is in.
    env = {"GIT_CEILING_DIRECTORIES": str(sandbox.tree.parent), **gate.env}
    finished = _run_to_its_end(gate, sandbox, env, log)
    return GateResult(
        name=gate.name,
        argv=gate.command,
        exit_code=finished.exit_code,
        duration_s=finished.duration_s,
        output=finished.output,
        required=gate.required,
        timed_out=finished.timed_out,
        ran_out_of_memory=finished.ran_out_of_memory,
    )


def _run_to_its_end(gate: Gate, sandbox: Sandbox, env: Mapping[str, str], log: Path | None) -> Finished:
    """Run the command; what keeps it from ending by itself is its result too, and never a 0.

    Raises:
        SandboxEndedError: somebody else killed the sandbox: nobody knows how the command would have ended.
    """
    started = time.monotonic()
    try:
        return sandbox.run(gate.command, timeout_s=gate.timeout_s, env=env, log=log)
    except ToolError as error:
        return Finished(NOT_STARTED, str(error), time.monotonic() - started)
    except SandboxEndedError as error:
        ending = sandbox.ending()
        if ending is not None and ending.was_killed:
            raise
        return Finished(
            -signal.SIGKILL,
            f"the sandbox ended while this ran: {error}",
            time.monotonic() - started,
            ran_out_of_memory=ending is not None and ending.ran_out_of_memory,
        )


def _parse_gate(name: str, table: Any) -> Gate:  # Any: straight from TOML
    key = f"gate.{name}"
    if not _NAME.fullmatch(name):
        raise wrong(key, "named with letters, digits, '.', '_' or '-'", name)
    if not isinstance(table, dict):
        raise wrong(key, "a table", table)
    for unknown in table.keys() - set(_KNOWN):
        raise ConfigError(
            f"{CONFIG_NAME}: unknown key {key}.{unknown}", hint=f"a gate has {', '.join(_KNOWN)}"
        )
    command, timeout_s = table.get("command"), table.get("timeout_s", DEFAULT_TIMEOUT_S)
    env, required = table.get("env", {}), table.get("required", True)
    if not isinstance(command, list) or not command or not all(_is_argument(each) for each in command):
        raise wrong(f"{key}.command", "a list of strings such as ['python', '-m', 'pytest']", command)
    if (
        isinstance(timeout_s, bool)
        or not isinstance(timeout_s, int | float)
        or not 0 < timeout_s < float("inf")
    ):
        raise wrong(f"{key}.timeout_s", "a number of seconds above 0", timeout_s)
    if not isinstance(env, dict) or not all(
        _VARIABLE.fullmatch(variable) and _is_argument(value) for variable, value in env.items()
    ):
        raise wrong(f"{key}.env", "a table of strings", env)
    if not isinstance(required, bool):
        raise wrong(f"{key}.required", "true or false", required)
    return Gate(name, tuple(command), float(timeout_s), env, required)


def _is_argument(value: object) -> bool:
    return isinstance(value, str) and "\0" not in value
