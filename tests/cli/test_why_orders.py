"""What people have ordered, in the chain that `swarm why` prints."""

from dataclasses import replace

from why_chain import Bench, Swarm, Task, chain

from swarm.engine.claims import Failure, WorkerProfile
from swarm.states import FailureKind

PAUSED = "type 'general' is paused: `swarm resume --type general` goes on with it"


def test_a_pause_is_named_whatever_else_a_task_waits_for(swarm: Swarm, bench: Bench, task: Task) -> None:
    """A lock that becomes free, a backoff that ends, a dependency that lands: the pause would still hold."""
    bench.submit(
        replace(task("build"), estimate_s=900), task("shared", files=("build.py",)), task("after", "build")
    )
    bench.claim()
    assert bench.engine.claim(WorkerProfile("w-2"), "w-2-1") is None
    bench.engine.pause_type("general")

    parked, pending = chain(swarm, "shared"), chain(swarm, "after")
    bench.engine.limit("general", 1)
    limited = [text for _, text in chain(swarm, "shared")]

    assert parked[0][1].startswith("queued: parked on build.py")
    assert parked[1] == ("shared", PAUSED)
    assert pending[:2] == [("after", "pending: waits for 1 dependency: build"), ("after", PAUSED)]
    assert limited[1:3] == [PAUSED, "type 'general' is limited to 1 task at once"]


def test_a_pause_is_named_beside_a_backoff(swarm: Swarm, bench: Bench, task: Task) -> None:
    """Its end is not the end of the waiting."""
    bench.submit(task("build"))
    bench.engine.fail(bench.claim(), Failure(FailureKind.TASK_ERROR, "exit code 1"))
    bench.engine.pause_type("general")

    links = chain(swarm, "build")

    assert links[0][1].startswith("queued: in backoff until ")
    assert links[1:] == [("build", PAUSED)]


def test_what_holds_every_task_of_a_chain_is_said_first_and_last(
    swarm: Swarm, bench: Bench, task: Task
) -> None:
    """Not at every link in between."""
    bench.submit(task("a"), task("b", "a"), task("c", "b"))
    bench.engine.heartbeat(bench.worker, kind="worker", state="idle")
    bench.engine.pause_type("general")

    assert [text for _, text in chain(swarm, "c")] == [
        "pending: waits for 1 dependency: b",
        PAUSED,
        "pending: waits for 1 dependency: a",
        "queued: ready in queue 'general'",
        PAUSED,
    ]


def test_what_takes_a_pause_back_is_the_next_step(swarm: Swarm, bench: Bench, task: Task) -> None:
    """Before anything that helps only without it, also where the pause is further along the chain."""
    run = bench.submit(replace(task("train"), needs=("gpu",)), task("guide", kind="docs"), task("b", "guide"))
    bench.engine.heartbeat(bench.worker, kind="worker", state="idle")
    bench.engine.pause(run)
    bench.engine.pause_type("docs")

    def following(name: str) -> object:
        return swarm("why", name, "--json").json()["next"]

    own = f"swarm resume {run}"
    assert following("train") == [own, "swarm worker --types general --tags gpu"]
    assert following("guide") == following("b") == [own, "swarm resume --type docs"]
    bench.engine.resume(run)
    bench.engine.resume_type("docs")
    assert following("guide") == []


def test_a_pause_that_holds_nothing_of_a_task_is_no_step_of_it(
    swarm: Swarm, bench: Bench, task: Task
) -> None:
    """It is held already, or of another type."""
    run = bench.submit(task("a"), task("guide", kind="docs"))
    bench.engine.heartbeat(bench.worker, kind="worker", state="busy")
    held = bench.claim().task.id
    bench.engine.pause_type("*")

    assert swarm("why", held, "--json").json()["next"] == [f"swarm logs {held} --run {run} -f"]


def test_that_no_worker_is_alive_is_named_beside_a_pause(swarm: Swarm, bench: Bench, task: Task) -> None:
    """Whoever resumes what was killed meanwhile would wait in vain."""
    run = bench.submit(task("build"))
    bench.engine.pause_type("general")

    killed = swarm("why", "build", "--json").json()
    bench.engine.heartbeat(bench.worker, kind="worker", state="idle")
    living = [text for _, text in chain(swarm, "build")]

    assert [link["text"] for link in killed["chain"]][1:] == [PAUSED, "no worker is alive"]
    assert killed["next"] == ["swarm resume --type general", f"swarm run --resume {run}"]
    assert living[1:] == [PAUSED]
