"""Stopping a run, and looking at it while it goes on."""

import json
import shlex
import signal
import subprocess
import time

from real_swarm import DIAMOND, Swarm, wait_for, write_task


def slow(name: str, seconds: float, *dependencies: str) -> dict[str, object]:
    """A task that takes this long."""
    task = write_task(name, *dependencies)
    command = [*task["command"]]  # type: ignore[misc]
    command[2] = command[2].replace("time.sleep(0.15)", f"time.sleep({seconds})")
    return task | {"command": command}


def states(swarm: Swarm) -> dict[str, str]:
    """Task -> state of the newest run; nothing before there is one."""
    done = swarm.call("tasks", "--json")
    return {row["id"]: row["state"] for row in json.loads(done.stdout)} if done.returncode == 0 else {}


def test_one_interrupt_drains_and_resume_goes_on(swarm: Swarm) -> None:
    """The task at work finishes, nothing new starts, and exit code 130 says that it is not over."""
    run = swarm.start(
        "run", swarm.plan([slow("first", 2), slow("second", 0.1, "first")]), "-y", "--workers", "1"
    )
    wait_for(lambda: states(swarm).get("first") == "running", "the first task to run")

    run.send_signal(signal.SIGINT)

    assert run.wait(30) == 130
    assert states(swarm)["first"] in {"merging", "done"}
    resumed = swarm.call("run", "--resume", "latest", "--workers", "1")
    assert resumed.returncode == 0
    assert "second taken by" in resumed.stderr
    assert "first taken by" not in resumed.stderr, "what happened before is not told as if it were now"
    assert swarm.json("report")["attempts"] == 2


def test_two_interrupts_stop_at_once_without_charging_the_task(swarm: Swarm) -> None:
    """The task at work goes back to the queue, as if it had never been claimed."""
    run = swarm.start("run", swarm.plan([slow("long", 60)]), "-y", "--workers", "1")
    wait_for(lambda: states(swarm).get("long") == "running", "the task to run")

    run.send_signal(signal.SIGINT)
    time.sleep(0.5)  # two presses of a key, not one
    run.send_signal(signal.SIGINT)

    assert run.wait(30) == 130
    assert states(swarm)["long"] == "queued"
    assert swarm.json("why", "long")["task"] == "long"


def test_redis_cli_gives_the_numbers_that_queue_shows(swarm: Swarm) -> None:
    """Each figure of `swarm queue` is one line of redis-cli away, while a run is going."""
    plan = [slow("holder", 20), slow("waiter", 0.1) | {"files": ["out/holder.txt"]}, slow("free", 20)]
    run = swarm.start("run", swarm.plan(plan), "-y", "--workers", "2")
    wait_for(
        lambda: sorted(states(swarm).values()) == ["queued", "running", "running"],
        "two tasks to run, one to wait",
    )

    shown = swarm.json("queue")
    explained = swarm.call("queue", "--explain").stdout
    lines = [line.strip() for line in explained.splitlines() if "redis-cli" in line]

    assert lines
    for line in lines:
        figure, _, command = line.partition("redis-cli")
        argv = shlex.split("redis-cli" + command)
        answer = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        assert int(answer) == int(figure.split()[-1]), line
    assert shown["queues"] == [{"type": "general", "ready": 0, "parked": 1}]
    assert shown["leased"] == 2
    run.send_signal(signal.SIGINT)
    time.sleep(0.5)  # two presses of a key, not one
    run.send_signal(signal.SIGINT)
    run.wait(30)


def test_a_terminated_run_says_so_and_how_to_go_on(swarm: Swarm) -> None:
    """SIGTERM drains like Ctrl-C, the note is written once, and the exit code is 143."""
    run = subprocess.Popen(
        swarm.argv(
            "run", swarm.plan([slow("first", 2), slow("second", 0.1, "first")]), "-y", "--workers", "1"
        ),
        env=swarm.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    swarm.started.append(run)
    wait_for(lambda: states(swarm).get("first") == "running", "the first task to run")

    run.terminate()
    _, told = run.communicate(timeout=30)

    assert run.returncode == 143
    assert told.count("draining") == 1
    assert "swarm run --resume" in told


def test_a_run_that_redis_has_lost_is_refused_loudly(swarm: Swarm) -> None:
    """FLUSHALL under a run: exit 6 with the way back, and running the plan again ends in the same history."""
    plan = swarm.plan([slow("first", 3), slow("second", 0.1, "first")])
    run = swarm.start("run", plan, "-y", "--workers", "1")
    wait_for(lambda: states(swarm).get("first") == "running", "the first task to run")
    note = json.loads((swarm.root / ".swarm" / "server" / "server.json").read_text(encoding="utf-8"))

    subprocess.run(["redis-cli", "-s", note["url"].removeprefix("unix://"), "flushall"], check=True)

    assert run.wait(30) == 6
    report = swarm.json("run", plan, "-y", "--workers", "1")
    assert report["state"] == "done"
    assert len(swarm.trailers(str(report["branch"]))) == 2


def test_cancel_ends_a_run_and_its_agents(swarm: Swarm) -> None:
    """Workers learn of it with their next renewal, and the run's exit code is 1."""
    run = swarm.start("run", swarm.plan([slow("long", 60), *DIAMOND]), "-y", "--workers", "1")
    wait_for(lambda: "running" in states(swarm).values(), "a task to run")

    swarm.json("cancel")

    assert run.wait(30) == 1
    assert set(states(swarm).values()) <= {"cancelled", "done"}
