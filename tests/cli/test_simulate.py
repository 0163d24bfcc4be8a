"""`simulate`: what a plan or a run takes, for people and programs; and the forecast of `status`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from swarm.plan.model import TaskSpec
from swarm.testing.plans import make_task

# Any: these are the fixtures' own types, and a test cannot import from its conftest.
Swarm = Callable[..., Any]
Bench = Any
Task = Callable[..., TaskSpec]

KEYS = {
    *("makespan_s", "lower_bound_s", "tight_bound_s", "ratio", "utilisation", "fifo_makespan_s"),
    *("policy", "estimates", "workers", "tasks", "limits", "late"),
}


def write_plan(folder: Path) -> None:
    """Two quick tasks, and a slow pair that is written last."""
    rows = [
        {"id": "s1", "description": "d", "command": ["true"], "estimate_s": 2},
        {"id": "s2", "description": "d", "command": ["true"], "estimate_s": 2},
        {"id": "long", "description": "d", "command": ["true"], "estimate_s": 4},
    ]
    (folder / "plan.json").write_text(json.dumps(rows))


def test_a_plan_is_simulated_beside_bounds_and_fifo(swarm: Swarm, folder: Path) -> None:
    """The documented keys, with figures that can be checked by hand."""
    write_plan(folder)

    data = swarm("simulate", "plan.json", "--workers", "2", "--json").json()
    fifo = swarm("simulate", "plan.json", "--workers", "2", "--policy", "fifo", "--json").json()

    assert set(data) == KEYS
    assert (data["makespan_s"], data["fifo_makespan_s"], data["lower_bound_s"]) == (4.0, 6.0, 4.0)
    assert (data["ratio"], data["utilisation"], data["tasks"]) == (1.0, 1.0, 3)
    assert (fifo["makespan_s"], fifo["policy"]) == (6.0, "fifo")


def test_a_person_reads_what_it_saves(swarm: Swarm, folder: Path) -> None:
    """One line a figure."""
    write_plan(folder)

    shown = swarm("simulate", "plan.json", "--workers", "2").out

    assert "4.000 s for 3 tasks with 2 workers" in shown
    assert "6.000 s, of which this saves 33.3%" in shown


def test_a_recorded_run_is_replayed_with_its_own_measurements(swarm: Swarm, bench: Bench, task: Task) -> None:
    """What it took stands beside; what did not become done counts with its estimate."""
    run = bench.submit(task("a"), task("b", "a"), task("c"))
    bench.engine.heartbeat(bench.worker, kind="worker", state="busy")
    bench.land()

    data = swarm("simulate", "--events", "latest", "--json").json()

    assert set(data) == KEYS | {"run", "recorded_makespan_s", "unmeasured"}
    assert (data["run"], data["workers"], data["unmeasured"]) == (run, 1, 2)
    assert 600 <= data["makespan_s"] < 700
    assert 0 < data["recorded_makespan_s"] < 600
    assert (
        f"in run {run}, merging included, 2 of its tasks by their estimates"
        in swarm("simulate", "--events", run).out
    )


def test_a_replay_says_where_its_ranks_come_from(swarm: Swarm, bench: Bench, task: Task) -> None:
    """The durations are measured and the order is made of estimates, unless it is asked for otherwise."""
    bench.submit(task("a"), task("b"))
    bench.land()

    plan = swarm("simulate", "--events", "latest").out
    measured = swarm("simulate", "--events", "latest", "--estimates", "measured").out
    fifo = swarm("simulate", "--events", "latest", "--policy", "fifo").out

    assert "from the plan's estimates, corrected by what is learnt" in plan
    assert "from what tasks took" in measured
    assert "ranks" not in fifo


def test_where_nothing_was_measured_the_estimates_are_said_to_count(
    swarm: Swarm, folder: Path, bench: Bench, task: Task
) -> None:
    """Of a plan, and of a run of which nothing is done."""
    write_plan(folder)
    bench.submit(task("a"))

    for words in (["plan.json"], ["--events", "latest"]):
        shown = swarm("simulate", *words, "--estimates", "measured").out
        assert "from the plan's estimates: nothing was measured" in shown
        assert "from what tasks took" not in shown
        asked = swarm("simulate", *words, "--estimates", "measured", "--json").json()
        assert asked["estimates"] == "unmeasured"


def test_an_order_that_takes_longer_than_fifo_is_said_to_cost(swarm: Swarm, folder: Path) -> None:
    """Of durations that nobody knows the long one looks like any other; no saving is negative."""
    rows = [
        {"id": name, "description": "d", "command": ["true"], "estimate_s": seconds, "dependencies": after}
        for name, seconds, after in (
            *(("long", 6, []), ("x1", 1, []), ("y1", 1, ["x1"])),
            *(("x2", 1, []), ("y2", 1, ["x2"])),
        )
    ]
    (folder / "plan.json").write_text(json.dumps(rows))

    shown = swarm("simulate", "plan.json", "--workers", "2", "--estimates", "learnt").out

    assert "6.000 s, and this costs 16.7% more" in shown
    assert "from the means of types, learnt as tasks end" in shown


def test_a_plan_or_run_that_needs_tags_is_simulated(swarm: Swarm, folder: Path, bench: Bench) -> None:
    """The virtual workers offer whatever is needed, here and in a replay."""
    row = {"id": "a", "description": "d", "command": ["true"], "estimate_s": 2, "needs": ["gpu"]}
    (folder / "plan.json").write_text(json.dumps([row]))
    bench.submit(make_task("a", needs=["gpu"], estimate_s=3))

    assert swarm("simulate", "plan.json", "--json").json()["makespan_s"] == 2.0
    assert swarm("simulate", "--events", "latest", "--json").json()["makespan_s"] == 3.0


def test_what_would_miss_its_deadline_is_said(swarm: Swarm, folder: Path) -> None:
    """A task that waits 300 s and has 5 counts as done in the simulation, and would fail in a run."""
    rows = [
        {"id": "slow", "description": "d", "command": ["true"], "estimate_s": 300},
        {"id": "b", "description": "d", "command": ["true"], "dependencies": ["slow"], "deadline_s": 5},
    ]
    (folder / "plan.json").write_text(json.dumps(rows))

    assert swarm("simulate", "plan.json", "--json").json()["late"] == ["b"]
    assert "past their deadline, where a run would fail them: 'b'" in swarm("simulate", "plan.json").out


def test_what_a_deadline_of_the_run_would_fail_is_said(swarm: Swarm, folder: Path, bench: Bench) -> None:
    """As of tasks' own deadlines, of which the earlier one counts; of a plan and of a recorded run."""
    rows = [
        {"id": name, "description": "d", "command": ["true"], "estimate_s": 100, "dependencies": list(after)}
        for name, after in (("a", ""), ("b", "a"), ("c", "b"), ("d", "c"))
    ]
    rows[1]["deadline_s"] = 150
    rows[3]["deadline_s"] = 900
    (folder / "plan.json").write_text(json.dumps(rows))
    bench.submit(*(make_task(name, after=after, estimate_s=100.0) for name, after in (("a", ""), ("b", "a"))))

    def late(*words: str) -> list[str]:
        return list(swarm("simulate", *words, "--json").json()["late"])

    assert late("plan.json") == ["b"]
    assert late("plan.json", "--deadline", "300") == ["b", "d"]
    assert late("plan.json", "--deadline", "400") == ["b"]
    assert late("--events", "latest", "--deadline", "150") == ["b"]
    assert "past their deadline, where" in swarm("simulate", "plan.json", "--deadline", "50").out


def test_limits_of_the_project_hold_in_a_simulation(swarm: Swarm, folder: Path, bench: Bench) -> None:
    """Those of swarm.toml for a plan, those in force for a run; both are said."""
    rows = [
        {"id": f"d{n}", "description": "d", "type": "docs", "command": ["true"], "estimate_s": 300}
        for n in range(4)
    ]
    (folder / "plan.json").write_text(json.dumps(rows))
    with (folder / "swarm.toml").open("a") as config:
        config.write("\n[limits]\ndocs = 1\n")
    bench.submit(*(make_task(f"d{n}", type="docs", estimate_s=300) for n in range(4)))
    bench.engine.limit("docs", 2)

    planned = swarm("simulate", "plan.json", "--workers", "4", "--json").json()
    again = swarm("simulate", "--events", "latest", "--workers", "4", "--json").json()

    assert (planned["makespan_s"], planned["lower_bound_s"], planned["limits"]) == (1200, 1200, {"docs": 1})
    assert (again["makespan_s"], again["lower_bound_s"], again["limits"]) == (600, 600, {"docs": 2})
    assert "docs: at most 1 at once" in swarm("simulate", "plan.json", "--workers", "4").out


def test_bad_input_says_what_to_give(swarm: Swarm, folder: Path) -> None:
    """Neither, both, or a run that there is not."""
    write_plan(folder)

    for words in ([], ["plan.json", "--events", "latest"]):
        refused = swarm("simulate", *words)
        assert refused.code == 2
        assert "give either a PLAN or --events RUN" in refused.err
    assert swarm("simulate", "plan.json", "--workers", "0").code == 2


def test_status_foresees_the_end_of_a_live_run(swarm: Swarm, bench: Bench, task: Task) -> None:
    """By estimates at first; null when nobody works, and when it has ended."""
    bench.submit(task("a"), task("b", "a"))
    idle = swarm("status", "--json").json()
    bench.engine.heartbeat(bench.worker, kind="worker", state="busy")

    data = swarm("status", "--json").json()

    assert (idle["forecast_s"], idle["eta_ms"]) == (None, None)
    assert data["forecast_s"] == 600
    assert data["eta_ms"] == data["taken_ms"] + 600_000
    assert "about 10m00s more" in swarm("status").out
    bench.land()
    assert swarm("status", "--json").json()["forecast_s"] < 300, "what was learnt counts"
    bench.land()
    assert swarm("status", "--json").json()["forecast_s"] is None
