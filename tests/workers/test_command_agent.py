"""The agent `command`: how each way a program can end is reported."""

import pytest

from swarm.plan.model import TaskSpec
from swarm.sandbox.client import HostedSandbox
from swarm.sandbox.protocol import Finished
from swarm.states import FailureKind
from workers.agents.agent import AgentContext
from workers.agents.command import CommandAgent, failure_of


def task(*argv: str, timeout_s: float = 30) -> TaskSpec:
    """A command task."""
    return TaskSpec(id="t", description="d", executor="command", command=argv, timeout_s=timeout_s)


def test_exit_code_zero_is_success_and_the_output_is_logged(
    sandbox: HostedSandbox, context: AgentContext
) -> None:
    """The workspace holds the result, the log what was printed."""
    result = CommandAgent().run(task("sh", "-c", "echo made > file; echo said"), sandbox, context)

    assert result.failure is None
    assert (sandbox.tree / "file").read_text() == "made\n"
    assert context.log.read_text() == "said\n"


def test_another_exit_code_is_a_task_error_with_the_output(
    sandbox: HostedSandbox, context: AgentContext
) -> None:
    """The reason names program and code; the evidence is what it printed."""
    failure = CommandAgent().run(task("sh", "-c", "echo why; exit 7"), sandbox, context).failure

    assert failure is not None
    assert (failure.kind, failure.reason) == (FailureKind.TASK_ERROR, "'sh' exited with 7")
    assert failure.evidence == "why\n"


def test_a_program_that_is_missing_is_a_task_error(sandbox: HostedSandbox, context: AgentContext) -> None:
    """The plan asked for something that is not installed."""
    failure = CommandAgent().run(task("no-such-program"), sandbox, context).failure

    assert failure is not None
    assert (failure.kind, failure.reason) == (
        FailureKind.TASK_ERROR,
        "command not found: 'no-such-program'",
    )


def test_the_time_limit_is_a_timeout(sandbox: HostedSandbox, context: AgentContext) -> None:
    """The task's own limit ends the program."""
    failure = CommandAgent().run(task("sleep", "60", timeout_s=0.2), sandbox, context).failure

    assert failure is not None
    assert (failure.kind, failure.reason) == (FailureKind.TIMEOUT, "'sleep' was ended at its limit of 0.2 s")


def test_a_task_without_a_command_is_not_tried_again(sandbox: HostedSandbox, context: AgentContext) -> None:
    """No attempt can make it better."""
    failure = CommandAgent().run(task(), sandbox, context).failure

    assert failure is not None
    assert not failure.retryable


@pytest.mark.parametrize(
    ("finished", "kind", "reason"),
    [
        (
            Finished(-9, "", 1, ran_out_of_memory=True),
            FailureKind.OOM,
            "'x' ran out of memory (exit code -9)",
        ),
        (Finished(-11, "", 1), FailureKind.TASK_ERROR, "'x' was ended by signal 11"),
        (Finished(0, "", 1, timed_out=True), FailureKind.TIMEOUT, "'x' was ended at its limit of 5 s"),
    ],
)
def test_the_kind_of_failure_follows_from_how_it_ended(
    finished: Finished, kind: FailureKind, reason: str
) -> None:
    """Out of memory and out of time are told apart from an error of the program."""
    failure = failure_of(("x",), finished, timeout_s=5)

    assert failure is not None
    assert (failure.kind, failure.reason) == (kind, reason)
