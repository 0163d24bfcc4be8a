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
        near = get_close_matches(wanted, [entry.code for entry in GUIDE], n=3)
        hint = f"did you mean {', '.join(near)}?" if near else "`swarm explain all` lists every code"
        raise UsageError(f"no error has the code {code!r}", hint=hint)
    return found


GUIDE: tuple[ErrorEntry, ...] = (
    ErrorEntry(
        "SW000", "SwarmError", 5, False,
        "Something inside swarm went wrong that it has no better name for.",
        "Report it with the crash file that the message names; your repository and the run are as they were.",
    ),
    ErrorEntry(
        "SW001", "UsageError", 2, False,
        "The command line or an argument is wrong.",
        "Read the message for the value, and `swarm COMMAND --help` for what fits.",
    ),
    ErrorEntry(
        "SW002", "ConfigError", 2, False,
        "A setting has a value that cannot be used.",
        "The message says where it came from; `swarm config show` lists every setting and its source.",
    ),
    ErrorEntry(
        "SW003", "PlanError", 2, False,
        "The plan cannot be run; every problem is listed with its place in the file.",
        "Mend the places that are named, then `swarm validate PLAN`; `swarm schema` prints the format.",
    ),
    ErrorEntry(
        "SW004", "RepositoryError", 2, False,
        "The repository cannot be used as it is.",
        "swarm needs a git repository with at least one commit; `swarm doctor` checks it.",
    ),
    ErrorEntry(
        "SW005", "UnknownRunError", 2, False,
        "No run, or more than one, has this id.",
        "`swarm runs` lists them; an id may be shortened while it stays unique, `latest` is the newest.",
    ),
    ErrorEntry(
        "SW006", "UnknownTaskError", 2, False,
        "No task, or more than one, of the run has this id.",
        "`swarm tasks RUN` lists them; an id may be shortened while it stays unique.",
    ),
    ErrorEntry(
        "SW010", "UnreachableError", 3, True,
        "Something outside swarm cannot be reached.",
        "`swarm doctor` says what is missing; nothing was lost, try again.",
    ),
    ErrorEntry(
        "SW011", "StoreUnreachableError", 3, True,
        "Redis did not answer. Whether the last call took effect is unknown, which every call survives.",
        "Start one with `swarm run`, or check REDIS_URL and that the server runs; then try again.",
    ),
    ErrorEntry(
        "SW012", "DockerUnreachableError", 3, True,
        "The Docker engine did not answer.",
        "Start it, check DOCKER_HOST and your right to its socket, or use `--isolation process`.",
    ),
    ErrorEntry(
        "SW013", "ModelUnreachableError", 3, True,
        "The model API did not answer, or answered with a fault of its own.",
        "Check ANTHROPIC_BASE_URL and the network; tasks are not charged for it. Try again later.",
    ),
    ErrorEntry(
        "SW020", "AuthenticationError", 4, False,
        "A credential is missing or was refused.",
        "Set ANTHROPIC_API_KEY (or ANTHROPIC_AUTH_TOKEN); plans of `command` tasks and `swarm demo` need none.",
    ),
    ErrorEntry(
        "SW030", "RefusedError", 6, False,
        "Refused for safety: going on could harm what is yours.",
        "The message says what would have been harmed, the help line how to allow or avoid it.",
    ),
    ErrorEntry(
        "SW040", "LimitReachedError", 7, False,
        "A budget, a quota or a limit was reached.",
        "Raise the limit that the message names, then `swarm run --resume RUN`; what landed stays landed.",
    ),
    ErrorEntry(
        "SW050", "NotFinishedError", 8, True,
        "It was asked to wait, and what it waited for did not end in time.",
        "The run goes on; `swarm status` shows where it stands, `swarm wait` waits again.",
    ),
    ErrorEntry(
        "SW060", "WaitingForPersonError", 9, False,
        "Nothing can go on until a person decides.",
        "`swarm tasks` marks what needs you, `swarm why TASK` says why.",
    ),
    ErrorEntry(
        "SW070", "StaleTokenError", 5, False,
        "A worker lost its claim: the lease ended, and somebody else may hold the task.",
        "Nothing to do: its work was refused, and the task is tried again elsewhere.",
    ),
    ErrorEntry(
        "SW071", "RunCancelledError", 5, False,
        "The run or the task was cancelled while a worker held it.",
        "Nothing to do; `swarm retry RUN` queues cancelled tasks again.",
    ),
    ErrorEntry(
        "SW080", "GitError", 5, False,
        "git failed in a way that swarm does not expect; the message holds the command and its output.",
        "`swarm doctor` checks git and the disk; then `swarm run --resume RUN`.",
    ),
)
