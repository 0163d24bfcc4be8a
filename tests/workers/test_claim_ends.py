"""A claim that ends under a worker: what it asks itself before each step, and how long it goes on telling."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from worker_rig import Doing, HandClock, Rig, sh

from swarm.engine.claims import Finish
from swarm.errors import HubUnreachableError
from swarm.plan.model import TaskSpec
from swarm.repo.hub.hub import Hub
from swarm.repo.hub.writing import RefWriter
from swarm.sandbox.protocol import Sandbox
from swarm.states import TaskState
from swarm.testing.launcher import SubprocessSandbox
from swarm.testing.proxy import Proxy
from workers.agents.agent import AgentContext, AgentResult
from workers.attempt import Attempt, StoppedError
from workers.held import HeldSandbox
from workers.lease import Lease, LeaseLostError
from workers.worker import Worker


class ShortOfTime(HandClock):
    """A clock whose owner may sleep only so often."""

    def sleep_s(self, seconds: float) -> None:
        """Jump, up to a minute."""
        super().sleep_s(seconds)
        assert self.now_s < 60, "it goes on telling after its lease has ended"


def test_an_outcome_is_told_until_the_worker_fences_itself_off_and_no_longer(
    rig: Rig, tmp_path: Path
) -> None:
    """Somebody else may hold the task from then on: 22 of the 30 s that its lease has."""
    proxy = Proxy(rig.url, tmp_path)
    proxy.start()
    worker = replace(rig, url=proxy.url, patience_s=0.0).worker()
    clock = ShortOfTime()

    def go_away(_task: TaskSpec, _sandbox: Sandbox, _context: AgentContext) -> AgentResult:
        proxy.stop()
        worker.stopping.is_draining.set()  # nothing is given back either
        return AgentResult()

    worker = replace(worker, clock=clock, agents={"command": lambda: Doing(go_away)})
    run = rig.submit(sh("t", "true"))
    with capture_logs() as said:
        worker.work_once()

    assert sum(line["event"] == "outcome not told yet" for line in said) == 23
    assert clock.now_s == 22
    assert rig.task(run, "t").state is TaskState.RUNNING


@pytest.fixture
def clock() -> HandClock:
    """The worker's own clock, moved by hand."""
    return HandClock()


@pytest.fixture
def worker(rig: Rig, clock: HandClock) -> Worker:
    """A worker in this process."""
    return replace(rig.worker(), clock=clock)


@pytest.fixture
def attempt(rig: Rig, worker: Worker, clock: HandClock, tmp_path: Path) -> Attempt:
    """A claim that was just made, and nothing done yet."""
    rig.submit(sh("t", "true", files=("f",)))
    claim = worker.engine.claim(worker.profile, "one")
    assert claim is not None
    lease = Lease(worker.engine, claim, sent_at_s=0.0, on_lost=lambda: None, clock=clock)
    return worker._attempt(claim, lease, tmp_path / "workspace")


def test_nothing_is_begun_once_the_claim_may_be_somebody_elses(attempt: Attempt, clock: HandClock) -> None:
    """Nobody need have noticed yet: the look itself does."""
    attempt.check()
    clock.now_s = 22.5

    with pytest.raises(LeaseLostError):
        attempt.check()


def test_nothing_is_begun_once_the_worker_is_told_to_stop(attempt: Attempt, worker: Worker) -> None:
    """Its lease holds for longer, and the agent need not notice."""
    worker.stopping.is_stopping.set()

    with pytest.raises(StoppedError):
        attempt.check()


def test_each_step_of_an_attempt_looks_first(attempt: Attempt, clock: HandClock) -> None:
    """A workspace is opened, a sandbox started and an attempt taken only under a claim that holds."""
    workspace = attempt.open(attempt.claim.base)
    (workspace.tree / "f").write_text("late")
    clock.now_s = 22.5

    for step in (
        lambda: attempt.open(attempt.claim.base),
        lambda: attempt.work(workspace),
        lambda: attempt.take(workspace, "refs/swarm/late"),
    ):
        with pytest.raises(LeaseLostError):
            step()

    assert attempt.hub.resolve("refs/swarm/late") is None


class Away(Hub):
    """A hub that takes nothing at first."""

    tries = 0

    @contextmanager
    def writing_refs(self) -> Iterator[RefWriter]:
        """Be away twice."""
        self.tries += 1
        if self.tries < 3:
            raise HubUnreachableError("the hub is away")
        with super().writing_refs() as writer:
            yield writer


def test_work_that_waits_for_a_hub_looks_at_its_claim_meanwhile(attempt: Attempt) -> None:
    """Else it waits on when somebody else has the task, or its worker is to stop."""
    away = Away(attempt.hub.path)

    def check_stop() -> None:
        if away.tries:
            raise StoppedError

    workspace = attempt.open(attempt.claim.base)
    (workspace.tree / "f").write_text("x")
    waiting = replace(attempt, hub=away, check_stop=check_stop)

    with pytest.raises(StoppedError):
        waiting.take(workspace, "refs/swarm/late")


def test_nothing_is_told_of_a_claim_that_is_lost(
    rig: Rig, attempt: Attempt, worker: Worker, clock: HandClock
) -> None:
    """Not even where Redis would hear it: this worker has given it up."""
    attempt.start()
    clock.now_s = 22.5
    with suppress(LeaseLostError):
        attempt.check()

    assert not worker._report(attempt.claim, attempt.lease, Finish())
    assert rig.task(attempt.claim.run, "t").state is TaskState.RUNNING


@pytest.fixture
def sandbox(tmp_path: Path) -> SubprocessSandbox:
    """One that knows whether it was killed."""
    return SubprocessSandbox(tmp_path, {})


def test_a_kill_ends_the_sandbox_that_is_held(sandbox: SubprocessSandbox) -> None:
    """From another thread, while the one at work waits for it."""
    held = HeldSandbox()

    with held.holding(sandbox):
        before = sandbox.ending()
        held.kill()

        assert before is None
        assert sandbox.ending() is not None
    assert sandbox.is_closed


def test_a_sandbox_that_comes_after_the_kill_is_ended_at_once(sandbox: SubprocessSandbox) -> None:
    """It was being started while the claim was lost: its agent must not begin."""
    held = HeldSandbox()
    held.kill()

    with held.holding(sandbox):
        assert sandbox.ending() is not None


def test_the_next_attempts_sandbox_lives(sandbox: SubprocessSandbox) -> None:
    """A kill is of one claim."""
    held = HeldSandbox()
    held.kill()
    held.reset()

    with held.holding(sandbox):
        assert sandbox.ending() is None
