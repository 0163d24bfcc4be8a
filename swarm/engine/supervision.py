"""What supervisors do: take back what nobody works on, rank what is left, and merge what was handed in."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from swarm.engine.caller import Caller
from swarm.engine.claims import Failure, MergeTicket, Requeued, WorkerProfile
from swarm.engine.endings import failure_call
from swarm.engine.replies import decode_requeued, decode_train, refuse
from swarm.engine.retention import Retention
from swarm.engine.specs import decode_spec
from swarm.engine.stored import claim_fields
from swarm.engine.words import text_of, words_of
from swarm.keys import Keys, member, split_member
from swarm.states import TaskState

WORK_A_TICK = 100
RERANKED = 150
"""So many scores one script changes at most."""
LOOKED_AT = 300
"""Attempts, of all runs, among which the next train is looked for."""


class Supervision(Retention):
    """Supervises one project's queue; every call may be repeated and raced."""

    def __init__(self, caller: Caller, keys: Keys, *, lease_ms: int, backoff: tuple[int, int]) -> None:
        super().__init__(caller, keys)
        self.lease_ms = lease_ms
        self._backoff = backoff

    # take back ------------------------------------------------------------------------------
    def reclaim_expired(self, *, unless_within_ms: int = 0) -> list[Requeued]:
        """One tick of the reaper: requeue what outlived its lease; nothing after a gap in ticks (grace).

        Also goes on with closures and walks that their callers left unfinished. Does nothing, at the price
        of a look, when anybody has ticked within `unless_within_ms`.
        """
        found: list[Requeued] = []
        word, within_ms = "MORE", unless_within_ms
        while word == "MORE":
            answer = words_of(self._caller.call("reap", self._caller.new_op(), self.lease_ms, within_ms))
            word, within_ms = answer[0], 0
            if word == "RECENT":
                return found
            if word in {"OK", "MORE"}:
                found += decode_requeued(answer[1:])
        self._caller.drain_work(at_most=WORK_A_TICK)
        return found

    def finish_walks(self) -> None:
        """Go on with closures and walks that their callers left unfinished, to the end."""
        self._caller.drain_work()

    def reclaim_worker(self, worker_id: str) -> list[Requeued]:
        """Requeue at once what a worker known to be dead holds, and free its merge slots."""
        found: list[Requeued] = []
        place = "0"
        while place.strip():
            request = (worker_id, self._caller.new_op(), place, self.lease_ms)
            answer = words_of(self._caller.call("reclaim_worker", *request))
            place = answer[1]
            found += decode_requeued(answer[2:])
        self._caller.drain_work()
        return found

    def rerank(self, run: str, urgencies: Mapping[str, int]) -> int:
        """Give tasks other urgencies (scores without their age); returns how many changed.

        In chunks, so claims in between see some of the new order. What has ended, or is unknown, stays.
        """
        changed, pairs = 0, [(task, str(one)) for task, one in urgencies.items()]
        for start in range(0, len(pairs), RERANKED):
            words = [word for pair in pairs[start : start + RERANKED] for word in pair]
            changed += int(words_of(self._caller.call("rerank", run, self._caller.new_op(), *words))[1])
        return changed

    # merge ----------------------------------------------------------------------------------
    def begin_merge(
        self, merger_id: str, *, most: int = 1, besides: Iterable[str] = ()
    ) -> tuple[MergeTicket, ...]:
        """Take a train: up to `most` handed-in attempts of a run whose branch's slot is free or mine.

        The best first; one slot a branch; none when there is nothing to merge. What the same merger has not
        settled of an earlier train may be among them, with a new token. Of runs, and tasks as `run/task`,
        that it is `besides` it takes nothing.
        """
        op, place, others = self._caller.new_op(), "0", tuple(besides)
        while True:
            answer = self._caller.call("begin_merge", merger_id, self.lease_ms, op, most, place, *others)
            word = text_of(answer[0])
            if word == "OK":
                return decode_train(answer, merger_id)
            if word == "EMPTY":
                return ()
            place = text_of(answer[1])

    def next_attempts(self, train: Sequence[MergeTicket], *, most: int) -> tuple[MergeTicket, ...]:
        """Who waits for its merge behind this train, in the same run, the best first; at most so many.

        It is a look: nobody has the right to merge them yet, and their merge tokens are 0.
        """
        first, found = train[0], list[MergeTicket]()
        taken = {member(first.run, ticket.task.id) for ticket in train}
        waiting = words_of(self._one("ZRANGE", self.keys.of("merging"), 0, LOOKED_AT - 1))
        names = [name for name in waiting if split_member(name)[0] == first.run and name not in taken][:most]
        fields = ("spec", "claim", "attempt_commit", "state")
        replies = self._ask([["HMGET", self.keys.of("task", name), *fields] for name in names])
        for spec, claim, commit, state in map(words_of, replies):
            if state == TaskState.MERGING:
                held = claim_fields(claim)
                look = replace(first, merge_token=0, train_token=0, token=int(held["token"]), commit=commit)
                task, attempt = decode_spec(spec), int(held["attempt"])
                found.append(replace(look, task=task, attempt=attempt, base=held["base"]))
        return tuple(found)

    def renew_merge(self, train: Sequence[MergeTicket]) -> tuple[MergeTicket, ...]:
        """Extend the merge slot by a term; returns those of the train that still may land.

        Raises:
            StaleTokenError: the slot was lost.
        """
        run, slot_token = train[0].run, train[0].train_token
        named = {member(run, ticket.task.id): ticket for ticket in train}
        pairs = [word for name, ticket in named.items() for word in (name, ticket.merge_token)]
        answer = words_of(self._caller.call("renew_merge", run, slot_token, self.lease_ms, *pairs))
        refuse(answer, train[0].branch, slot_token)
        lost = set(answer[2:])
        return tuple(ticket for name, ticket in named.items() if name not in lost)

    def yield_merge(self, train: Sequence[MergeTicket]) -> None:
        """Let the merge slot run out at once: others may begin, and nothing is judged of the train.

        Raises:
            StaleTokenError: the slot was lost.
        """
        answer = words_of(self._caller.call("renew_merge", train[0].run, train[0].train_token, 0))
        refuse(answer, train[0].branch, train[0].train_token)

    def complete(
        self,
        ticket: MergeTicket,
        *,
        commit: str,
        tip: str = "",
        red_advisory: str = "",
        gates_hollow: str = "",
    ) -> list[str]:
        """Merging → done with the landed commit; frees locks and slot, returns newly queued ids.

        `tip` is where the branch is: what its train has landed after this one is not known yet, but there.
        `red_advisory` says which advisory gates were red, `gates_hollow` which green ones compared nothing;
        only the event has them.
        """
        op, token = self._caller.new_op(), ticket.train_token if tip else ticket.merge_token
        said = [red_advisory, gates_hollow] if red_advisory or gates_hollow else []
        return self._queued(self._merging("complete", ticket, op, commit, tip or commit, token, *said))

    def send_back(self, ticket: MergeTicket, failure: Failure) -> bool:
        """Merging → queued (True) or failed (False), with the evidence; frees locks and slot."""
        op = self._caller.new_op()
        answer = self._merging("send_back", ticket, op, *failure_call(failure, self._spread_backoff))
        self._queued(answer)
        return answer[1] == "queued"

    def reconcile(
        self,
        run: str,
        task: str,
        *,
        attempt: int,
        merge_token: int,
        commit: str,
        tip: tuple[str, int] | None = None,
    ) -> bool:
        """Complete a task whose landing git proves (trailer on the branch) but Redis does not know.

        Whatever state it is in; the fence is raised to `merge_token`. `tip` is the newest landing that git
        proves, and its merge token: who is let go on starts from there. False if the task is known.
        """
        name, op = member(run, task), self._caller.new_op()
        newest = tip or (commit, merge_token)
        answer = words_of(self._caller.call("reconcile", name, attempt, merge_token, op, commit, *newest))
        if answer[0] == "KNOWN":
            return False
        refuse(answer, name, merge_token)
        self._queued(answer)
        return True

    def raise_fence(self, token: int) -> int:
        """Make every later token higher than `token`, which git has seen; returns the counter."""
        return int(words_of(self._caller.call("raise_fence", token))[1])

    def follow(self, run: str, *, known: str, tip: str) -> bool:
        """Let attempts begin at `tip`, which holds `known`, the run's tip by now; False: that is another."""
        return words_of(self._caller.call("follow", run, known, tip))[0] == "OK"

    # who is alive ---------------------------------------------------------------------------
    def heartbeat(
        self,
        worker: WorkerProfile,
        *,
        kind: str,
        state: str,
        task: str = "",
        done: int = 0,
        failed: int = 0,
        hub_trouble: str = "",
    ) -> None:
        """Record that a worker or supervisor is alive (display and liveness; decides no lease).

        `done` and `failed` are the attempts that it has handed in or finished, and failed, so far;
        `hub_trouble` is why it cannot use the hub.
        """
        skills = (",".join(worker.types), ",".join(worker.executors))
        where = (worker.host, worker.pid)
        tags = ",".join(worker.tags)
        self._caller.call(
            "heartbeat", worker.worker_id, kind, *skills, *where, state, task, done, failed, tags, hub_trouble
        )

    def sign_off(self, worker_id: str) -> None:
        """Remove a worker that has ended in good order."""
        self._caller.call("sign_off", worker_id)

    # ----------------------------------------------------------------------------------------
    def _merging(self, verb: str, ticket: MergeTicket, *args: str | int) -> list[str]:
        name = member(ticket.run, ticket.task.id)
        answer = words_of(self._caller.call(verb, name, ticket.merge_token, *args))
        refuse(answer, name, ticket.merge_token)
        return answer

    def _spread_backoff(self) -> tuple[int, int, str]:
        """Base and cap in ms, and this caller's dice."""
        return (*self._backoff, self._caller.spread())

    def _queued(self, answer: Sequence[str]) -> list[str]:
        """The newly queued ids of an answer, and of the work it left."""
        queued = list(answer[1:])
        if answer[0] == "MORE":
            queued += self._caller.drain_work()[1]
        return queued
