"""The gates that `swarm.toml` defines, read from the base: no task can weaken the gate it is judged by."""

import contextlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from swarm.errors import ConfigError
from swarm.plan.scope import PatternError, is_glob, literal_prefix, normalise_pattern
from swarm.repo.gates.gate import DEFAULT_TIMEOUT_S, Gate, Kind
from swarm.repo.hub.hub import Hub
from swarm.repo.hub.project_file import read_table, wrong
from swarm.settings import CONFIG_NAME

MOST_RUNS = 100
_COMMON = ("kind", "command", "timeout_s", "env", "required", "sample")
_OF_KIND: Mapping[Kind, tuple[str, ...]] = {
    Kind.TESTS: ("affected",),
    Kind.SECURITY: ("findings", "allow"),
    Kind.PERFORMANCE: ("threshold", "runs", "measure"),
}
_WITHOUT_COMMAND = {Kind.CONFLICTS, Kind.SECURITY}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ARGV = "a list of strings such as ['python', '-m', 'pytest']"
Table = Mapping[str, Any]  # Any: straight from TOML


def load_gates(hub: Hub, commit: str) -> tuple[Gate, ...]:
    """The gates that `swarm.toml` defines in a commit, in its order; none when there is no such file.

    Raises:
        ConfigError: the file is not TOML, or a gate is malformed; names the key.
    """
    return tuple(_parse_gate(name, table) for name, table in read_table(hub, commit, "gate").items())


def _parse_gate(name: str, table: Any) -> Gate:  # Any: straight from TOML
    key = f"gate.{name}"
    if not _NAME.fullmatch(name):
        raise wrong(key, "named with letters, digits, '.', '_' or '-'", name)
    if not isinstance(table, dict):
        raise wrong(key, "a table", table)
    kind = _kind_of(name, key, table)
    known = [*_COMMON, *_OF_KIND.get(kind, ())]
    for unknown in table.keys() - set(known):
        raise ConfigError(
            f"{CONFIG_NAME}: unknown key {key}.{unknown}", hint=f"a {kind} gate has {', '.join(known)}"
        )
    read = _Reader(key, table)
    command = () if kind in _WITHOUT_COMMAND and "command" not in table else read.argv("command")
    gate = Gate(
        name=name,
        command=command,
        timeout_s=read.number("timeout_s", DEFAULT_TIMEOUT_S, "a number of seconds above 0"),
        env=read.env(),
        required=read.flag("required", default=True),
        kind=kind,
        sample=read.number("sample", 1.0, "a share above 0 and up to 1", most=1.0),
        affected=read.argv("affected") if "affected" in table else (),
        findings=read.file("findings", "the path of a SARIF file in the tree"),
        allow=read.patterns("allow"),
        threshold=read.number("threshold", Gate.threshold, "a share above 0, such as 0.1 for 10 %"),
        runs=read.count("runs", Gate.runs, MOST_RUNS),
        measure=read.word("measure", "'time' or 'output'") or Gate.measure,
    )
    if gate.measure not in {"time", "output"}:
        raise wrong(f"{key}.measure", "'time' or 'output'", gate.measure)
    if gate.kind is Kind.CONFLICTS and gate.command:
        raise wrong(f"{key}.command", "left out: this kind runs none", list(gate.command))
    if gate.kind is Kind.SECURITY and bool(gate.command) != bool(gate.findings):
        raise wrong(f"{key}.findings", "given with a command that writes it, and only then", gate.findings)
    return gate


def _kind_of(name: str, key: str, table: Table) -> Kind:
    """What it says, else what its name says."""
    kinds = {kind.value: kind for kind in Kind}
    said = table.get("kind", name if name in kinds else Kind.COMMAND.value)
    if not isinstance(said, str) or said not in kinds:
        raise wrong(f"{key}.kind", f"one of {', '.join(kinds)}", said)
    return kinds[said]


class _Reader:
    """Takes values out of one gate's table, and names the key of what is not as it must be."""

    def __init__(self, key: str, table: Table) -> None:
        self._key = key
        self._table = table

    def argv(self, name: str) -> tuple[str, ...]:
        found = self._table.get(name)
        if not isinstance(found, list) or not found or not all(_is_argument(each) for each in found):
            raise wrong(f"{self._key}.{name}", _ARGV, found)
        return tuple(found)

    def number(self, name: str, default: float, wanted: str, *, most: float = float("inf")) -> float:
        def fits(found: object) -> bool:
            is_number = isinstance(found, int | float) and not isinstance(found, bool)
            return is_number and 0 < found <= most and found < float("inf")  # type: ignore[operator]

        return float(self._take(name, default, wanted, fits))

    def count(self, name: str, default: int, most: int) -> int:
        def fits(found: object) -> bool:
            return isinstance(found, int) and not isinstance(found, bool) and _FEWEST_RUNS <= found <= most

        return int(self._take(name, default, f"a whole number from {_FEWEST_RUNS} to {most}", fits))

    def flag(self, name: str, *, default: bool) -> bool:
        return bool(self._take(name, default, "true or false", lambda found: isinstance(found, bool)))

    def word(self, name: str, wanted: str) -> str:
        return str(self._take(name, "", wanted, lambda found: isinstance(found, str) and bool(found)))

    def file(self, name: str, wanted: str) -> str:
        found = self.word(name, wanted)
        with contextlib.suppress(PatternError):
            pattern = normalise_pattern(found) if found else ""
            if not is_glob(pattern):
                return literal_prefix(pattern)
        raise wrong(f"{self._key}.{name}", wanted, found)

    def env(self) -> dict[str, str]:
        def fits(found: object) -> bool:
            return isinstance(found, dict) and all(
                _VARIABLE.fullmatch(variable) and _is_argument(value) for variable, value in found.items()
            )

        return dict(self._take("env", {}, "a table of strings", fits))

    def patterns(self, name: str) -> tuple[str, ...]:
        wanted = "a list of paths or globs"
        found = self._take(
            name, [], wanted, lambda found: isinstance(found, list) and all(map(_is_argument, found))
        )
        try:
            return tuple(map(normalise_pattern, found))
        except PatternError as error:
            raise wrong(f"{self._key}.{name}", wanted, found) from error

    def _take(self, name: str, default: Any, wanted: str, fits: Callable[[object], bool]) -> Any:
        found = self._table.get(name, default)
        if name in self._table and not fits(found):
            raise wrong(f"{self._key}.{name}", wanted, found)
        return found


_FEWEST_RUNS = 5
"""With fewer pairs no chance result can be told from a slower program (see `performance.py`)."""


def _is_argument(value: object) -> bool:
    return isinstance(value, str) and "\0" not in value
