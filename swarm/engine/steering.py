"""What a person decides about runs and tasks: cancel, retry, skip."""

from swarm.engine.caller import Caller
from swarm.engine.reads import Reads
from swarm.engine.words import words_of
from swarm.errors import RefusedError, UnknownRunError, UnknownTaskError, UsageError
from swarm.keys import Keys
from swarm.plan.naming import NAME_IN_WORDS


class Steering(Reads):
    """Steers one project's runs."""

    def __init__(self, caller: Caller, keys: Keys) -> None:
        super().__init__(caller.ask, keys)
        self._caller = caller

    def cancel(self, run: str, task: str = "") -> int:
        """Cancel a run, or one task and what depends on it; returns how many tasks moved."""
        return self._steer("cancel", run, task)

    def retry(self, run: str, task: str = "", *, fresh: bool = False, evidence: str = "") -> int:
        """Queue failed, cancelled and upstream_failed tasks again; returns how many.

        All of the run, or one task with its dependents and the dependencies it needs. A skipped task comes
        back only when it is the one that is named; its dependents do not wait for it any more. `fresh`, of
        one task, forgets its attempts and what they failed with: the next begins anew. `evidence`, of one
        task, is what its next attempt is told of the last one.

        What waits for approval comes back only when it, or what it needs or blocks, is named: its attempt is
        kept for a person's word.
        """
        how = "fresh" if fresh else ""
        if not task and self.waiting_for_approval(run):
            how = "unasked"  # another walk: the plain one need not look at what each task depends on
        return self._steer("retry", run, task, how, evidence)

    def retry_failed(self, run: str) -> int:
        """Queue again what failed, and what failed or was called off because of it; how many.

        What a person cancelled stays cancelled, and what waits for approval waits.
        """
        return self._steer("retry", run, "", "failed", "")

    def skip(self, run: str, task: str) -> bool:
        """Go on without a task: its dependents count it as done. False when it is done or skipped already.

        Whatever it was doing is voided. What failed because of it comes back; what was cancelled does not.
        """
        return self._steer("skip", run, task) > 0

    def pause(self, run: str) -> None:
        """Give out no more tasks of a run; what is held goes on, and lands. Raises UnknownRunError."""
        self._steer("pause", run, "")

    def resume(self, run: str) -> int:
        """Give out tasks of a run again; how many had stood aside. Raises UnknownRunError."""
        return self._steer("resume", run, "")

    def pause_type(self, kind: str = "*") -> None:
        """Give out no more tasks of a type, or none at all. Raises UsageError: no task can have that type."""
        self._order("pause", kind, "", kind)

    def resume_type(self, kind: str = "*") -> None:
        """Give out tasks of a type again; `*` undoes only the pause of `*` itself."""
        self._caller.call("resume", "", kind, self._caller.new_op())

    def limit(self, kind: str, most: int | None) -> int:
        """Let workers hold at most so many tasks of a type (`*`: of all) at once; how many they hold now.

        None lifts the limit. Those that hold more than a new limit allows go on to their end.

        Raises:
            UsageError: no task can have that type.
        """
        return int(self._order("limit", kind, kind, "" if most is None else most)[1])

    def _order(self, verb: str, kind: str, *args: str | int) -> list[str]:
        """Order something about a type; what the script answers."""
        answer = words_of(self._caller.call(verb, *args, self._caller.new_op()))
        if answer[0] == "NO_TYPE":
            raise UsageError(f"no task can have the type {kind!r}", hint=f"a type is {NAME_IN_WORDS}")
        return answer

    def _steer(self, verb: str, run: str, task: str, *more: str) -> int:
        """Call a script about a run or a task, and do what it leaves over; how many tasks moved.

        Raises:
            UnknownRunError, UnknownTaskError: there is no such thing.
            RefusedError: the plan is still being stored.
        """
        answer = words_of(self._caller.call(verb, run, task, self._caller.new_op(), *more))
        if answer[0] == "LOADING":
            raise RefusedError(f"run {run!r} is still being stored", hint="try again in a moment")
        if answer[0] == "UNKNOWN":
            if task:
                raise UnknownTaskError(f"no task {task!r} in run {run!r}")
            raise UnknownRunError(f"no run {run!r}", hint="`swarm runs` lists them")
        moved = int(answer[1]) if len(answer) > 1 else 0
        return moved + self._caller.drain_work()[0] if answer[0] == "MORE" else moved
