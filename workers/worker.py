"""The worker's loop: claim, work, tell; and never die of a single task."""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from swarm.clock import Clock, SystemClock
from swarm.crashpoints import crashpoint
from swarm.engine.claims import Claim, Ending, Fail, Failure, HandIn, Release, WorkerProfile
from swarm.engine.engine import Engine
from swarm.errors import (
    HubUnreachableError,
    OtherHubError,
    StaleTokenError,
    StorePutDownError,
    StoreUnreachableError,
    SwarmError,
)
from swarm.fleet.stopped import is_put_down
from swarm.repo.hub.hub import Hub
from swarm.repo.hub.tidying import tidy
from swarm.repo.workspaces.workspace import remove_workspace
from swarm.sandbox.protocol import Launcher
from swarm.settings import Settings, attempt_log
from swarm.states import FailureKind
from workers.agents.agent import Agent
from workers.attempt import Attempt, StoppedError
from workers.claiming import TOLD_TO_STOP, Claiming
from workers.held import HeldSandbox
from workers.hub_patience import HubStanding
from workers.lease import Lease, LeaseLostError
from workers.outcome import describe
from workers.stopping import Stopping
from workers.ticking import Ticking

if TYPE_CHECKING:
    from workers.choosing import Choosing

HEARTBEAT_S = 5.0
RETRY_S = 1.0
MAX_PAUSE_S = 30.0


@dataclass
class Worker:
    """One worker of one project; `run` returns when it was told to stop."""

    engine: Engine
    hub: Hub
    launcher: Launcher
    agents: Mapping[str, Callable[[], Agent]]
    settings: Settings
    profile: WorkerProfile
    clock: Clock = field(default_factory=SystemClock)

    def __post_init__(self) -> None:
        self._held = HeldSandbox()
        self._claim: Claim | None = None
        self._lease: Lease | None = None
        self._claiming = Claiming(self.engine, self.profile, self.clock)
        self._takes_ahead = False
        self._done = self._failed = 0
        self._hub_standing = HubStanding(self.hub, self.clock)
        self._beat_at_s = float("-inf")
        self._pause_s = 0.0
        self._choosing = cache(partial(_open_choosing, self.settings))
        self._log = structlog.get_logger().bind(worker=self.profile.worker_id)
        self.stopping = Stopping(
            drain_s=self.settings.drain_s, on_stop=self._held.kill, on_stuck=self._let_go
        )

    def run(self) -> None:
        """Work until told to stop; an unreachable Redis is waited for, not died of."""
        self._log.info("worker started", types=self.profile.types, executors=self.profile.executors)
        with Ticking(self.engine):
            while not self.stopping.is_draining.is_set() and not is_put_down(self.settings):
                try:
                    self._beat()
                    self.work_once(go_on=True)
                except SwarmError as error:
                    self._log.warning("cannot work now", error=error.message)
                    self.stopping.is_draining.wait(RETRY_S)
        self.stopping.ended()
        if not is_put_down(self.settings):
            self._leave(self.engine)
        self._tidy(self._workspaces)
        self._log.info("worker ended")

    def work_once(self, *, go_on: bool = False) -> bool:
        """Claim a task and work on it; False when there was none, after waiting a moment for one.

        With `go_on` the next task is taken in the call that ends this one.
        """
        self._claiming.pass_over(self._hub_standing.elsewhere)
        claim, sent_at_s = self._claiming.next()
        if claim is None:
            self._hub_standing.look(self.engine)
            self.engine.wait(self.profile)
            return False
        fields = {"run": claim.run, "task": claim.task.id, "attempt": claim.attempt, "token": claim.token}
        with structlog.contextvars.bound_contextvars(**fields):
            self._work_on(claim, sent_at_s, go_on=go_on)
        self._rest()
        return True

    def _rest(self) -> None:
        """Leave what has just gone wrong alone for a while, and show that we are here."""
        left_s = self._pause_s
        while left_s > 0 and not self.stopping.is_draining.wait(min(left_s, HEARTBEAT_S)):
            left_s -= HEARTBEAT_S
            self._beat()

    def _beat(self) -> None:
        """Show that we are here and idle, now and then."""
        now_s = self.clock.monotonic_s()
        if not self._claiming.is_ahead and now_s - self._beat_at_s >= HEARTBEAT_S:
            self._show(self.engine, "idle")
            self._beat_at_s = now_s

    def _show(self, engine: Engine, state: str) -> None:
        task = f"{self._claim.run}/{self._claim.task.id}" if self._claim else ""
        engine.heartbeat(
            self.profile,
            kind="worker",
            state=state,
            task=task,
            done=self._done,
            failed=self._failed,
            hub_trouble=self._hub_standing.trouble,
        )

    def _work_on(self, claim: Claim, sent_at_s: float, *, go_on: bool) -> None:
        self._held.reset()
        self._takes_ahead = go_on
        self._claim = claim
        folder = self._workspaces / str(claim.token)
        lease = Lease(
            self.engine,
            claim,
            sent_at_s=sent_at_s,
            on_lost=self._held.kill,
            clock=self.clock,
            beat=lambda engine: self._show(engine, "busy"),
        )
        self._lease = lease
        try:
            with lease:
                outcome = self._produce(claim, lease, folder)
                is_told = outcome is not None and self._report(claim, lease, outcome)
            if not is_told and lease.is_overdue:
                self._give_back(claim, lease)
        finally:
            self._claim = self._lease = None
            self._beat_at_s = float("-inf")
            self._tidy(folder)
            tidy(self.hub)

    def _produce(self, claim: Claim, lease: Lease, folder: Path) -> Ending | None:
        """Work on the claim; None when it was lost. Whatever goes wrong becomes an outcome."""
        try:
            crashpoint("worker.after_claim")
            self._log.info("task claimed")
            self._hub_standing.refuse_elsewhere(claim.run, self.engine)
            self._show(self.engine, "busy")
            attempt = self._attempt(claim, lease, folder)
            # Before anything is done: without a credential nobody could say what to make of it.
            outcome = (self._choosing()(attempt) if claim.task.is_looked_at else attempt).produce()
            if isinstance(outcome, HandIn):
                crashpoint("worker.before_hand_in")
        except (LeaseLostError, StaleTokenError) as error:
            self._log.warning("claim lost", reason=str(error))
            return None
        except StoppedError:
            return Release(TOLD_TO_STOP)
        except (SwarmError, OSError) as error:
            self._log.warning("infrastructure failed", error=str(error))
            return self._infrastructure(error)
        except Exception as error:  # noqa: BLE001
            # The loop that must survive: one task that breaks us must not stop the others.
            self._log.exception("attempt broke")
            return self._infrastructure(error)
        self._pause_s = 0.0
        self._hub_standing.tell("")
        return outcome

    def _infrastructure(self, error: Exception) -> Ending:
        """Not the task's fault, so not charged; and not at once again, here or elsewhere."""
        self._pause_s = min(MAX_PAUSE_S, max(RETRY_S, self._pause_s * 2))
        reason = f"{type(error).__name__}: {error}"
        if isinstance(error, OtherHubError):
            return Release(f"{error.message}; {error.help}")
        if isinstance(error, HubUnreachableError):
            self._hub_standing.tell(error.message)
            return Release(reason)  # it is away for every task, and says nothing of this one
        return Fail(Failure(FailureKind.INFRASTRUCTURE, reason))

    def _attempt(self, claim: Claim, lease: Lease, folder: Path) -> Attempt:
        return Attempt(
            claim=claim,
            lease=lease,
            engine=self.engine,
            hub=self.hub,
            launcher=self.launcher,
            agents=self.agents,
            held=self._held,
            folder=folder,
            log=attempt_log(self.settings.home, claim.run, claim.task.id, claim.attempt),
            check_stop=self._check_stop,
            tell_of_hub=self._hub_standing.tell,
            clock=self.clock,
            is_widening=self.settings.scope == "widen",
            labels={
                "swarm.project": self.settings.project,
                "swarm.run": claim.run,
                "swarm.task": claim.task.id,
                "swarm.attempt": f"{claim.run}/{claim.task.id}/{claim.attempt}",
                "swarm.worker": self.profile.worker_id,
            },
        )

    def _report(self, claim: Claim, lease: Lease, outcome: Ending) -> bool:
        """Tell the engine, for as long as the claim can still be ours; False when nothing was told."""
        lease.stop()
        op = self.engine.new_op()  # what was told and not answered may have been heard
        while not lease.lost_because:
            try:
                self._tell(claim, outcome, lease, op)
            except StaleTokenError as error:
                self._log.warning("outcome refused", outcome=describe(outcome), reason=error.message)
                return True
            except StoreUnreachableError as error:
                self._log.warning("outcome not told yet", outcome=describe(outcome), error=error.message)
                if lease.fence_in_s() <= 0 or isinstance(error, StorePutDownError):
                    return False
                self.clock.sleep_s(RETRY_S)
                continue
            self._log.info("attempt ended", outcome=describe(outcome), kind=type(outcome).__name__)
            if isinstance(outcome, HandIn):
                crashpoint("worker.after_hand_in")
            return True
        return False

    def _tell(self, claim: Claim, outcome: Ending, lease: Lease, op: str) -> None:
        """Tell the engine how the attempt ended, and take the next task in the same call."""
        is_last = self.stopping.is_draining.is_set() or not self._takes_ahead
        if is_last or self._pause_s or isinstance(outcome, Release):
            self.engine.end(claim, outcome, usage=lease.usage, op=op)
        else:
            self._claiming.end_and_take(claim, outcome, usage=lease.usage, op=op)
        self._failed += isinstance(outcome, Fail)
        self._done += not isinstance(outcome, Fail | Release)

    def _give_back(self, claim: Claim, lease: Lease) -> None:
        """Redis was away for a lease: give the task back when it returns, before that counts as a crash.

        The agent is dead by now, and whoever has taken the task meanwhile makes our token a stale one.
        """
        while True:
            try:
                reason = "Redis did not answer for as long as a lease"
                self.engine.release(claim, reason=reason, usage=lease.usage)
            except (StaleTokenError, StorePutDownError):
                return
            except StoreUnreachableError as error:
                self._log.warning("task not given back yet", error=error.message)
            else:
                self._log.info("task given back")
                return
            if self.stopping.is_draining.wait(RETRY_S):
                return

    def _check_stop(self) -> None:
        if self.stopping.is_stopping.is_set():
            raise StoppedError

    def _let_go(self) -> None:
        """Give the task back from another thread, because the one at work does not end."""
        claim, lease = self._claim, self._lease
        with closing(self.engine.clone()) as engine:
            if claim is not None and lease is not None:
                self._claiming.give_back(engine, claim, lease.usage)
            self._leave(engine)

    def _leave(self, engine: Engine) -> None:
        """Hold nothing any more, and say that we are gone."""
        if not self._claiming.give_up(engine):
            return  # nobody would hear it
        try:
            engine.sign_off(self.profile.worker_id)
        except SwarmError as error:
            self._log.warning("could not sign off", error=error.message)

    def _tidy(self, folder: Path) -> None:
        """Remove a folder; one that cannot be removed is swept by the next worker that starts."""
        try:
            remove_workspace(folder)
        except OSError as error:
            self._log.warning("left behind", folder=str(folder), error=str(error))

    @property
    def _workspaces(self) -> Path:
        return self.settings.home / "workspaces" / self.profile.worker_id


def _open_choosing(settings: Settings) -> "Callable[[Attempt], Choosing]":
    # Imported here: few tasks ask for it, and the forms of answers take a tenth of a second.
    from workers.choosing import Choosing  # noqa: PLC0415
    from workers.reviewer import open_reviewer  # noqa: PLC0415

    reviewer = open_reviewer(settings)
    return lambda attempt: Choosing(attempt, reviewer)
