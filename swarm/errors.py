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
    │   │   └── StorePutDownError SW014         a person has stopped it: waiting is no use
    │   ├── DockerUnreachableError SW012
    │   ├── ModelUnreachableError SW013
    │   └── HubUnreachableError SW015         git refs cannot be read or written now
    │       └── HubRefusedError SW016  exit 4
    │           └── HubDeclinedError SW017
    ├── AuthenticationError     SW020  exit 4
    ├── RefusedError            SW030  exit 6   refused for safety
    │   └── OtherHubError       SW031           a run is in another hub
    ├── LimitReachedError       SW040  exit 7   a budget, a quota or a limit was reached
    ├── NotFinishedError        SW050  exit 8   asked to wait, and it did not end in time
    ├── WaitingForPersonError   SW060  exit 9
    ├── StoreReplyError         SW080  exit 5   Redis answered a call with an error
    │   └── StoreMovedError     SW081           it is a node of a cluster, and another one serves our keys
    ├── StaleTokenError         SW070  exit 5   the caller's claim was voided; its work must stop
    │   └── RunCancelledError   SW071
    └── GitError                SW090  exit 5   a git command failed; defined in swarm.repo.git.command

Expected outcomes (a conflict, a red gate, an empty queue) are values, not errors.
"""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple


class SwarmError(Exception):
    """Something inside swarm went wrong that it has no better name for.

    The first paragraph of each class says what it means, `next_step` what to do when an error brings
    no hint of its own: `swarm explain` prints both.
    """

    code: ClassVar[str] = "SW000"
    exit_code: ClassVar[int] = 5
    retryable: ClassVar[bool] = False
    next_step: ClassVar[str] = (
        "Report it with the crash file that the message names; your repository and the run are as they were."
    )

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def help(self) -> str:
        """The next step in words: the hint of this error, else what helps with every error of its kind."""
        return self.hint or self.next_step.removesuffix(".")


class UsageError(SwarmError):
    """The command line or an argument is wrong."""

    code = "SW001"
    exit_code = 2
    next_step = "Read the message for the value, and `swarm COMMAND --help` for what fits."


class ConfigError(UsageError):
    """A setting has a value that cannot be used."""

    code = "SW002"
    next_step = "`swarm config show` lists every setting and where it came from; mend it there."


class Problem(NamedTuple):
    """One thing wrong with a plan: where (a JSON path: `$.tasks[3].files[0]`), what, and what to do."""

    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class PlanError(UsageError):
    """The plan cannot be run; `problems` holds everything that is wrong with it."""

    code = "SW003"
    next_step = (
        "Mend the places that are named, then `swarm validate PLAN`; `swarm schema` prints the format."
    )

    def __init__(self, message: str, problems: Sequence[Problem] = (), *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.problems = tuple(problems)


class RepositoryError(UsageError):
    """The repository cannot be used as it is."""

    code = "SW004"
    next_step = "swarm needs a git repository with at least one commit; `swarm doctor` checks it."


class UnknownRunError(UsageError):
    """No run, or more than one, has this id."""

    code = "SW005"
    next_step = (
        "`swarm runs` lists them; an id may be shortened while it stays unique, `latest` is the newest."
    )


class UnknownTaskError(UsageError):
    """No task of the run, or more than one, has this id."""

    code = "SW006"
    next_step = "`swarm tasks RUN` lists them; an id may be shortened while it stays unique."


class ModelRequestError(UsageError):
    """The model API refused a request as wrong: an unknown model, or a prompt too long for it."""

    code = "SW007"
    next_step = "Check the model's name in `swarm config show`; split a long requirements file."


class UnreachableError(SwarmError):
    """Something outside this process cannot be reached."""

    code = "SW010"
    exit_code = 3
    retryable = True
    next_step = "`swarm doctor` says what is missing; nothing was lost, try again."


class StoreUnreachableError(UnreachableError):
    """Redis did not answer; whether the last call took effect is unknown."""

    code = "SW011"
    next_step = "Start one with `swarm run`, or check REDIS_URL and that the server runs; then try again."


class StorePutDownError(StoreUnreachableError):
    """A person has stopped the server of this repository, and it stays so until something is to be done."""

    code = "SW014"
    retryable = False
    next_step = "`swarm run --resume latest` starts it and goes on with the newest run."


class DockerUnreachableError(UnreachableError):
    """The Docker engine did not answer."""

    code = "SW012"
    next_step = "Start it, check DOCKER_HOST and your right to its socket, or use `--isolation process`."


class HubUnreachableError(UnreachableError):
    """The hub cannot be read or written now; whether what was asked for was done may be unknown.

    Its git server did not answer or broke off, or somebody else on this host holds its lock.
    """

    code = "SW015"
    next_step = (
        "Check that `git ls-remote` of the hub's address works from here; work goes on by itself then."
    )


class HubRefusedError(HubUnreachableError):
    """The git server of the hub does not let us in."""

    code = "SW016"
    exit_code = 4
    next_step = (
        "Let `git ls-remote` of the hub's address work here without a question: a key in the ssh agent,"
        " or a credential helper of git's."
    )


class HubDeclinedError(HubRefusedError):
    """The git server of the hub answers, lets us in, and declines what we push."""

    code = "SW017"
    next_step = "Read its words in the message; let it take branches `swarm/*` and refs below refs/swarm/."


class ModelUnreachableError(UnreachableError):
    """The model API did not answer, or answered with a fault of its own.

    `retry_after_s` is how long it asked to be left alone; 0 when it did not say.
    """

    code = "SW013"
    next_step = "Check ANTHROPIC_BASE_URL and the network; tasks are not charged for it. Try again later."

    def __init__(self, message: str, *, hint: str = "", retry_after_s: float = 0.0) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class AuthenticationError(SwarmError):
    """A credential is missing or was refused."""

    code = "SW020"
    exit_code = 4
    next_step = "Set ANTHROPIC_API_KEY or ANTHROPIC_AUTH_TOKEN; `command` tasks and `swarm demo` need none."


class RefusedError(SwarmError):
    """Refused for safety: going on could harm what is yours."""

    code = "SW030"
    exit_code = 6
    next_step = "The message says what would have been harmed, the help line how to allow or avoid it."


class OtherHubError(RefusedError):
    """A run is in another hub than the one that is named here; nothing of it was touched."""

    code = "SW031"
    next_step = "Name the hub that it was submitted to: --hub, SWARM_HUB or `hub` in swarm.toml."


class LimitReachedError(SwarmError):
    """A budget, a quota or a limit was reached."""

    code = "SW040"
    exit_code = 7
    next_step = "Raise the limit that the message names, then `swarm retry RUN`; what landed stays landed."


class NotFinishedError(SwarmError):
    """What was waited for did not end in time."""

    code = "SW050"
    exit_code = 8
    retryable = True
    next_step = "The run goes on; `swarm status` shows where it stands, `swarm wait` waits again."


class WaitingForPersonError(SwarmError):
    """Nothing can go on until a person decides."""

    code = "SW060"
    exit_code = 9
    next_step = "`swarm tasks` marks what needs you, `swarm why TASK` says why."


class StoreReplyError(SwarmError):
    """Redis answered a call with an error; the call changed nothing."""

    code = "SW080"
    next_step = "Read what Redis said: it may be full, read-only or older than 7.0; `swarm doctor` checks."


class StoreMovedError(StoreReplyError):
    """Redis is a node of a cluster, and another one serves our keys; the call changed nothing."""

    code = "SW081"
    next_step = "Give the cluster instead of one of its nodes: redis+cluster://host:port,host:port."


class StaleTokenError(SwarmError):
    """The caller's fencing token is no longer current: somebody else may hold the task."""

    code = "SW070"
    next_step = "Nothing to do: its work was refused, and the task is tried again elsewhere."


class RunCancelledError(StaleTokenError):
    """The run or the task was cancelled; its worker should stop."""

    code = "SW071"
    next_step = "Nothing to do; `swarm retry RUN` queues cancelled tasks again."
