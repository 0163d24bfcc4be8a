"""Workers without a supervisor: whoever is alive takes back what dead ones held, however busy it is."""

import pytest
from real_swarm import wait_for
from worker_rig import Rig, sh

from swarm.engine.claims import WorkerProfile
from swarm.engine.engine import Engine
from swarm.engine.store import Store
from swarm.engine.words import text_of
from swarm.plan.model import Plan, TaskSpec
from swarm.states import TaskState
from workers.ticking import Ticking

DEAD = WorkerProfile("elsewhere-1-abcd", executors=("command",))
LONG = [sh("long", "sleep 600")]
MANY = [sh(f"t{number}", "true") for number in range(1000)]


@pytest.mark.parametrize("work", [LONG, MANY], ids=["in one long attempt", "with one attempt after another"])
def test_a_busy_worker_takes_back_what_a_dead_one_held(rig: Rig, work: list[TaskSpec]) -> None:
    """It has no time to be idle, and there is nobody else."""
    rig.lease_s = 2.0
    rig.engine.lease_ms = 2_000
    lost = rig.submit(sh("lost", "true"))
    assert rig.engine.claim(DEAD, "c1") is not None
    run = rig.submit(*work)
    rig.start_worker()

    wait_for(lambda: rig.task(lost, "lost").crashes == 1, "the dead worker's task to be taken back", 20)

    assert rig.task(run, work[-1].id).state in {TaskState.ACKED, TaskState.RUNNING, TaskState.QUEUED}


def test_a_busy_worker_enforces_the_deadline_of_a_run(rig: Rig) -> None:
    """Its own attempt, which has hours to go, is ended by it as well."""
    rig.start_worker()
    wait_for(rig.engine.agents, "the worker")  # to start takes seconds where much else runs
    run = rig.engine.submit(Plan(tuple(LONG)), base=rig.base, deadline_s=5)
    wait_for(lambda: rig.task(run, "long").state is TaskState.RUNNING, "the attempt to begin")

    ended = wait_for(lambda: rig.engine.run(run).ended_ms, "the run to end", 15)

    assert rig.task(run, "long").failure_reason == "the deadline of its run has passed"
    assert ended - rig.engine.run(run).deadline_ms < 10_000
    wait_for(lambda: not list(rig.home.glob("workspaces/*/*")), "its workspace to go")


def test_a_tick_that_fails_is_logged_and_followed_by_another(
    engine: Engine, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was wrong may be right again two seconds later."""
    tick = engine.keys.of("tick")
    store.call("SET", tick, "not a hash")
    seen = ""

    def has_failed() -> bool:
        nonlocal seen
        seen += capsys.readouterr().out
        return "tick failed" in seen

    with Ticking(engine):
        assert wait_for(has_failed, "a tick to fail")
        store.call("DEL", tick)
        assert wait_for(lambda: text_of(store.call("TYPE", tick)) == "hash", "another tick")
