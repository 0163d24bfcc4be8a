"""The engine: every change of a task's state, as one method a Lua script."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

from swarm.clock import Clock
from swarm.engine.caller import Caller
from swarm.engine.claims import (
    Claim,
    Ending,
    Fail,
    Failure,
    Finish,
    HandIn,
    MergeTicket,
    Release,
    Renewal,
    Requeued,
    WorkerProfile,
)
from swarm.engine.records import Event
from swarm.engine.replies import (
    decode_claim,
    decode_requeued,
    decode_ticket,
    failure_arguments,
    refuse,
    usage_text,
)
from swarm.engine.retention import Retention
from swarm.engine.server_check import check_server
from swarm.engine.store import Reply, Store
from swarm.engine.submission import submit_plan
from swarm.engine.words import text_of, words_of
from swarm.errors import RunCancelledError, StoreReplyError, StoreUnreachableError
from swarm.keys import Keys, member
from swarm.models.usage import Usage
from swarm.plan.model import Plan
from swarm.states import FailureKind

LONGEST_WAIT_S = 2.0
MERGE_DISPLAY_MS = 24 * 3600 * 1000
WORK_A_TICK = 100
RERANKED = 150
"""So many scores one script changes at most."""
PROVIDER_BASE, PROVIDER_CAP = 15, 2
"""How much longer than others a task waits that a provider failed: outages last for minutes, not seconds."""

_NOTHING = Usage()


class Engine(Retention):
    """One project's queue. Not shared between threads: give each thread its own (`clone`).

    Args:
        lease_ms: how long a claim holds without a renewal.
        patience_s: how long a call is repeated while the server does not answer.
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
        lua: Mapping[str, str] | None = None,
    ) -> None:
        self.project = project
        self.lease_ms = lease_ms
        self._store = store
        self._patience_s = patience_s
        self._backoff = (retry_base_ms, retry_cap_ms)
        self._clock = clock
        self._lua = lua
        super().__init__(Caller(store, project, patience_s=patience_s, clock=clock, lua=lua), Keys(project))
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
            lua=self._lua,
        )

    def close(self) -> None:
        """Close the connection; the next call opens it again."""
        self._store.close()

    def check_server(self) -> tuple[str, ...]:
        """Warnings about the server. Raises ConfigError when it would lose work."""
        return check_server(self._store)

    # submit ---------------------------------------------------------------------------------
    def submit(
        self, plan: Plan, *, base: str, key: str = "", repository: str = "", deadline_s: float | None = None
    ) -> str:
        """Store a plan and activate it; return the run id.

        Idempotent: the same project, plan, base and key give one run. Chunked, resumable after a
        crash, claimable only when all is stored. What has not ended `deadline_s` seconds after the
        submission fails; a run that is known keeps the deadline it has.

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
            deadline_s=deadline_s,
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

    def renew(self, claim: Claim, usage: Usage = _NOTHING) -> Renewal:
        """Extend the lease to `lease_ms` from Redis' now, and record what the attempt has spent so far.

        A cancelled task is an answer, not an error. Raises StaleTokenError.
        """
        try:
            answer = self._held("renew", claim, self.lease_ms, usage_text(usage))
        except RunCancelledError:
            return Renewal(remaining_ms=0, is_cancelled=True)
        return Renewal(remaining_ms=int(answer[1]), is_cancelled=False)

    def hand_in(self, claim: Claim, *, commit: str, usage: Usage = _NOTHING) -> None:
        """Running → merging; the lease ends, token and locks stay. `commit` is durable in the hub."""
        self._end(claim, HandIn(commit), usage)

    def finish(self, claim: Claim, *, usage: Usage = _NOTHING) -> list[str]:
        """Acked or running → done: nothing was to be merged, or nothing has changed; newly queued ids."""
        return self._queued(self._end(claim, Finish(), usage))

    def fail(self, claim: Claim, failure: Failure, *, usage: Usage = _NOTHING) -> bool:
        """Put the task back with backoff (True), or fail it and its dependents (False).

        A failure that is not charged is final too when it is the task's eighth.
        """
        answer = self._end(claim, Fail(failure), usage)
        self._queued(answer)
        return answer[1] == "queued"

    def end(self, claim: Claim, ending: Ending, *, usage: Usage = _NOTHING) -> None:
        """End an attempt in whichever way it ended. Raises StaleTokenError / RunCancelledError."""
        self._queued(self._end(claim, ending, usage))

    def end_and_claim(
        self, claim: Claim, ending: Ending, worker: WorkerProfile, claim_id: str, *, usage: Usage = _NOTHING
    ) -> Claim | None:
        """End an attempt and take the next task, in one round trip; None when there is none.

        Two steps, each atomic, the second after the first. Raises what ending alone would raise; then
        nothing was claimed. None also when the claim alone went wrong: ask with the same claim id again.
        """
        verb, arguments = self._ending(ending, usage)
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

    def release(self, claim: Claim, *, reason: str, usage: Usage = _NOTHING) -> None:
        """Put the task back at once, no attempt charged (drain, shutdown)."""
        self._end(claim, Release(reason), usage)

    # merge ----------------------------------------------------------------------------------
    def begin_merge(self, merger_id: str) -> MergeTicket | None:
        """Take the best handed-in attempt whose branch's merge slot is free or mine; one slot a branch."""
        op, place = self._caller.new_op(), "0"
        while True:
            answer = self._caller.call("begin_merge", merger_id, self.lease_ms, op, place)
            word = text_of(answer[0])
            if word == "OK":
                return decode_ticket(answer, merger_id)
            if word == "EMPTY":
                return None
            place = text_of(answer[1])

    def renew_merge(self, ticket: MergeTicket) -> int:
        """Extend the merge slot; remaining ms. Raises StaleTokenError when the slot or the token was lost."""
        return int(self._merging("renew_merge", ticket, self.lease_ms)[1])

    def complete(self, ticket: MergeTicket, *, commit: str) -> list[str]:
        """Merging → done with the landed commit; frees locks and slot, returns newly queued ids."""
        return self._queued(self._merging("complete", ticket, self._caller.new_op(), commit))

    def send_back(self, ticket: MergeTicket, failure: Failure) -> bool:
        """Merging → queued (True) or failed (False), with the evidence; frees locks and slot."""
        op = self._caller.new_op()
        answer = self._merging("send_back", ticket, op, *self._failure_arguments(failure))
        self._queued(answer)
        return answer[1] == "queued"

    def reconcile(self, run: str, task: str, *, attempt: int, merge_token: int, commit: str) -> bool:
        """Complete a task whose landing git proves (trailer on the branch) but Redis does not know.

        Whatever state it is in; the fence is raised to `merge_token`. False if it is known.
        """
        name, op = member(run, task), self._caller.new_op()
        answer = words_of(self._caller.call("reconcile", name, attempt, merge_token, op, commit))
        if answer[0] == "KNOWN":
            return False
        refuse(answer, name, merge_token)
        self._queued(answer)
        return True

    def raise_fence(self, token: int) -> int:
        """Make every later token higher than `token`, which git has seen; returns the counter."""
        return int(words_of(self._caller.call("raise_fence", token))[1])

    # upkeep ---------------------------------------------------------------------------------
    def reclaim_expired(self) -> list[Requeued]:
        """One tick of the reaper: requeue what outlived its lease; nothing after a gap in ticks (grace).

        Also goes on with closures and walks that their callers left unfinished.
        """
        found: list[Requeued] = []
        word = "MORE"
        while word == "MORE":
            answer = words_of(self._caller.call("reap", self._caller.new_op(), self.lease_ms))
            word = answer[0]
            if word in {"OK", "MORE"}:
                found += decode_requeued(answer[1:])
        self._caller.drain_work(at_most=WORK_A_TICK)
        return found

    def reclaim_worker(self, worker_id: str) -> list[Requeued]:
        """Requeue at once what a worker known to be dead holds, and free its merge slots."""
        found: list[Requeued] = []
        place = "0"
        while place.strip():
            answer = words_of(self._caller.call("reclaim_worker", worker_id, self._caller.new_op(), place))
            place = answer[1]
            found += decode_requeued(answer[2:])
        self._caller.drain_work()
        return found

    def heartbeat(
        self, worker: WorkerProfile, *, kind: str, state: str, task: str = "", done: int = 0, failed: int = 0
    ) -> None:
        """Record that a worker or supervisor is alive (display and liveness; decides no lease).

        `done` and `failed` are the attempts that it has handed in or finished, and failed, so far.
        """
        skills = (",".join(worker.types), ",".join(worker.executors))
        where = (worker.host, worker.pid)
        tags = ",".join(worker.tags)
        self._caller.call(
            "heartbeat", worker.worker_id, kind, *skills, *where, state, task, done, failed, tags
        )

    def sign_off(self, worker_id: str) -> None:
        """Remove a worker that has ended in good order."""
        self._caller.call("sign_off", worker_id)

    def rerank(self, run: str, urgencies: Mapping[str, int]) -> int:
        """Give tasks other urgencies (scores without their age); returns how many changed.

        In chunks, so claims in between see some of the new order. What has ended, or is unknown, stays.
        """
        changed, pairs = 0, [(task, str(one)) for task, one in urgencies.items()]
        for start in range(0, len(pairs), RERANKED):
            words = [word for pair in pairs[start : start + RERANKED] for word in pair]
            changed += int(words_of(self._caller.call("rerank", run, self._caller.new_op(), *words))[1])
        return changed

    # see ------------------------------------------------------------------------------------
    def events(self, *, after: str = "0-0", limit: int = 1000, block_ms: int = 0) -> list[Event]:
        """Up to `limit` events later than the entry `after`; waits up to `block_ms` (2 s at most)."""
        found = super().events(after=after, limit=limit)
        if found or block_ms <= 0:
            return found
        wait_ms = min(block_ms, int(LONGEST_WAIT_S * 1000))
        stream = self.keys.of("events")
        self._caller.block(wait_ms / 1000, "XREAD", "COUNT", 1, "BLOCK", wait_ms, "STREAMS", stream, after)
        return super().events(after=after, limit=limit)

    # ----------------------------------------------------------------------------------------
    def _held(self, verb: str, claim: Claim, *args: str | int) -> list[str]:
        name = member(claim.run, claim.task.id)
        answer = words_of(self._caller.call(verb, name, claim.token, *args))
        refuse(answer, name, claim.token)
        return answer

    def _merging(self, verb: str, ticket: MergeTicket, *args: str | int) -> list[str]:
        name = member(ticket.run, ticket.task.id)
        answer = words_of(self._caller.call(verb, name, ticket.merge_token, *args))
        refuse(answer, name, ticket.merge_token)
        return answer

    def _request(self, worker: WorkerProfile, claim_id: str) -> list[str | int]:
        """Who claims, from the beginning of every queue it serves."""
        places = ["*"] if "*" in worker.types else [part for name in worker.types for part in (name, "0")]
        skills = [*worker.executors, *(f"+{tag}" for tag in worker.tags)]
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
                self._known_types = [str(name) for name in request[4::2]] or self._known_types
            answer = self._caller.call("claim", *request)

    def _end(self, claim: Claim, ending: Ending, usage: Usage) -> list[str]:
        verb, arguments = self._ending(ending, usage)
        return self._held(verb, claim, *arguments)

    def _ending(self, ending: Ending, usage: Usage) -> tuple[str, list[str | int]]:
        """The verb that ends an attempt so, and what it takes after member and token."""
        op, spent = self._caller.new_op(), usage_text(usage)
        match ending:
            case HandIn(commit):
                return "hand_in", [op, commit, spent, MERGE_DISPLAY_MS]
            case Finish():
                return "finish", [op, spent]
            case Fail(failure):
                return "fail", [op, spent, *self._failure_arguments(failure)]
            case Release(reason):
                return "release", [op, spent, reason]

    def _failure_arguments(self, failure: Failure) -> list[str | int]:
        base_ms, cap_ms = self._backoff
        if failure.kind is FailureKind.PROVIDER:
            base_ms, cap_ms = base_ms * PROVIDER_BASE, cap_ms * PROVIDER_CAP
        return [*failure_arguments(failure), base_ms, cap_ms, self._caller.spread()]

    def _queued(self, answer: Sequence[str]) -> list[str]:
        """The newly queued ids of an answer, and of the work it left."""
        queued = list(answer[1:])
        if answer[0] == "MORE":
            queued += self._caller.drain_work()[1]
        return queued
