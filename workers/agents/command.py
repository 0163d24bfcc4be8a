"""The agent `command`: the task's own argv is all there is to do."""

from swarm.engine.claims import Failure
from swarm.plan.model import TaskSpec
from swarm.sandbox.protocol import Finished, Sandbox, ToolError
from swarm.states import FailureKind
from workers.agents.agent import AgentContext, AgentResult


class CommandAgent:
    """Runs `task.command` in the workspace; exit code 0 is success."""

    def run(self, task: TaskSpec, sandbox: Sandbox, context: AgentContext) -> AgentResult:
        """Run the command to its end or the task's time limit."""
        if not task.command:
            reason = f"task {task.id!r} has executor 'command' and no command"
            return AgentResult(Failure(FailureKind.TASK_ERROR, reason, retryable=False))
        try:
            finished = sandbox.run(task.command, timeout_s=task.timeout_s, log=context.log)
        except ToolError as error:
            return AgentResult(Failure(FailureKind.TASK_ERROR, str(error)))
        return AgentResult(failure_of(task.command, finished, timeout_s=task.timeout_s))


def failure_of(argv: tuple[str, ...], finished: Finished, *, timeout_s: float) -> Failure | None:
    """What a finished command means for its task: None when it exited with 0 in time."""
    name = argv[0]
    if finished.timed_out:
        reason = f"{name!r} was ended at its limit of {timeout_s:g} s"
        return Failure(FailureKind.TIMEOUT, reason, finished.output)
    if finished.ran_out_of_memory:
        what = finished.reason or "ran out of memory"
        reason = f"{name!r} {what} (exit code {finished.exit_code})"
        return Failure(FailureKind.OOM, reason, finished.output)
    if finished.exit_code:
        return Failure(FailureKind.TASK_ERROR, f"{name!r} {_said(finished.exit_code)}", finished.output)
    return None


def _said(exit_code: int) -> str:
    return f"was ended by signal {-exit_code}" if exit_code < 0 else f"exited with {exit_code}"
