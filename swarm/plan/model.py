"""A plan and its tasks: the values that everything else passes on."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

DEFAULT_TYPE = "general"
DEFAULT_ESTIMATE_S = 300.0
MAX_SECONDS = 30 * 24 * 3600.0
"""The longest estimate, timeout and deadline."""
MOST_CANDIDATES = 5
"""Agents that may try one task in one attempt."""
SERVED_EXECUTORS = ("command", "messages")
MOST_PRIORITY = 49
"""The dispatch score has room for priorities from -49 to 49 between two ranks."""
COMMAND_WITH_MODEL = "command+model"
"""What a worker offers beside `command` if it has a model: it can have looked at what commands made."""
TIERS = ("cheap", "worker", "planner", "top")


@dataclass(frozen=True)
class TaskSpec:
    """One task as planned; it never changes after submission."""

    id: str
    description: str
    type: str = DEFAULT_TYPE
    dependencies: tuple[str, ...] = ()
    files: tuple[str, ...] = ()  # write scope: paths or globs relative to the repository, as git matches
    reads: tuple[str, ...] = ()
    acceptance: tuple[tuple[str, ...], ...] = ()  # argv lists
    executor: str = "messages"
    command: tuple[str, ...] | None = None  # argv, for executor `command`
    tier: str = "worker"
    estimate_s: float = DEFAULT_ESTIMATE_S
    timeout_s: float = 3600.0
    max_attempts: int = 3
    priority: int = 0
    context: str = ""
    expected_output: str | None = None
    deadline: str | None = None  # ISO 8601
    needs: tuple[str, ...] = ()  # tags that its worker must have
    deadline_s: float | None = None  # from the run's submission; what has not ended by then fails
    review: bool | None = None  # a reviewer's word on every attempt; None: as the run's submission says
    best_of: int = 1  # agents that try it in one attempt, each by itself; a judge picks

    @property
    def expected_s(self) -> float:
        """Seconds that a worker is expected to hold it: its agents work one after another."""
        return self.estimate_s * self.best_of

    @property
    def needs_model(self) -> bool:
        """Whoever works on it asks a model: the agent, its reviewer, or the judge of several."""
        return bool(self.model_is_for)

    @property
    def model_is_for(self) -> str:
        """What it needs a model for, in words; empty when it needs none."""
        if self.executor == "messages":
            return "executor 'messages'"
        judge = f"the judge of `best_of` {self.best_of}" if self.best_of > 1 else ""
        return "its review" if self.review else judge

    @property
    def is_looked_at(self) -> bool:
        """What its agent made is handed in only after a model has looked at it."""
        return bool(self.review) or self.best_of > 1

    @property
    def executor_needed(self) -> str:
        """What its worker must offer: nobody claims a command whose result they cannot have looked at."""
        return COMMAND_WITH_MODEL if self.executor == "command" and self.needs_model else self.executor


def queue_of(task: TaskSpec) -> str:
    """The name of a task's queue: its type and the tags that it needs, such as `docs+gpu`."""
    return "+".join([task.type, *sorted(set(task.needs))]) if task.needs else task.type


def with_reviews(plan: "Plan", *, by_default: bool) -> "Plan":
    """The plan with a review of every task that does not say whether it wants one, if that is the default.

    Decided when a run is submitted, and stored with its tasks: no worker's own settings can waive it.
    """
    if not by_default:
        return plan
    tasks = (replace(task, review=True) if task.review is None else task for task in plan.tasks)
    return replace(plan, tasks=tuple(tasks))


@dataclass(frozen=True)
class Plan:
    """A validated, acyclic plan; `tasks` is in topological order, ties by the order in the file."""

    tasks: tuple[TaskSpec, ...]
    goal: str = ""
    version: int = 1
    where: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    """Task id -> the JSON path it was read from, such as `$.tasks[3]`; empty for a plan made in code."""
    by_id: dict[str, TaskSpec] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_id", {task.id: task for task in self.tasks})
