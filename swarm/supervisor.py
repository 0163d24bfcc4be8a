"""The supervisor: a loop that calls the others, and decides nothing itself.

Any number may run, on any host, at once: every step is safe to repeat and to race. One tick is
reclaim (what dead workers held) → rank (by what was learnt) → merge (what was handed in) → publish
(the branch, to the user) → archive (events, ended runs; what is old leaves Redis).
"""

import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import structlog

from swarm.archive.archiver import Archiver
from swarm.engine.claims import WorkerProfile
from swarm.engine.engine import Engine
from swarm.engine.ranking import Ranking
from swarm.engine.records import AgentRecord
from swarm.engine.snapshot import is_alive
from swarm.errors import (
    HubRefusedError,
    HubUnreachableError,
    StoreReplyError,
    StoreUnreachableError,
    SwarmError,
)
from swarm.fleet.liveness import is_dead_here
from swarm.repo.hub.hub import Hub
from swarm.repo.merging.gate_notes import hollow_green, red_advisory
from swarm.repo.merging.merge_queue import Landing, MergeQueue, Outcome

_T = TypeVar("_T")

TICK_S = 1.0
MAX_PAUSE_S = 30.0
HEARTBEAT_S = 5.0
LOOK_S = 10.0
"""So often somebody else's push to a branch is looked for while nothing lands there."""
RANKING_SHARE = 20
"""Ranking a large run takes seconds: so many times as long goes to everything else."""


@dataclass(frozen=True)
class TickReport:
    """What one tick did."""

    reclaimed: int = 0
    landings: tuple[Landing, ...] = ()

    @property
    def lost_a_slot(self) -> bool:
        """All landings were stale: trying again at once would only be refused again."""
        return bool(self.landings) and all(one.outcome == Outcome.STALE for one in self.landings)


class Supervisor:
    """One supervisor of one project."""

    def __init__(
        self,
        engine: Engine,
        hub: Hub,
        merge_queue: MergeQueue,
        *,
        worker_id: str,
        publish_to: Path | None,
        archiver: Archiver | None = None,
    ) -> None:
        self._engine = engine
        self._archiver = archiver
        self._archive_at_s = 0.0
        self._hub = hub
        self._merge_queue = merge_queue
        self._publish_to = publish_to
        self._ranking = Ranking(engine)
        self._rank_at_s = 0.0
        self._look_at_s = 0.0
        self._hub_trouble = ""
        self._log = structlog.get_logger().bind(worker=worker_id)
        self._profile = WorkerProfile(
            worker_id=worker_id, types=(), executors=(), host=socket.gethostname(), pid=os.getpid()
        )

    def run_until(self, should_stop: Callable[[], bool]) -> None:
        """Tick until told to stop; an unreachable Redis, or a held lock, is waited for, not died of."""
        beat = threading.Event()
        heart = threading.Thread(target=self._beat_until, args=(beat,), name="heartbeat", daemon=True)
        heart.start()
        last_event = self._begin(should_stop)
        is_away, pause_s = False, TICK_S
        try:
            while not should_stop():
                try:
                    report, is_away, pause_s = self.tick(should_stop), False, TICK_S
                    self._hub_trouble = self._merge_queue.trouble
                    if report.lost_a_slot:
                        beat.wait(TICK_S)
                    elif not report.landings:
                        last_event = self._wait(last_event)
                except (StoreUnreachableError, HubUnreachableError) as error:
                    self._log.warning("tick put off", error=error.message, code=error.code)
                    is_away = True
                    self._hub_trouble = error.message if isinstance(error, HubUnreachableError) else ""
                    # A hub that declines is asked by gates that ran for nothing: less and less often.
                    pause_s = min(MAX_PAUSE_S, pause_s * 2) if isinstance(error, HubRefusedError) else TICK_S
                    _wait_unless(should_stop, pause_s)
                except Exception:  # noqa: BLE001
                    # The loop that must survive: a landing that breaks must not stop the others.
                    self._log.exception("tick failed")
                    beat.wait(TICK_S)
        finally:
            beat.set()
            heart.join(timeout=HEARTBEAT_S)
        if not is_away:  # nobody would hear it
            self._sign_off()
        self._log.info("supervisor ended")

    def tick(self, should_stop: Callable[[], bool]) -> TickReport:
        """Reclaim, merge what can be merged now, publish what landed.

        Ends early when told to stop, between two trains, or when a train lost its slot.
        """
        reclaimed = self._despite_refusal(self._reclaim, "reclaiming") or []
        self._despite_refusal(self._rank, "ranking")
        try:
            landings = self._merge(should_stop)
        finally:  # also while the hub is away
            self._archive()
        self._despite_refusal(self._look, "looking at branches")
        return TickReport(len(reclaimed), landings)

    def _merge(self, should_stop: Callable[[], bool]) -> tuple[Landing, ...]:
        """Land train after train, and publish the branches."""
        landings: list[Landing] = []
        while not should_stop() and (train := self._merge_queue.land_train()):
            landings += train
            for landing in train:
                self._log.info("attempt judged", run=landing.run, task=landing.task, outcome=landing.outcome)
                if red := list(red_advisory(landing.gates).values()):
                    self._log.warning("advisory gate red", run=landing.run, task=landing.task, gates=red)
                if hollow := list(hollow_green(landing.gates)):
                    self._log.warning(
                        "gate compared nothing", run=landing.run, task=landing.task, gates=hollow
                    )
            for branch in {landing.branch for landing in train if landing.commit}:
                self._publish(branch)
            if all(landing.outcome == Outcome.STALE for landing in train):
                break
        return tuple(landings)

    def _despite_refusal(self, step: Callable[[], _T], what: str) -> _T | None:
        """Do a step that the next ones do not need: a call that the server refuses holds up no merge."""
        try:
            return step()
        except StoreReplyError as error:
            self._log.error("step refused by the server", step=what, error=error.message)
        return None

    def _begin(self, should_stop: Callable[[], bool]) -> str:
        """Repair what a killed supervisor left; return where to listen from."""
        while not should_stop():
            try:
                for frozen in self._merge_queue.reconcile():
                    self._log.error("branch is frozen", branch=frozen.branch, reason=frozen.told)
                return self._engine.last_event_id()
            except (StoreUnreachableError, HubUnreachableError) as error:
                self._log.warning("beginning put off", error=error.message)
                self._hub_trouble = error.message if isinstance(error, HubUnreachableError) else ""
                time.sleep(TICK_S)
        return "0-0"

    def _wait(self, last_event: str) -> str:
        """Sleep until something happens, or for a tick; return the last event seen."""
        events = self._engine.events(after=last_event, block_ms=int(TICK_S * 1000))
        return events[-1].id if events else last_event

    def _reclaim(self) -> list[str]:
        taken = [requeued.task for requeued in self._engine.reclaim_expired()]
        for agent in self._engine.agents():
            if self._is_gone(agent):
                self._log.warning("worker is dead", dead=agent.worker_id, task=agent.task)
                taken += [requeued.task for requeued in self._engine.reclaim_worker(agent.worker_id)]
                self._engine.sign_off(agent.worker_id)
        return taken

    def _rank(self) -> None:
        """Keep dispatch scores up to what was learnt and who is alive; events may wake us far more often."""
        began_s = time.monotonic()
        if began_s < self._rank_at_s:
            return
        now_ms = self._engine.now_ms()
        alive = [agent for agent in self._engine.agents() if is_alive(agent, now_ms)]
        self._ranking.refresh(workers=sum(agent.kind == "worker" for agent in alive), now_ms=now_ms)
        ended_s = time.monotonic()
        self._rank_at_s = ended_s + max(TICK_S, RANKING_SHARE * (ended_s - began_s))

    def _look(self) -> None:
        """Somebody's push is followed."""
        if time.monotonic() >= self._look_at_s:
            self._look_at_s = time.monotonic() + LOOK_S
            self._merge_queue.look_at_branches()

    def _archive(self) -> None:
        """Archive what has happened, once a tick; a full disk stops nothing else."""
        if self._archiver is None or time.monotonic() < self._archive_at_s:
            return
        try:
            is_done = self._archiver.step()
        except OSError as error:
            self._log.warning("not archived", error=str(error))
            is_done = True
        self._archive_at_s = time.monotonic() + TICK_S * is_done

    def _is_gone(self, agent: AgentRecord) -> bool:
        return agent.worker_id != self._profile.worker_id and is_dead_here(agent)

    def _publish(self, branch: str) -> None:
        if self._publish_to is None:
            return
        try:
            refusal = self._hub.publish(self._publish_to, branch).reason
        except SwarmError as error:
            refusal = error.message
        if refusal:
            self._log.warning("branch not published", branch=branch, reason=refusal)

    def _beat_until(self, stopped: threading.Event) -> None:
        with closing(self._engine.clone()) as engine:
            while True:
                try:
                    trouble = self._hub_trouble
                    engine.heartbeat(self._profile, kind="supervisor", state="busy", hub_trouble=trouble)
                except SwarmError as error:
                    self._log.warning("heartbeat not sent", error=error.message)
                if stopped.wait(HEARTBEAT_S):
                    return

    def _sign_off(self) -> None:
        try:
            self._engine.sign_off(self._profile.worker_id)
        except StoreUnreachableError:
            self._log.warning("could not sign off")


def _wait_unless(should_stop: Callable[[], bool], pause_s: float) -> None:
    until_s = time.monotonic() + pause_s
    while time.monotonic() < until_s and not should_stop():
        time.sleep(TICK_S / 10)
