"""One engine driven through random steps by workers, merge queues and people, stale ones among them."""

import contextlib
from random import Random

import pytest

from swarm.engine.claims import (
    Claim,
    Ending,
    Fail,
    Failure,
    Finish,
    HandIn,
    MergeTicket,
    Release,
    WorkerProfile,
)
from swarm.engine.engine import Engine
from swarm.engine.store import Store
from swarm.errors import RefusedError, StaleTokenError
from swarm.models.usage import Usage
from swarm.plan.model import Plan, TaskSpec
from swarm.states import FailureKind, TaskState
from swarm.testing.clock import SkewedClock
from swarm.testing.plans import BASE, make_plan, make_task

SCOPES = (
    *("a/x.py", "a/y.py", "a/b/z.py", "a/b/*.py", "a/", "a/b", "b/x.py", "b/**", "c.md", "Makefile"),
    *("**", "a/b/z.py/deeper", "b/*/q.py"),
)
WORKERS = (
    WorkerProfile("w1", executors=("command", "messages"), tags=("gpu",)),
    WorkerProfile("w2", types=("red",), executors=("command", "messages")),
    WorkerProfile("w3", types=("red", "blue"), executors=("command",)),
    WorkerProfile("w4", executors=("messages",)),
)
KINDS = (FailureKind.TASK_ERROR, FailureKind.GATE_FAILED, FailureKind.CONFLICT, FailureKind.INFRASTRUCTURE)


def random_plan(random: Random) -> Plan:
    """Up to 14 tasks with few dependencies and scopes that often overlap."""
    tasks: list[TaskSpec] = []
    for number in range(random.randint(2, 14)):
        earlier = [task.id for task in tasks]
        after = random.sample(earlier, min(len(earlier), random.choice((0, 0, 0, 1, 2))))
        tasks.append(
            make_task(
                f"t{number}",
                after=after,
                files=random.sample(SCOPES, random.choice((0, 1, 1, 2, 3))),
                reads=random.sample(SCOPES, random.choice((0, 0, 1, 2))),
                type=random.choice(("red", "blue")),
                executor=random.choice(("command", "messages")),
                priority=random.randint(-2, 2),
                needs=random.choice(([], [], [], ["gpu"])),
            )
        )
    return make_plan(*tasks, goal=str(random.random()))


class Schedule:
    """Drives one engine through random steps; remembers every claim, so that stale ones are tried too."""

    def __init__(self, engine: Engine, store: Store, clock: SkewedClock, seed: int) -> None:
        self.engine = engine
        self.store = store
        self.clock = clock
        self.random = Random(seed)
        self.runs = [engine.submit(random_plan(self.random), base=BASE) for _ in range(2)]
        self.claims: list[Claim] = []
        self.tickets: list[MergeTicket] = []
        self.number = 0
        self.log: list[str] = []

    def step(self) -> None:
        """One random call; a stale caller's refusal is part of the game."""
        steps = [self.claim] * 6 + [self.start, self.end, self.end, self.begin_merge, self.end_merge] * 2
        steps += [self.end_and_claim] * 3 + [
            self.crash,
            self.cancel,
            self.retry,
            self.skip,
            self.pause,
            self.limit,
            self.pass_time,
            self.renew,
            self.reconcile,
            self.expand,
            self.expand,
            self.extend,
            self.extend,
        ]
        chosen = self.random.choice(steps)
        self.log.append(chosen.__name__)
        with contextlib.suppress(StaleTokenError):
            chosen()

    def claim(self) -> None:
        """Claim, twice with the same id; only what the worker can do."""
        self.number += 1
        worker = self.random.choice(WORKERS)
        held, limits = self.held(), self.engine.controls().limits
        claim = self.engine.claim(worker, f"c{self.number}")
        again = self.engine.claim(worker, f"c{self.number}")
        if claim:
            assert again is not None
            assert (again.run, again.task, again.token) == (claim.run, claim.task, claim.token)
            assert "*" in worker.types or claim.task.type in worker.types
            assert claim.task.executor in worker.executors
            assert set(claim.task.needs) <= set(worker.tags)
            for kind in ("*", claim.task.type):
                of_kind = [name for name in held if kind in {"*", name}]
                assert len(of_kind) < limits.get(kind, 99), (held, limits)
            self.claims.append(claim)

    def held(self) -> list[str]:
        """The types of the tasks that workers hold."""
        states = (TaskState.ACKED, TaskState.RUNNING)
        return [
            task.spec.type for run in self.runs for task in self.engine.tasks(run) if task.state in states
        ]

    def start(self) -> None:
        """Start one of the last claims, stale or not."""
        if self.claims:
            self.engine.start(self.random.choice(self.claims[-6:]))

    def end(self) -> None:
        """End one of the last claims in one of four ways."""
        if not self.claims:
            return
        claim = self.random.choice(self.claims[-6:])
        spent = Usage(input_tokens=self.random.randint(0, 9), cost_microusd=self.random.randint(0, 9))
        how = self.random.randrange(6)
        if how == 0:
            self.engine.fail(claim, Failure(self.random.choice(KINDS), "no"), usage=spent)
        elif how == 1:
            self.engine.release(claim, reason="drain", usage=spent)
        elif how in {2, 3}:
            self.engine.finish(claim, usage=spent)
        else:
            self.engine.hand_in(claim, commit="c", usage=spent)

    def expand(self) -> None:
        """Put a few tasks, with scopes of their own, in the place of one of the last claims, stale or not."""
        if not self.claims:
            return
        parts: list[TaskSpec] = []
        for name in "abc"[: self.random.randint(1, 3)]:
            earlier = [part.id for part in parts]
            after = self.random.sample(earlier, self.random.randint(0, len(earlier)))
            files = self.random.sample(SCOPES, self.random.choice((0, 0, 1)))
            parts.append(make_task(name, after=after, files=files, type=self.random.choice(("red", "blue"))))
        self.engine.expand(self.random.choice(self.claims[-6:]), make_plan(*parts))

    def extend(self) -> None:
        """Ask for more files with one of the last claims, stale or not."""
        if not self.claims:
            return
        place = self.random.randrange(max(0, len(self.claims) - 6), len(self.claims))
        wanted = self.random.sample(SCOPES, 2)
        with contextlib.suppress(RefusedError):
            grown = self.engine.extend(self.claims[place], files=wanted[:1], reads=wanted[1:])
            self.claims[place] = grown.claim

    def end_and_claim(self) -> None:
        """End one of the last claims, stale or not, and take the next task, twice with the same ids."""
        if not self.claims:
            return
        self.number += 1
        claim = self.random.choice(self.claims[-6:])
        worker = next(worker for worker in WORKERS if worker.worker_id == claim.worker_id)
        endings: list[Ending] = [Finish(), HandIn("c"), Release("drain")]
        endings.append(Fail(Failure(self.random.choice(KINDS), "no")))
        following = self.engine.end_and_claim(claim, self.random.choice(endings), worker, f"c{self.number}")
        again = self.engine.claim(worker, f"c{self.number}")
        if following:
            assert again is not None
            assert again.token == following.token
        if again:
            self.claims.append(again)

    def begin_merge(self) -> None:
        """Take a train."""
        merger, most = self.random.choice(("m1", "m2")), self.random.choice((1, 3))
        self.tickets += self.engine.begin_merge(merger, most=most)

    def end_merge(self) -> None:
        """End one of the last tickets, stale or not."""
        if not self.tickets:
            return
        ticket = self.random.choice(self.tickets[-4:])
        how = self.random.randrange(4)
        if how == 0:
            self.engine.send_back(ticket, Failure(self.random.choice(KINDS), "red"))
        elif how == 1:
            self.engine.renew_merge([ticket])
        else:
            self.engine.complete(ticket, commit=f"landed{ticket.merge_token}")

    def crash(self) -> None:
        """A worker dies, seen at once or by its lease."""
        if self.random.random() < 0.5:
            self.engine.reclaim_worker(self.random.choice(WORKERS).worker_id)
            return
        self.clock.advance(ms=self.engine.lease_ms + 1)
        for _ in range(3):
            self.engine.reclaim_expired()

    def cancel(self) -> None:
        """Cancel a task, seldom a run."""
        if self.random.random() < 0.3:
            run = self.random.choice(self.runs)
            everything = self.random.random() < 0.2
            self.engine.cancel(run, "" if everything else self.some_task(run))

    def retry(self) -> None:
        """Retry a task, what failed of a run, or a run."""
        run, how = self.random.choice(self.runs), self.random.random()
        if how < 0.3:
            self.engine.retry_failed(run)
        elif how > 0.9:
            self.engine.retry(run, self.some_task(run), fresh=True)
        else:
            self.engine.retry(run, "" if how < 0.6 else self.some_task(run))

    def skip(self) -> None:
        """Go on without a task."""
        if self.random.random() < 0.3:
            run = self.random.choice(self.runs)
            self.engine.skip(run, self.some_task(run))

    def pause(self) -> None:
        """Pause a run, a type or everything, or take that back."""
        run, kind = self.random.choice(self.runs), self.random.choice(("red", "blue", "*"))
        how = self.random.randrange(6)
        if how == 0:
            self.engine.pause(run)
        elif how == 1:
            self.engine.pause_type(kind)
        elif how < 4:
            self.engine.resume(run)
        else:
            self.engine.resume_type(kind)

    def limit(self) -> None:
        """Bound what is held, tighter than what is held already perhaps."""
        self.engine.limit(self.random.choice(("red", "blue", "*")), self.random.choice((1, 2, 3, None)))

    def pass_time(self) -> None:
        """Let backoffs come due."""
        self.clock.advance(ms=self.random.choice((100, 3_000, 12_000)))

    def renew(self) -> None:
        """Renew one of the last claims, stale or not."""
        if self.claims:
            self.engine.renew(self.random.choice(self.claims[-6:]))

    def reconcile(self) -> None:
        """Report a landing that git is said to have."""
        if self.tickets and self.random.random() < 0.3:
            ticket = self.random.choice(self.tickets[-4:])
            token = ticket.merge_token
            self.engine.reconcile(
                ticket.run, ticket.task.id, attempt=ticket.attempt, merge_token=token, commit=f"landed{token}"
            )

    def some_task(self, run: str) -> str:
        """Any task of the run."""
        return self.random.choice(self.engine.tasks(run)).spec.id

    def finish_everything(self) -> None:
        """Stop the faults: every task must end in a bounded number of rounds."""
        for run in self.runs:
            self.engine.retry(run)
            self.engine.resume(run)
        for kind in ("red", "blue", "*"):
            self.engine.resume_type(kind)
        for worker in WORKERS:
            self.engine.reclaim_worker(worker.worker_id)
        for _ in range(400):
            if all(self.engine.run(run).state.is_terminal for run in self.runs):
                return
            self.clock.advance(ms=40_000)
            self.engine.reclaim_expired()
            while train := self.engine.begin_merge("m1"):
                self.engine.complete(train[0], commit=f"landed{train[0].merge_token}")
            for worker in WORKERS:
                self.number += 1
                claim = self.engine.claim(worker, f"c{self.number}")
                if claim:
                    self.engine.start(claim)
                    self.engine.finish(claim)
        pytest.fail(f"tasks left over: {[self.engine.run(run).counts for run in self.runs]}")
