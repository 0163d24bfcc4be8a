"""Who could claim a ready task, and why nobody has."""

from collections.abc import Callable

from swarm.engine.records import AgentRecord, TaskRecord
from swarm.observe.takers import takers

Make = Callable[..., TaskRecord]


def agent(name: str, task: str = "") -> AgentRecord:
    """A worker that can do everything."""
    return AgentRecord(name, "worker", ("*",), "box", 1, "busy" if task else "idle", task, 0)


def test_a_task_that_a_worker_failed_is_left_to_others(make_task: Make) -> None:
    """An idle worker that will not get it must not look as if it could."""
    task = make_task("build", "queued", tried_by=("w-1",), queued_ms=1_000)
    agents = [agent("w-1"), agent("w-2", "r1/other")]

    said = list(takers(task, agents, 11_000))

    assert said == [
        "w-1 failed it already: it is left to others for 20s more",
        "the only worker that can take it is busy: w-2 (r1/other)",
    ]
    assert list(takers(task, agents, 32_000)) == ["1 idle worker can take it now"]


def test_a_task_that_everybody_failed_goes_to_anybody(make_task: Make) -> None:
    """Otherwise it would wait for ever."""
    task = make_task("build", "queued", tried_by=("w-1", "w-2"))

    assert list(takers(task, [agent("w-1"), agent("w-2")], 0)) == ["2 idle workers can take it now"]


def test_many_busy_workers_are_counted_and_the_first_named(make_task: Make) -> None:
    """A fleet does not fill the screen."""
    agents = [agent(f"w-{number}", f"r1/t{number}") for number in range(9)]

    (said,) = takers(make_task("build", "queued"), agents, 0)

    assert said == "all 9 workers that can are busy: w-0 (r1/t0), w-1 (r1/t1), w-2 (r1/t2) and 6 more"
