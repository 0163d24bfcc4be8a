"""The engine: every change of a task's state, as one method a Lua script."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from swarm.clock import Clock
from swarm.engine.attempt_ends import NOTHING, AttemptEnds
from swarm.engine.caller import Caller
from swarm.engine.claims import Claim, Ending, Extension, Renewal, WorkerProfile
from swarm.engine.encoding import encode_spec
from swarm.engine.extension import grown_spec, stored_scope
from swarm.engine.patience import never
from swarm.engine.records import Event
from swarm.engine.replies import decode_claim, refuse, usage_text
from swarm.engine.server_check import check_server
from swarm.engine.store import Reply, Store
from swarm.engine.stored import entry_of
from swarm.engine.submission import run_id, submit_plan
from swarm.engine.supervision import WORK_A_TICK
from swarm.engine.words import text_of, words_of
from swarm.errors import RunCancelledError, StoreReplyError, StoreUnreachableError
from swarm.keys import Keys, member
from swarm.models.usage import Usage
from swarm.plan.model import Plan

LONGEST_WAIT_S = 2.0


class Engine(AttemptEnds):
    """One project's queue. Not shared between threads: give each thread its own (`clone`).

    Args:
        lease_ms: how long a claim holds without a renewal.
        patience_s: how long a call is repeated while the server does not answer.
        is_put_down: whether a server that does not answer was stopped for good: then no call is repeated.
        retry_base_ms, retry_cap_ms: backoff after the first failed attempt, and the longest.
        clock: paces repetitions.
        lua: Lua texts to use instead of the library's own, by name: for tests.
    """

    def __init__(
        self,
        store: Store,
        project: str,
        *,
        lease_ms: int = 30_000,
        patience_s: float = 20.0,
        retry_base_ms: int = 2_000,
        retry_cap_ms: int = 300_000,
        clock: Clock | None = None,
        is_put_down: Callable[[], bool] = never,
        lua: Mapping[str, str] | None = None,
    ) -> None:
        self.project = project
        self._store = store
        self._patience_s = patience_s
        self._clock = clock
        self._is_put_down = is_put_down
        self._lua = lua
        caller = Caller(store, project, patience_s=patience_s, clock=clock, is_put_down=is_put_down, lua=lua)
        backoff = (retry_base_ms, retry_cap_ms)
        super().__init__(caller, Keys(project), lease_ms=lease_ms, backoff=backoff)
        self._known_types: list[str] = []

    def clone(self) -> "Engine":
        """The same engine on a connection of its own, for another thread."""
        return Engine(
            self._store.clone(),
            self.project,
            lease_ms=self.lease_ms,
            patience_s=self._patience_s,
            retry_base_ms=self._backoff[0],
            retry_cap_ms=self._backoff[1],
            clock=self._clock,
            is_put_down=self._is_put_down,
            lua=self._lua,
        )

    def close(self) -> None:
        """Close the connection; the next call opens it again."""
        self._store.close()

    def check_server(self) -> tuple[str, ...]:
        """Warnings about the server. Raises ConfigError when it would lose work."""
        return check_server(self._store)

    # submit ---------------------------------------------------------------------------------
    def run_id(self, plan: Plan, *, base: str, key: str = "") -> str:
        """The id that a plan's run has, or will have."""
        return run_id(self.project, plan, [encode_spec(task) for task in plan.tasks], base=base, key=key)

    def submit(
        self,
        plan: Plan,
        *,
        base: str,
        key: str = "",
        repository: str = "",
        hub: tuple[str, str] = ("", ""),
        deadline_s: float | None = None,
        fail_fast: bool = False,
    ) -> str:
        """Store a plan and activate it; return the run id.

        Idempotent: the same project, plan, base and key give one run. Chunked, resumable after a
        crash, claimable only when all is stored. What has not ended `deadline_s` seconds after the
        submission (the one that completes it) fails. With `fail_fast` the first task that fails for good has
        the rest called off. A run that is known keeps both as they are, and its `hub`: name, and where it is.

        Raises:
            RefusedError: this project name belongs to another repository on this server.
        """
        return submit_plan(
            self._caller,
            self.project,
            plan,
            base=base,
            key=key,
            repository=repository,
            hub=hub,
            deadline_s=deadline_s,
            fail_fast=fail_fast,
        )

    # worker ---------------------------------------------------------------------------------
    def claim(self, worker: WorkerProfile, claim_id: str) -> Claim | None:
        """Take the most urgent claimable task with all its locks, or None.

        The same claim_id gets the same answer for as long as the claim holds. Ids that end in a number rise:
        one below the worker's last is a late repetition, and gets nothing.
        """
        return self._claimed(worker, claim_id, self._caller.call("claim", *self._request(worker, claim_id)))

    def wait(self, worker: WorkerProfile, *, timeout_s: float = LONGEST_WAIT_S) -> bool:
        """Block until something may have become claimable for this worker; 2 s at most."""
        own = [name for name in self._known_types if {"*", name.partition("+")[0]} & set(worker.types)]
        types = own or [name for name in worker.types if name != "*"]
        names = [f"{name}:{executor}" for name in types for executor in worker.executors]
        bells = [self.keys.of("bell", name) for name in (*names, "*:*")]
        seconds = min(max(timeout_s, 0.01), LONGEST_WAIT_S)
        rung = self._caller.block(seconds, "BLPOP", *bells, f"{seconds:.3f}")
        return rung is not None

    def start(self, claim: Claim) -> None:
        """Acked → running. Raises StaleTokenError / RunCancelledError."""
        self._held("start", claim)

    def renew(self, claim: Claim, usage: Usage = NOTHING) -> Renewal:
        """Extend the lease to `lease_ms` from Redis' now, and record what the attempt has spent so far.

        A cancelled task is an answer, not an error. Raises StaleTokenError.
        """
        try:
            answer = self._held("renew", claim, self.lease_ms, usage_text(usage))
        except RunCancelledError:
            return Renewal(remaining_ms=0, is_cancelled=True)
        return Renewal(remaining_ms=int(answer[1]), is_cancelled=False)

    def end_and_claim(
        self,
        claim: Claim,
        ending: Ending,
        worker: WorkerProfile,
        claim_id: str,
        *,
        usage: Usage = NOTHING,
        op: str = "",
    ) -> Claim | None:
        """End an attempt and take the next task, in one round trip; None when there is none.

        Two steps, each atomic, the second after the first. Raises what ending alone would raise; then
        nothing was claimed. None also when the claim alone went wrong: ask with the same claim id again.
        """
        verb, arguments = self._ending(claim, ending, usage, op)
        name = member(claim.run, claim.task.id)
        reply = self._caller.call(verb, name, claim.token, *arguments, *self._request(worker, claim_id))
        ended = text_of(reply[0]).partition("\n")[0]
        if ended not in {"OK", "MORE"}:
            refuse(words_of(reply), name, claim.token)
        with suppress(StoreUnreachableError, StoreReplyError):
            following = self._claimed(worker, claim_id, reply[1:])
            if ended == "MORE":
                self._caller.drain_work(at_most=WORK_A_TICK)
            return following
        return None

    def extend(
        self, claim: Claim, *, files: Sequence[str] = (), reads: Sequence[str] = (), usage: Usage = NOTHING
    ) -> Extension:
        """Grow the claim's scope by paths or globs, if all of it is free now; the token stays.

        If not, the attempt ends, uncharged, and the task is claimed again only with all of the larger scope.

        Raises:
            StaleTokenError, RunCancelledError: nothing has changed.
            RefusedError: no task, or not this one, may ask for that.
        """
        bounds = self.scope_around(claim.run, claim.task.id)
        spec = grown_spec(claim.task, files=files, reads=reads, bounds=bounds)
        if spec == claim.task:
            return Extension(claim)
        asked = "\n".join([*files, *reads])
        widening = "".join(f"{pattern}\n" for pattern in spec.files[len(claim.task.files) :])
        told = (self._caller.new_op(), usage_text(usage), *stored_scope(spec), asked, widening)
        answer = self._held("extend", claim, *told)
        self._queued(answer)
        return Extension(replace(claim, task=spec), waits_for=answer[2] if answer[1] == "queued" else "")

    # see ------------------------------------------------------------------------------------
    def events(self, *, after: str = "0-0", limit: int = 1000, block_ms: int = 0) -> list[Event]:
        """Up to `limit` events later than the event `after`; waits up to `block_ms` (2 s at most)."""
        found = super().events(after=after, limit=limit)
        if found or block_ms <= 0:
            return found
        wait_ms = min(block_ms, int(LONGEST_WAIT_S * 1000))
        wait = ("XREAD", "COUNT", 1, "BLOCK", wait_ms, "STREAMS", self.keys.of("events"), entry_of(after))
        self._caller.block(wait_ms / 1000, *wait)
        return super().events(after=after, limit=limit)

    # ----------------------------------------------------------------------------------------
    def _request(self, worker: WorkerProfile, claim_id: str) -> list[str | int]:
        """Who claims, from the beginning of every queue it serves."""
        places = ["*"] if "*" in worker.types else [part for name in worker.types for part in (name, "0")]
        skills = [
            *worker.executors,
            *(f"+{tag}" for tag in worker.tags),
            *(f"-{run}" for run in worker.besides),
        ]
        return [worker.worker_id, claim_id, self.lease_ms, f",{','.join(skills)},", *places]

    def _claimed(self, worker: WorkerProfile, claim_id: str, answer: list[Reply]) -> Claim | None:
        """What a claim was answered; goes on from the places reached while a budget of looks is spent."""
        while True:
            word = text_of(answer[0])
            if word == "OK":
                return decode_claim(answer, worker.worker_id)
            if word == "EMPTY":
                self._known_types = words_of(answer)[1:] or self._known_types
                return None
            request = self._request(worker, claim_id)
            if word == "AGAIN":
                request[4:] = words_of(answer)[1:]
            answer = self._caller.call("claim", *request)
