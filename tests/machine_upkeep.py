"""What supervisors do: reclaim, hear of workers, rank, forget runs and trim events."""

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from machine_work import Working, maybe, workers

from swarm.engine.claims import WorkerProfile
from swarm.engine.ranks import AGES
from swarm.engine.stored import entry_of
from swarm.testing.dumps import content
from swarm.testing.faults import Fault
from swarm.testing.model import ARCHIVE_MS, LIVE

anywhere = st.integers(0, 15)


class Upkeep(Working):
    """The rules of supervisors."""

    @rule(ticks=st.sampled_from((1, 1, 1, 9)))
    def tick(self, ticks: int) -> None:
        """The reaper: once, or every four seconds until every lease must have ended."""
        for number in range(ticks):
            if number:
                self.move_clock(4_000)
            found = {(f"{one.run}/{one.task}", one.state) for one in self.engine.reclaim_expired()}
            expected = self.model.reap()
            assert found == expected, f"the reaper took {found}, the model says {expected}"

    @rule(name=st.sampled_from(("w1", "w2", "m1", "m2")))
    def reclaim_worker(self, name: str) -> None:
        """A worker, or merger, is known to be dead."""
        self.engine.reclaim_worker(name)
        self.free_slots(name)
        for task in self.model.leased():
            if task.worker == name:
                self.model.reclaim(task)

    def free_slots(self, merger: str) -> None:
        """What a merger that is gone has not settled is another's at once."""
        for run in self.model.runs.values():
            if run.state == "active" and run.slot[0] == merger:
                run.train = []

    @rule(worker=workers, is_leaving=st.sampled_from((False, False, True)))
    def show(self, worker: WorkerProfile, *, is_leaving: bool) -> None:
        """A worker is alive, or leaves in good order."""
        name = worker.worker_id
        if not is_leaving:
            self.engine.heartbeat(worker, kind="worker", state="idle")
            self.model.workers[name] = (worker, self.model.now_ms)
            return
        self.engine.sign_off(name)
        self.free_slots(name)
        if self.model.workers.pop(name, None):
            self.model.last_claims.pop(name, None)

    @rule(place=anywhere, number=st.integers(-5, 9), what=st.sampled_from(("fence", "rank", "work", "tip")))
    def keep_up(self, place: int, number: int, what: str) -> None:
        """Git has seen a token or another tip; a task has another urgency; nothing is left over for long."""
        if what == "fence":
            token = max(self.model.fence + number, 0)
            self.model.fence = max(token, self.model.fence)
            assert self.engine.raise_fence(token) == self.model.fence
        elif what == "rank" and number > 0:
            task = self.task(place)
            self.engine.rerank(task.run.name, {task.spec.id: number * AGES})
            if task.state in LIVE:
                task.score = number * AGES + task.score % AGES
        elif what == "tip":
            run, known = self.task(place).run, self.task(place + number).run.tip
            tip = f"pushed-{number}-on-{known}"[:40]
            assert self.engine.follow(run.name, known=known, tip=tip) == (run.tip in {known, tip})
            run.tip = tip if run.tip == known else run.tip
        else:
            assert self.engine._caller.drain_work() == (0, [])

    @rule(place=anywhere, is_again=st.booleans(), fault=maybe)
    def forget(self, place: int, fault: Fault | None, *, is_again: bool) -> None:
        """A run that has ended leaves nothing; its plan, submitted again, begins anew."""
        run = self.task(place).run
        has_ended = run.state != "active"
        if has_ended:
            del self.model.runs[run.name]
        self.arm_if(fault, after=1)  # the first call does what others left over
        assert self.engine.forget(run.name) == has_ended
        if not has_ended:
            return
        told = {self.engine.keys.of(part) for part in ("events", "meta")}
        found = {name for name, value in content(self.plain).items() if run.name in f"{name} {value}"}
        assert found <= told, f"{run.name} is forgotten, but is in {found - told}"
        if is_again or not self.model.runs:
            self.submit(self.plans[run.name], None, fail_fast=run.is_fail_fast)

    @precondition(lambda self: self.engine.last_event_id() != "0-0")
    @rule(
        archive=st.sampled_from(("here", "here", "there")),
        part=st.integers(0, 4),
        keep=st.sampled_from((0, 20)),
        is_late=st.sampled_from((False, False, False, True)),
    )
    def trim(self, archive: str, part: int, keep: int, *, is_late: bool) -> None:
        """What an archive has may go, but for the newest; nothing else goes."""
        if is_late:
            self.move_clock(ARCHIVE_MS)
            self.store.sent.clear()  # first answers are kept for an hour
            self.silent |= self.model.last_claims.keys()
        stream = self.engine.events(limit=10_000)
        last = (len(stream) - 1) * part // 4
        may_trim = self.model.trim(archive)
        assert self.engine.trim_events(archive, upto=stream[last].id, keep=keep) == may_trim
        left = self.engine.events(limit=10_000)
        gone = stream[: len(stream) - len(left)]
        assert stream[len(gone) :] == left
        self.archived += gone
        assert len(gone) <= (last + 1 if may_trim else 0)
        assert len(left) >= min(keep, len(stream))
        if may_trim:
            assert self.engine.archived_to() == entry_of(stream[last].id)
