"""Virtual workers drive the real scripts in virtual time."""

import importlib.util
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from swarm.engine.bounds import lower_bound_s
from swarm.engine.schedule import graph_of, list_schedule, upward_ranks_s
from swarm.engine.store import Store
from swarm.errors import SwarmError
from swarm.fleet.temporary_server import temporary_server
from swarm.plan.model import Plan
from swarm.simulation.forecast import simulate
from swarm.simulation.virtual_run import Estimates, Policy, run_virtually
from swarm.testing.plans import make_plan, make_task

ROOT = Path(__file__).resolve().parents[2]


def bench() -> ModuleType:
    """benchmarks/scheduling.py, which is no package."""
    spec = importlib.util.spec_from_file_location("scheduling", ROOT / "benchmarks" / "scheduling.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def workflow(name: str) -> Plan:
    """One of the measured workflows."""
    plan = bench().read_workflow(next((ROOT / "benchmarks" / "workflows").glob(f"{name}*.json")))
    assert isinstance(plan, Plan)
    return plan


def as_estimated(plan: Plan) -> dict[str, int]:
    """Each task lasts its estimate."""
    return {task.id: round(task.estimate_s * 1000) for task in plan.tasks}


@pytest.mark.parametrize("name", ["soykb", "srasearch"])
@pytest.mark.parametrize("workers", [4, 32])
def test_a_measured_workflow_is_scheduled_no_worse_than_by_list_or_submission(
    store: Store, name: str, workers: int
) -> None:
    """The target of docs/benchmarks.md, on two of its graphs; what is learnt stays near a plain queue."""
    plan = workflow(name)
    graph = graph_of(plan)

    known = run_virtually(store, plan, as_estimated(plan), workers=workers)
    fifo = run_virtually(store, plan, as_estimated(plan), workers=workers, policy=Policy.FIFO)
    learnt = run_virtually(store, plan, as_estimated(plan), workers=workers, estimates=Estimates.LEARNT)

    listed_s = list_schedule(graph, workers, upward_ranks_s(graph)).makespan_s
    assert known.makespan_s <= 1.005 * min(listed_s, fifo.makespan_s)
    assert known.makespan_s >= 0.9999 * lower_bound_s(graph, workers)
    assert learnt.makespan_s <= 1.005 * bench().ready_order_s(graph, workers)


def test_hours_pass_at_once_and_the_same_way_each_time(store: Store) -> None:
    """Two and a half hours of a recorded workflow take seconds, and end to the millisecond as before."""
    plan = workflow("soykb")
    began_s = time.monotonic()

    runs = [
        run_virtually(store, plan, as_estimated(plan), workers=8, estimates=Estimates.LEARNT)
        for _ in range(2)
    ]

    assert runs[0] == runs[1]
    assert runs[0].makespan_s > 9_000
    assert time.monotonic() - began_s < 60


def test_tasks_wait_for_dependencies_locks_and_workers(store: Store) -> None:
    """Two writers of a file do not meet, a dependent comes after; whatever is free goes on beside them."""
    plan = make_plan(
        make_task("first", files=["a.py"], estimate_s=5),
        make_task("second", files=["a.py"], estimate_s=4),
        make_task("beside", files=["b.py"], estimate_s=3),
        make_task("after", after=["beside"], estimate_s=1),
    )

    ran = run_virtually(store, plan, as_estimated(plan), workers=2)

    assert ran.starts_ms == {"first": 0, "beside": 0, "after": 3_000, "second": 5_000}
    assert ran.makespan_s == 9


def test_idle_workers_take_what_the_end_of_another_makes_claimable(store: Store) -> None:
    """Nothing to do for the second worker until the first is done; then both go on at once."""
    plan = make_plan(
        make_task("root", estimate_s=1), *(make_task(n, after=["root"], estimate_s=4) for n in ("a", "b"))
    )

    ran = run_virtually(store, plan, as_estimated(plan), workers=2)

    assert ran.starts_ms == {"root": 0, "a": 1_000, "b": 1_000}


def test_fifo_goes_by_submission_and_the_others_by_the_way_to_the_end(store: Store) -> None:
    """A long chain that was submitted last is begun last by fifo, and first by rank."""
    short = [make_task(f"s{n}", estimate_s=2, priority=9) for n in range(3)]
    plan = make_plan(*short, make_task("long", estimate_s=5), make_task("end", after=["long"], estimate_s=5))

    starts = {
        policy: run_virtually(store, plan, as_estimated(plan), workers=1, policy=policy).starts_ms["long"]
        for policy in Policy
    }

    assert starts == {Policy.FIFO: 6_000, Policy.CRITICAL_PATH: 0, Policy.LOCK_AWARE: 0}


def test_tasks_that_need_tags_find_virtual_workers_that_have_them(store: Store) -> None:
    """What a worker would have to offer is no question of how long a plan takes: they offer all of it."""
    plan = make_plan(make_task("a", needs=["gpu"], estimate_s=2), make_task("b", needs=["big"], estimate_s=3))

    ran = run_virtually(store, plan, as_estimated(plan), workers=2)

    assert ran.ends_ms == {"a": 2_000, "b": 3_000}


@pytest.mark.parametrize("policy", Policy)
def test_limits_hold_in_virtual_time_too(policy: Policy) -> None:
    """One of a type at a time; bounds know it, and so do ranks: shorter tasks in a longer line go first."""
    docs = [make_task(f"d{n}", type="docs", estimate_s=3) for n in range(4)]
    plan = make_plan(*docs, make_task("a", estimate_s=5), make_task("b", estimate_s=6))

    found = simulate(plan, workers=2, policy=policy, limits={"docs": 1})

    assert (found.makespan_s, found.lower_bound_s, found.tight_bound_s) == (12.0, 12.0, 12.0)
    assert (found.fifo_makespan_s, found.limits) == (12.0, {"docs": 1})


def test_what_ends_after_its_deadline_is_named() -> None:
    """Virtual runs fail nothing, so whoever reads the makespan is told what a real run would."""
    late, timely = (replace(make_task(name, after=["a"]), deadline_s=by) for name, by in (("b", 5), ("c", 4)))
    plan = make_plan(make_task("a", estimate_s=3), replace(late, estimate_s=3), timely)

    assert simulate(plan, workers=2).late == ["b"]
    assert simulate(plan, workers=1).late == ["b", "c"]


def test_what_can_never_begin_is_named_and_redis_is_not_blamed(store: Store) -> None:
    """Two tasks that wait for each other, as no plan file can have them."""
    plan = make_plan("free", make_task("a", after=["b"]), make_task("b", after=["a"]))

    with pytest.raises(SwarmError, match="2 of 3 tasks could never begin: 'a', 'b'") as refused:
        run_virtually(store, plan, as_estimated(plan), workers=2, policy=Policy.FIFO)

    assert refused.value.code == "SW000"
    assert "Redis" not in refused.value.help
    assert "report it with the plan" in refused.value.help


def test_durations_that_the_plan_did_not_know_decide_how_long_it_takes() -> None:
    """Measured seconds by task; one without takes its estimate. The figures fit each other."""
    plan = make_plan(make_task("a", estimate_s=1), make_task("b", estimate_s=1), make_task("c", estimate_s=2))

    found = simulate(plan, workers=2, durations_s={"a": 4.0, "b": 3.0})

    assert (found.makespan_s, found.lower_bound_s, found.tight_bound_s) == (5.0, 4.5, 4.5)
    assert found.fifo_makespan_s == 5.0
    assert found.ratio == pytest.approx(5 / 4.5, abs=1e-4)
    assert found.utilisation == pytest.approx(9 / 10)


def test_estimates_that_mislead_cost_and_measured_ones_do_not() -> None:
    """Ranks from the plan put what took longest last; ranks from what tasks took are no worse than fifo."""
    plan = make_plan(*(make_task(name, estimate_s=one) for name, one in (("a", 1), ("b", 2), ("c", 3))))
    took = {"a": 6.0, "b": 3.0, "c": 3.0}

    found = {one: simulate(plan, workers=2, durations_s=took, estimates=one) for one in Estimates}

    assert found[Estimates.PLAN].makespan_s == 9.0
    assert found[Estimates.MEASURED].makespan_s == found[Estimates.MEASURED].fifo_makespan_s == 6.0


def test_a_task_takes_as_long_as_its_agents_together() -> None:
    """Three candidates take the estimate three times; what was measured has them in it already."""
    several = replace(make_task("several", estimate_s=2), best_of=3)
    plan = make_plan(make_task("one", estimate_s=5), several)

    planned = simulate(plan, workers=1)
    measured = simulate(
        plan, workers=1, durations_s={"one": 5.0, "several": 4.0}, estimates=Estimates.MEASURED
    )

    assert (planned.makespan_s, planned.lower_bound_s) == (11.0, 11.0)
    assert measured.makespan_s == 9.0


def test_measured_ranks_are_not_multiplied_by_agents(store: Store) -> None:
    """A measurement has all agents in it: what took longer goes first."""
    several = replace(make_task("several", estimate_s=9), best_of=3)
    plan = make_plan(several, make_task("long", estimate_s=1))
    took_ms = {"several": 4_000, "long": 5_000}

    ran = run_virtually(store, plan, took_ms, workers=1, estimates=Estimates.MEASURED)

    assert ran.starts_ms == {"long": 0, "several": 5_000}


def test_whoever_waits_can_be_told_how_far_it_is() -> None:
    """Both runs, task by task; then the bounds."""
    said: list[str] = []

    simulate(make_plan("a", "b"), workers=1, at=said.append)

    assert said == [
        *("simulating lock-aware: 1 of 2 tasks", "simulating lock-aware: 2 of 2 tasks"),
        *("simulating fifo: 1 of 2 tasks", "simulating fifo: 2 of 2 tasks", "computing bounds"),
    ]


def test_a_killed_simulation_leaves_no_server() -> None:
    """The server dies with the process that started it, even when that had no time to stop it."""
    program = (
        "import os, signal\n"
        "from swarm.fleet.temporary_server import temporary_server\n"
        "from swarm.engine.connect import open_store\n"
        "with temporary_server() as url:\n"
        "    print(url, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    socket = killed.stdout.strip().removeprefix("unix://")
    assert socket

    deadline_s = time.monotonic() + 10
    while _listens(socket):
        assert time.monotonic() < deadline_s, "the server outlived its command"


def test_a_temporary_server_takes_its_folder_with_it() -> None:
    """Nothing is left in the system's temporary folder."""
    with temporary_server() as url:
        folder = Path(url.removeprefix("unix://")).parent
        assert folder.exists()

    assert not folder.exists()


def test_a_temporary_server_answers_wherever_temporary_folders_are(short_folder: Path) -> None:
    """TMPDIR may name any folder."""
    program = (
        "from swarm.fleet.temporary_server import temporary_server\n"
        "from swarm.engine.connect import open_store\n"
        "with temporary_server() as url:\n"
        "    print(open_store(url).call('PING'))\n"
    )
    odd = short_folder / "t?p #1%41"
    odd.mkdir()

    asked = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(odd)},
    )

    assert (asked.stdout, asked.stderr) == ("b'PONG'\n", "")
    assert not list(odd.iterdir())


def _listens(path: str) -> bool:
    return any(line.endswith(path) for line in Path("/proc/net/unix").read_text().splitlines())
