"""Driving a run: what a person asked for while it went on still counts when it has ended."""

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from swarm.base_check import BaseCheck
from swarm.driving import drive
from swarm.engine.claims import Failure, WorkerProfile
from swarm.engine.engine import Engine
from swarm.engine.snapshot import Snapshot
from swarm.fleet.local import LocalFleet
from swarm.settings import Settings
from swarm.states import FailureKind, RunState
from swarm.testing.plans import BASE, make_plan, make_task


class Listening(BaseCheck):
    """A check of the base that never comes to a verdict, and notes whether anybody would wait for it."""

    was_asked_to_stop = False

    def end(self, *, patience_s: float = 0.0, is_asked_to_stop: Callable[[], bool] = lambda: False) -> None:
        """As the real one asks while it waits."""
        self.was_asked_to_stop = patience_s > 0 and is_asked_to_stop()


def test_an_interrupt_just_before_the_end_is_an_interrupt(
    engine: Engine, redis_url: str, tmp_path: Path
) -> None:
    """It came between the last look at the run and the one that sees its end: no verdict is waited for."""
    settings = Settings(root=tmp_path, home=tmp_path / ".swarm", redis_url=redis_url)
    run = engine.submit(make_plan(make_task("a", max_attempts=1)), base=BASE)
    fleet = LocalFleet(settings, redis_url, 0, {})
    check = Listening(settings, BASE, run_folder=tmp_path)

    def interrupt_and_fail(snapshot: Snapshot, note: str = "") -> None:
        assert not note.startswith("warning")
        if snapshot.run.state is RunState.ACTIVE:
            os.kill(os.getpid(), signal.SIGINT)
            claim = engine.claim(WorkerProfile("w"), "c1")
            assert claim is not None
            engine.fail(claim, Failure(FailureKind.GATE_FAILED, "red"))

    driven = drive(settings, engine, run, fleet, show=interrupt_and_fail, check=check)

    assert driven.snapshot.run.state is RunState.FAILED
    assert check.was_asked_to_stop


def test_tags_that_no_worker_has_are_told_once(engine: Engine, redis_url: str, tmp_path: Path) -> None:
    """At the first look with a worker; what this run's own workers will have is not missing."""
    settings = Settings(root=tmp_path, home=tmp_path / ".swarm", redis_url=redis_url, tags="big")
    plan = make_plan(replace(make_task("a"), needs=("gpu",)), replace(make_task("b"), needs=("big",)))
    run = engine.submit(plan, base=BASE)
    engine.heartbeat(WorkerProfile("w"), kind="worker", state="idle")
    notes: list[str] = []

    def look(snapshot: Snapshot, note: str = "") -> None:
        del snapshot
        notes.append(note)
        if len(notes) == 3:
            engine.cancel(run)

    drive(settings, engine, run, LocalFleet(settings, redis_url, 0, {}), show=look)

    start = "swarm worker --types general --tags gpu"
    assert notes[:3] == [f"no worker alive has the tags of queue 'general+gpu': `{start}` starts one", "", ""]
