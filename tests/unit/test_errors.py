"""The tree of errors, and the exit codes that scripts rely on."""

import inspect
import re

import pytest

from swarm import errors
from swarm.errors import PlanError, Problem, SwarmError
from swarm.repo.git.command import GitError

EXIT_CODES = {
    "SwarmError": 5,
    "UsageError": 2,
    "ConfigError": 2,
    "PlanError": 2,
    "RepositoryError": 2,
    "UnknownRunError": 2,
    "UnknownTaskError": 2,
    "UnreachableError": 3,
    "StoreUnreachableError": 3,
    "StorePutDownError": 3,
    "DockerUnreachableError": 3,
    "ModelUnreachableError": 3,
    "HubUnreachableError": 3,
    "HubRefusedError": 4,
    "HubDeclinedError": 4,
    "AuthenticationError": 4,
    "RefusedError": 6,
    "OtherHubError": 6,
    "LimitReachedError": 7,
    "NotFinishedError": 8,
    "WaitingForPersonError": 9,
}


def all_errors() -> dict[str, type[SwarmError]]:
    """Every class of the module and the one that stands beside git, by name."""
    members = inspect.getmembers(errors, inspect.isclass)
    ours = {name: value for name, value in members if issubclass(value, SwarmError)}
    return {**ours, "GitError": GitError}


@pytest.mark.parametrize(("name", "exit_code"), EXIT_CODES.items())
def test_an_error_ends_the_process_with_its_documented_exit_code(name: str, exit_code: int) -> None:
    """Scripts and CI jobs tell failures apart by these numbers."""
    assert all_errors()[name].exit_code == exit_code


def test_no_two_errors_share_a_code() -> None:
    """`swarm explain CODE` and a search engine find one thing."""
    codes = [error.code for error in all_errors().values()]

    assert len(codes) == len(set(codes))


def test_the_tree_in_the_docstring_is_the_tree_in_the_code() -> None:
    """Each class stands in the drawing with the code it has."""
    drawn = dict(re.findall(r"(\w+Error)\s+(SW\d{3})", str(errors.__doc__)))

    assert drawn == {name: error.code for name, error in all_errors().items()}


def test_what_cannot_be_reached_may_be_tried_again() -> None:
    """A caller repeats only what says that it is retryable."""
    retryable = {name for name, error in all_errors().items() if error.retryable}

    assert retryable == {
        "UnreachableError",
        "StoreUnreachableError",
        "DockerUnreachableError",
        "ModelUnreachableError",
        "HubUnreachableError",
        "HubRefusedError",
        "HubDeclinedError",
        "NotFinishedError",
    }


def test_an_error_carries_its_message_and_the_next_step() -> None:
    """The message is what str() gives; the hint stands apart, so that JSON can show both."""
    error = SwarmError("disk is full", hint="free some space")

    assert (str(error), error.message, error.hint) == ("disk is full", "disk is full", "free some space")


def test_a_plan_error_holds_every_problem_at_once() -> None:
    """A person fixes all of them before the next try."""
    problems = [Problem("$.tasks[0].id", "is empty"), Problem("$.tasks[1]", "is a number", "write an object")]

    error = PlanError("2 problems", problems)

    assert error.problems == tuple(problems)
    assert [str(p) for p in error.problems] == [
        "$.tasks[0].id: is empty",
        "$.tasks[1]: is a number (write an object)",
    ]
