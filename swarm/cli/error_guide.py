"""What each error code means, and the next step: the pages behind `swarm explain`."""

from dataclasses import dataclass
from difflib import get_close_matches

from swarm.errors import UsageError


@dataclass(frozen=True)
class ErrorEntry:
    """One error code."""

    code: str
    name: str
    exit_code: int
    retryable: bool
    meaning: str
    next_step: str


def explain_error(code: str) -> tuple[ErrorEntry, ...]:
    """The entry of one code, or all of them for an empty one.

    Raises:
        UsageError: no error has this code.
    """
    wanted = code.upper()
    found = tuple(entry for entry in GUIDE if entry.code == wanted or not wanted)
    if not found:
        known = [entry.code for entry in GUIDE]
        near = [one for one in known if one.startswith(wanted)] or get_close_matches(wanted, known, n=3)
        hint = f"did you mean {', '.join(near[:3])}?" if near else "`swarm explain all` lists every code"
        raise UsageError(f"no error has the code {code!r}", hint=hint)
    return found


GUIDE: tuple[ErrorEntry, ...] = (
    ErrorEntry(
        "SW000",
        "SwarmError",
        5,
        retryable=False,
        meaning="Something inside swarm went wrong that it has no better name for.",
        next_step="Report it with the crash file that the message names; your repository and the "
        "run are as they were.",
    ),
    ErrorEntry(
        "SW001",
        "UsageError",
        2,
        retryable=False,
        meaning="The command line or an argument is wrong.",
        next_step="Read the message for the value, and `swarm COMMAND --help` for what fits.",
    ),
    ErrorEntry(
        "SW002",
        "ConfigError",
        2,
        retryable=False,
        meaning="A setting has a value that cannot be used.",
        next_step="The message says where it came from; `swarm config show` lists every setting "
        "and its source.",
    ),
    ErrorEntry(
        "SW003",
        "PlanError",
        2,
        retryable=False,
        meaning="The plan cannot be run; every problem is listed with its place in the file.",
        next_step="Mend the places that are named, then `swarm validate PLAN`; `swarm schema` "
        "prints the format.",
    ),
    ErrorEntry(
        "SW004",
        "RepositoryError",
        2,
        retryable=False,
        meaning="The repository cannot be used as it is.",
        next_step="swarm needs a git repository with at least one commit; `swarm doctor` checks it.",
    ),
    ErrorEntry(
        "SW005",
        "UnknownRunError",
        2,
        retryable=False,
        meaning="No run, or more than one, has this id.",
        next_step="`swarm runs` lists them; an id may be shortened while it stays unique, `latest` "
        "is the newest.",
    ),
    ErrorEntry(
        "SW006",
        "UnknownTaskError",
        2,
        retryable=False,
        meaning="No task, or more than one, of the run has this id.",
        next_step="`swarm tasks RUN` lists them; an id may be shortened while it stays unique.",
    ),
    ErrorEntry(
        "SW007",
        "ModelRequestError",
        2,
        retryable=False,
        meaning="The model API refused a request as wrong: an unknown model, or a prompt too long for it.",
        next_step="Check the model's name in `swarm config show`; split a long requirements file.",
    ),
    ErrorEntry(
        "SW010",
        "UnreachableError",
        3,
        retryable=True,
        meaning="Something outside swarm cannot be reached.",
        next_step="`swarm doctor` says what is missing; nothing was lost, try again.",
    ),
    ErrorEntry(
        "SW011",
        "StoreUnreachableError",
        3,
        retryable=True,
        meaning="Redis did not answer. Whether the last call took effect is unknown, which every "
        "call survives.",
        next_step="Start one with `swarm run`, or check REDIS_URL and that the server runs; then try again.",
    ),
    ErrorEntry(
        "SW012",
        "DockerUnreachableError",
        3,
        retryable=True,
        meaning="The Docker engine did not answer.",
        next_step="Start it, check DOCKER_HOST and your right to its socket, or use `--isolation process`.",
    ),
    ErrorEntry(
        "SW013",
        "ModelUnreachableError",
        3,
        retryable=True,
        meaning="The model API did not answer, or answered with a fault of its own.",
        next_step="Check ANTHROPIC_BASE_URL and the network; tasks are not charged for it. Try again later.",
    ),
    ErrorEntry(
        "SW020",
        "AuthenticationError",
        4,
        retryable=False,
        meaning="A credential is missing or was refused.",
        next_step="Set ANTHROPIC_API_KEY or ANTHROPIC_AUTH_TOKEN; `command` tasks and `swarm demo` "
        "need none.",
    ),
    ErrorEntry(
        "SW030",
        "RefusedError",
        6,
        retryable=False,
        meaning="Refused for safety: going on could harm what is yours.",
        next_step="The message says what would have been harmed, the help line how to allow or avoid it.",
    ),
    ErrorEntry(
        "SW040",
        "LimitReachedError",
        7,
        retryable=False,
        meaning="A budget, a quota or a limit was reached.",
        next_step="Raise the limit that the message names, then `swarm retry RUN`; what landed stays landed.",
    ),
    ErrorEntry(
        "SW050",
        "NotFinishedError",
        8,
        retryable=True,
        meaning="It was asked to wait, and what it waited for did not end in time.",
        next_step="The run goes on; `swarm status` shows where it stands, `swarm wait` waits again.",
    ),
    ErrorEntry(
        "SW060",
        "WaitingForPersonError",
        9,
        retryable=False,
        meaning="Nothing can go on until a person decides.",
        next_step="`swarm tasks` marks what needs you, `swarm why TASK` says why.",
    ),
    ErrorEntry(
        "SW070",
        "StaleTokenError",
        5,
        retryable=False,
        meaning="A worker lost its claim: the lease ended, and somebody else may hold the task.",
        next_step="Nothing to do: its work was refused, and the task is tried again elsewhere.",
    ),
    ErrorEntry(
        "SW071",
        "RunCancelledError",
        5,
        retryable=False,
        meaning="The run or the task was cancelled while a worker held it.",
        next_step="Nothing to do; `swarm retry RUN` queues cancelled tasks again.",
    ),
    ErrorEntry(
        "SW080",
        "StoreReplyError",
        5,
        retryable=False,
        meaning="Redis answered a call with an error; the call changed nothing.",
        next_step="Read what Redis said: it may be full, read-only or older than 7.0; `swarm doctor` checks.",
    ),
    ErrorEntry(
        "SW090",
        "GitError",
        5,
        retryable=False,
        meaning="git failed in an unexpected way; the message holds the command and its output.",
        next_step="`swarm doctor` checks git and the disk; then `swarm run --resume RUN`.",
    ),
)
