"""The engine: every change of a task's state, as one method a Lua script."""

from collections.abc import Iterable, Sequence

from swarm.engine.records import (
    AgentRecord,
    Claim,
    Event,
    Failure,
    MergeTicket,
    Renewal,
    Requeued,
    RunRecord,
    TaskRecord,
    Usage,
    WorkerProfile,
)
from swarm.engine.store import Store
from swarm.plan.model import Plan


class Engine:
    """One project's queue. Not shared between threads: give each thread its own (`clone`)."""

    def __init__(self, store: Store, project: str, *, lease_ms: int = 30_000) -> None: ...

    def clone(self) -> "Engine":
        """The same engine on a connection of its own, for another thread."""

    # submit ---------------------------------------------------------------------------------
    def submit(self, plan: Plan, *, base: str, key: str = "", repository: str = "") -> str:
        """Store a plan and activate it; return the run id. Idempotent: the same project, plan, base and key give one run.

        Chunked (at most 150 tasks a script), resumable after a crash, active only when all is stored.

        Raises:
            RefusedError: this project name belongs to another repository on this server.
        """

    # worker ---------------------------------------------------------------------------------
    def claim(self, worker: WorkerProfile, claim_id: str) -> Claim | None:
        """Take the most urgent claimable task with all its locks, or None. The same claim_id gets the same answer."""

    def wait(self, worker: WorkerProfile, *, timeout_s: float = 2.0) -> bool:
        """Block until something may have become claimable for this worker; at most `timeout_s` (2 s at most)."""

    def start(self, claim: Claim) -> None:
        """acked → running. Raises StaleTokenError / RunCancelledError."""

    def renew(self, claim: Claim, usage: Usage = Usage()) -> Renewal:
        """Extend the lease to `lease_ms` from Redis' now, and record what the attempt has spent so far."""

    def hand_in(self, claim: Claim, *, commit: str, usage: Usage = Usage()) -> None:
        """running → merging; the lease ends, token and locks stay. `commit` is durable in the hub."""

    def finish(self, claim: Claim, *, usage: Usage = Usage()) -> list[str]:
        """running → done, for a task with an empty write scope or an attempt that changed nothing; newly queued ids."""

    def fail(self, claim: Claim, failure: Failure, *, usage: Usage = Usage()) -> bool:
        """Put the task back with backoff (True), or fail it and its dependents (False)."""

    def release(self, claim: Claim, *, reason: str, usage: Usage = Usage()) -> None:
        """Put the task back at once, no attempt charged (drain, shutdown)."""

    # merge ----------------------------------------------------------------------------------
    def begin_merge(self, merger_id: str) -> MergeTicket | None:
        """Take the best handed-in attempt whose branch's merge slot is free or mine; one slot a branch."""

    def renew_merge(self, ticket: MergeTicket) -> int:
        """Extend the merge slot; remaining ms. Raises StaleTokenError when the slot or the token was lost."""

    def complete(self, ticket: MergeTicket, *, commit: str) -> list[str]:
        """merging → done with the landed commit; frees locks and slot, triggers dependents; newly queued ids."""

    def reconcile(self, run: str, task: str, *, attempt: int, merge_token: int, commit: str) -> bool:
        """Complete a task whose landing git proves (trailer on the branch) but Redis does not know; False if known."""

    def send_back(self, ticket: MergeTicket, failure: Failure) -> bool:
        """merging → queued (True) or failed (False), with the evidence; frees locks and slot."""

    # upkeep ---------------------------------------------------------------------------------
    def reclaim_expired(self) -> list[Requeued]:
        """One tick of the reaper: requeue what outlived its lease; nothing after a gap in ticks (grace)."""

    def reclaim_worker(self, worker_id: str) -> list[Requeued]:
        """Requeue at once what a worker known to be dead holds, and free its merge slots."""

    def heartbeat(self, worker: WorkerProfile, *, kind: str, state: str, task: str = "") -> None:
        """Record that a worker or supervisor is alive (display and liveness; decides no lease)."""

    def sign_off(self, worker_id: str) -> None:
        """Remove a worker that has ended in good order."""

    def cancel(self, run: str, task: str = "") -> int:
        """Cancel a run, or one task and what depends on it; returns how many tasks moved."""

    def retry(self, run: str, task: str = "") -> int:
        """Queue failed, cancelled and upstream_failed tasks again (one task, or all of the run)."""

    # see ------------------------------------------------------------------------------------
    def run_ids(self) -> list[str]: ...
    def run(self, run: str) -> RunRecord: ...
    def task(self, run: str, task: str) -> TaskRecord: ...
    def tasks(self, run: str) -> list[TaskRecord]: ...
    def agents(self) -> list[AgentRecord]: ...
    def events(self, *, after: str = "0-0", limit: int = 1000, block_ms: int = 0) -> list[Event]: ...
    def now_ms(self) -> int: ...
