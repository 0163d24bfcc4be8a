"""The ways in which an attempt ends, each told by whoever holds its claim."""

from swarm.engine.claims import Claim, Ending, Expand, Fail, Failure, Finish, HandIn, Release
from swarm.engine.endings import ending_call
from swarm.engine.replies import refuse, usage_text
from swarm.engine.supervision import Supervision
from swarm.engine.words import words_of
from swarm.keys import member
from swarm.models.usage import Usage
from swarm.plan.model import Plan

NOTHING = Usage()


class AttemptEnds(Supervision):
    """Ends attempts: what was held is let go in the same script."""

    def hand_in(self, claim: Claim, *, commit: str, review: str = "", usage: Usage = NOTHING) -> None:
        """Running → merging; the lease ends, token and locks stay. `commit` is durable in the hub."""
        self._end(claim, HandIn(commit, review), usage)

    def finish(self, claim: Claim, *, usage: Usage = NOTHING) -> list[str]:
        """Acked or running → done: nothing was to be merged, or nothing has changed; newly queued ids."""
        return self._queued(self._end(claim, Finish(), usage))

    def fail(self, claim: Claim, failure: Failure, *, usage: Usage = NOTHING) -> bool:
        """Put the task back with backoff (True), or fail it and its dependents (False).

        A failure that is not charged is final too when it is the task's eighth.
        """
        answer = self._end(claim, Fail(failure), usage)
        self._queued(answer)
        return answer[1] == "queued"

    def new_op(self) -> str:
        """The id of one ending, for whoever may have to tell it more than once."""
        return self._caller.new_op()

    def end(self, claim: Claim, ending: Ending, *, usage: Usage = NOTHING, op: str = "") -> None:
        """End an attempt in whichever way it ended; told again with the same `op`, it ends once.

        Raises StaleTokenError / RunCancelledError.
        """
        self._queued(self._end(claim, ending, usage, op))

    def expand(self, claim: Claim, plan: Plan, *, usage: Usage = NOTHING) -> list[str]:
        """Do these tasks in place of the claimed one: it waits for their sinks, and is done when they are.

        The attempt ends, uncharged; a task `sub` of the plan becomes `<task>.sub` of the same run. Returns
        the newly queued ids.

        Raises:
            StaleTokenError, RunCancelledError: nothing has changed.
            PlanError: more than one script can store.
            RefusedError: a task of that id was made in this moment.
        """
        return self._queued(self._end(claim, Expand(plan), usage))

    def release(self, claim: Claim, *, reason: str, usage: Usage = NOTHING) -> None:
        """Put the task back at once, no attempt charged (drain, shutdown)."""
        self._end(claim, Release(reason), usage)

    def _held(self, verb: str, claim: Claim, *args: str | int) -> list[str]:
        name = member(claim.run, claim.task.id)
        answer = words_of(self._caller.call(verb, name, claim.token, *args))
        refuse(answer, name, claim.token)
        return answer

    def _end(self, claim: Claim, ending: Ending, usage: Usage, op: str = "") -> list[str]:
        verb, arguments = self._ending(claim, ending, usage, op)
        return self._held(verb, claim, *arguments)

    def _ending(
        self, claim: Claim, ending: Ending, usage: Usage, op: str = ""
    ) -> tuple[str, list[str | int]]:
        op, spent = op or self._caller.new_op(), usage_text(usage)
        return ending_call(self, claim, ending, op=op, spent=spent, backoff=self._spread_backoff)
