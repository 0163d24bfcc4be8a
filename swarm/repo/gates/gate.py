"""What a gate is, and what it has said: values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

DEFAULT_TIMEOUT_S = 1800.0


class Kind(StrEnum):
    """What a gate does with its command, and what it does without one."""

    COMMAND = "command"  # its exit code decides
    TESTS = "tests"  # the same, after the tests that the changes can reach
    CONFLICTS = "conflicts"  # no marker of a conflict is left in what changed; no command
    SECURITY = "security"  # no new secret, and no new finding of the command's, if there is one
    PERFORMANCE = "performance"  # the command is not slower than on the base


@dataclass(frozen=True)
class Gate:
    """One `[gate.<name>]` table."""

    name: str
    command: tuple[str, ...] = ()
    timeout_s: float = DEFAULT_TIMEOUT_S  # of one run of a command
    env: Mapping[str, str] = field(default_factory=dict)
    required: bool = True  # a gate that is not required is run and reported, and stops nothing
    kind: Kind = Kind.COMMAND
    sample: float = 1.0  # the share of trains that it judges
    affected: tuple[str, ...] = ()  # `tests`: argv that the files of tests are added to
    findings: str = ""  # `security`: the SARIF file that the command writes, relative to the tree
    allow: tuple[str, ...] = ()  # `security`: patterns of paths that may hold what looks like a secret
    threshold: float = 0.1  # `performance`: so much slower is too slow; 0.1 is 10 %
    runs: int = 7  # `performance`: of each side
    measure: str = "time"  # `performance`: seconds, or the number in the command's last line (`output`)


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
    timeout_s: float = DEFAULT_TIMEOUT_S  # what it was given; `duration_s` holds also what it took to end it
    ran_out_of_memory: bool = False
    is_known: bool = False  # it was green on the same tree before, and was not run again
    found: str = ""  # what is wrong, in a line, where the gate itself knows more than an exit code
    note: str = ""  # what a green one does not say for: `compared nothing: …`

    @property
    def passed(self) -> bool:
        """It ended by itself with 0."""
        return self.exit_code == 0 and not self.timed_out and not self.ran_out_of_memory

    def __str__(self) -> str:
        if self.timed_out:
            return f"{self.name}: timed out after {self.timeout_s:g} s"
        if self.ran_out_of_memory:
            return f"{self.name}: ran out of memory"
        return f"{self.name}: {self.found or f'exit code {self.exit_code}'}"


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
