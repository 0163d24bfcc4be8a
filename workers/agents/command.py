"""The agent `command`: the task's own argv is all there is to do.

A command asks to be replaced by tasks: it writes a JSON array of them, as in a plan file, to the path that
the environment variable `SWARM_EXPAND` names, and exits with 0. What earlier attempts failed with is in
`SWARM_EVIDENCE`, as its text; a first attempt has none.
"""

import os

from swarm.engine.claims import Failure
from swarm.errors import PlanError
from swarm.plan.expansion import describe_problems
from swarm.plan.model import TaskSpec
from swarm.sandbox.files import MAX_READ_BYTES
from swarm.sandbox.protocol import Finished, Sandbox, ToolError
from swarm.states import FailureKind
from workers.agents.agent import AgentContext, AgentResult
from workers.agents.briefing import MAX_EVIDENCE_CHARS

EXPAND, EVIDENCE = "SWARM_EXPAND", "SWARM_EVIDENCE"
MOST_NAMED = 3


class CommandAgent:
    """Runs `task.command` in the workspace; exit code 0 is success."""

    def run(self, task: TaskSpec, sandbox: Sandbox, context: AgentContext) -> AgentResult:
        """Run the command to its end or the task's time limit."""
        if not task.command:
            reason = f"task {task.id!r} has executor 'command' and no command"
            return AgentResult(Failure(FailureKind.TASK_ERROR, reason, retryable=False))
        # A name that no repository tracks, in the folder that it can write to under any isolation.
        wish = f".swarm-expand-{os.urandom(6).hex()}.json"
        env = {EXPAND: str(sandbox.tree / wish)}
        if context.evidence:
            env[EVIDENCE] = _as_variable(context.evidence[-MAX_EVIDENCE_CHARS:])
        try:
            finished = sandbox.run(task.command, timeout_s=task.timeout_s, env=env, log=context.log)
        except ToolError as error:
            return AgentResult(Failure(FailureKind.TASK_ERROR, str(error)))
        failure = failure_of(task.command, finished, timeout_s=task.timeout_s)
        if failure or not os.path.lexists(sandbox.tree / wish):
            return AgentResult(failure)
        return _expanded(sandbox, wish, context)


def _as_variable(text: str) -> str:
    """An environment holds no NUL, and bytes: what has no encoding is a question mark."""
    return text.replace("\0", "?").encode("utf-8", "replace").decode()


def _expanded(sandbox: Sandbox, wish: str, context: AgentContext) -> AgentResult:
    """The tasks that the command wrote down are its result; a failure of its own when they are no plan."""
    size = os.lstat(sandbox.tree / wish).st_size
    if size > MAX_READ_BYTES:
        fault = (
            f"what {EXPAND} names has {size} bytes, more than {MAX_READ_BYTES}: write fewer or shorter tasks"
        )
        return AgentResult(Failure(FailureKind.TASK_ERROR, fault))
    try:
        return AgentResult(expansion=context.expand(sandbox.call("read_file", {"path": wish})))
    except ToolError as error:
        return AgentResult(Failure(FailureKind.TASK_ERROR, f"cannot read what {EXPAND} names: {error}"))
    except PlanError as error:
        return AgentResult(_refused(error))


def _refused(error: PlanError) -> Failure:
    """Names each problem once: a single one is in the message, few are in the reason, many are evidence."""
    count = len(error.problems)
    named = error.problems[:MOST_NAMED] if count > 1 else ()
    said = "; ".join([error.message, *map(str, named)])
    return Failure(FailureKind.TASK_ERROR, said, describe_problems(error) if count > MOST_NAMED else "")


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
