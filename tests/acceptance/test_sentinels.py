"""`swarm run` on a Redis behind sentinels, all of which ask for passwords, while its master is killed."""

from contextlib import closing
from pathlib import Path

from many_servers import PASSWORD, wait_for, watched
from real_swarm import Swarm, write_task

from swarm.engine.connect import open_store
from swarm.engine.engine import Engine
from swarm.states import TaskState
from swarm.testing.checker import assert_sound

SENTINELS_OWN = "not-the-servers"
TASKS = 12
BEFORE = 3
"""So many tasks have landed when the master is killed."""


def test_a_run_goes_on_when_the_master_behind_sentinels_is_killed(swarm: Swarm, tmp_path: Path) -> None:
    """Workers, supervisor and the command itself find the new master: each task lands once, exit code 0."""
    plan = swarm.plan([write_task(f"t{n}", *([f"t{n - 1}"] if n else [])) for n in range(TASKS)])
    with watched(tmp_path / "servers", sentinel_password=SENTINELS_OWN) as servers:
        swarm.environment["REDIS_URL"] = servers.url
        run = swarm.start("run", plan, "-y", "--workers", "2")
        with closing(
            Engine(open_store(servers.url, timeout_s=2.0), swarm.root.name, patience_s=30.0)
        ) as engine:
            wait_for(lambda: _done(engine) >= BEFORE, "the first tasks to land")
            killed = servers.master()
            killed.stop()

            code = run.wait(timeout=120)

            [name] = engine.run_ids()
            record = engine.run(name)
            with closing(open_store(servers.url)) as store:
                assert_sound(engine, store)
        now = servers.master()

    assert code == 0, swarm.told()
    assert now is not killed
    assert record.counts[TaskState.DONE] == TASKS
    assert sorted(line.split("/")[1] for line in swarm.trailers(record.branch)) == sorted(
        f"t{n}" for n in range(TASKS)
    )
    assert PASSWORD not in swarm.told()
    assert SENTINELS_OWN not in swarm.told()


def _done(engine: Engine) -> int:
    return sum(engine.run(name).counts[TaskState.DONE] for name in engine.run_ids())
