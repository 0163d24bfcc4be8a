"""Every error that swarm raises on purpose, and the exit code it becomes.

::

    SwarmError                  SW000  exit 5   an internal error
    ├── UsageError              SW001  exit 2   the command line or an argument is wrong
    │   ├── ConfigError         SW002           a setting is wrong
    │   ├── PlanError           SW003           the plan is wrong; lists every problem at once
    │   ├── RepositoryError     SW004           the repository cannot be used as it is
    │   ├── UnknownRunError     SW005
    │   ├── UnknownTaskError    SW006
    │   └── ModelRequestError   SW007           the model API calls our request wrong
    ├── UnreachableError        SW010  exit 3   something outside cannot be reached
    │   ├── StoreUnreachableError SW011         Redis
    │   ├── DockerUnreachableError SW012
    │   └── ModelUnreachableError SW013
    ├── AuthenticationError     SW020  exit 4
    ├── RefusedError            SW030  exit 6   refused for safety
    ├── LimitReachedError       SW040  exit 7   a budget, a quota or a limit was reached
    ├── NotFinishedError        SW050  exit 8   asked to wait, and it did not end in time
    ├── WaitingForPersonError   SW060  exit 9
    ├── StoreReplyError         SW080  exit 5   Redis answered a call with an error
    ├── StaleTokenError         SW070  exit 5   the caller's claim was voided; its work must stop
    │   └── RunCancelledError   SW071
    └── GitError                SW090  exit 5   a git command failed; defined in swarm.repo.git

Expected outcomes (a conflict, a red gate, an empty queue) are values, not errors.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class SwarmError(Exception):
    """Something that swarm reports to a person: what is wrong, and the next step."""

    code: ClassVar[str] = "SW000"
    exit_code: ClassVar[int] = 5
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(SwarmError):
    """The command line or an argument is wrong."""

    code = "SW001"
    exit_code = 2


class ConfigError(UsageError):
    """A setting has a value that cannot be used."""

    code = "SW002"


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a plan: where (a JSON path: `$.tasks[3].files[0]`), what, and what to do."""

    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class PlanError(UsageError):
    """The plan cannot be run; `problems` holds everything that is wrong with it."""

    code = "SW003"

    def __init__(self, message: str, problems: Sequence[Problem] = (), *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.problems = tuple(problems)


class RepositoryError(UsageError):
    """The repository cannot be used as it is."""

    code = "SW004"


class UnknownRunError(UsageError):
    """No run has this id."""

    code = "SW005"


class UnknownTaskError(UsageError):
    """No task has this id."""

    code = "SW006"


class ModelRequestError(UsageError):
    """The model API refused a request as wrong: an unknown model, or a prompt too long for it."""

    code = "SW007"


class UnreachableError(SwarmError):
    """Something outside this process cannot be reached."""

    code = "SW010"
    exit_code = 3
    retryable = True


class StoreUnreachableError(UnreachableError):
    """Redis did not answer; whether the last call took effect is unknown."""

    code = "SW011"


class DockerUnreachableError(UnreachableError):
    """The Docker engine did not answer."""

    code = "SW012"


class ModelUnreachableError(UnreachableError):
    """The model API did not answer, or answered with a fault of its own.

    `retry_after_s` is how long it asked to be left alone; 0 when it did not say.
    """

    code = "SW013"

    def __init__(self, message: str, *, hint: str = "", retry_after_s: float = 0.0) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class AuthenticationError(SwarmError):
    """A credential is missing or was refused."""

    code = "SW020"
    exit_code = 4


class RefusedError(SwarmError):
    """Refused for safety."""

    code = "SW030"
    exit_code = 6


class LimitReachedError(SwarmError):
    """A budget, a quota or a limit was reached."""

    code = "SW040"
    exit_code = 7


class NotFinishedError(SwarmError):
    """What was waited for did not end in time."""

    code = "SW050"
    exit_code = 8
    retryable = True


class WaitingForPersonError(SwarmError):
    """Nothing can go on until a person decides."""

    code = "SW060"
    exit_code = 9


class StoreReplyError(SwarmError):
    """Redis answered a call with an error; the call changed nothing."""

    code = "SW080"


class StaleTokenError(SwarmError):
    """The caller's fencing token is no longer current: somebody else may hold the task."""

    code = "SW070"


class RunCancelledError(StaleTokenError):
    """The run or the task was cancelled; its worker should stop."""

    code = "SW071"
