"""Stopping a run, and looking at it while it goes on."""

import json
import os
import shlex
import signal
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from real_swarm import DIAMOND, Swarm, wait_for, write_task

from swarm.engine.connect import PATIENCE_S, open_store
from swarm.engine.words import text_of
from swarm.fleet.server_file import running_url

pytestmark = pytest.mark.usefixtures("uncounted")

PROMPTLY_S = PATIENCE_S * 3 / 4
"""Whoever waits for a lost server with all the patience there is takes longer."""


def held(swarm: Swarm, name: str) -> dict[str, object]:
    """A task that is at work until the test lets it go."""
    task = write_task(name)
    command = [*task["command"]]  # type: ignore[misc]
    wait = f"import pathlib, time\nwhile not pathlib.Path({str(gate(swarm))!r}).exists(): time.sleep(0.02)\n"
    command[2] = wait + command[2]
    return task | {"command": command}


def gate(swarm: Swarm) -> Path:
    """The file that held tasks wait for."""
    return swarm.root.parent / "go"


def interrupt_twice(swarm: Swarm, run: "subprocess.Popen[bytes]") -> None:
    """Two presses of a key: the second once the first was heard."""
    run.send_signal(signal.SIGINT)
    wait_for(lambda: "draining" in swarm.told(), "the first interrupt to be heard")
    run.send_signal(signal.SIGINT)


def states(swarm: Swarm) -> dict[str, str]:
    """Task -> state of the newest run; nothing before there is one."""
    done = swarm.call("tasks", "--json")
    return {row["id"]: row["state"] for row in json.loads(done.stdout)} if done.returncode == 0 else {}


def test_one_interrupt_drains_and_resume_goes_on(swarm: Swarm) -> None:
    """The task at work finishes, nothing new starts, and exit code 130 says that it is not over."""
    plan = swarm.plan([held(swarm, "first"), write_task("second", "first")])
    run = swarm.start("run", plan, "-y", "--workers", "1")
    wait_for(lambda: states(swarm).get("first") == "running", "the first task to run")

    run.send_signal(signal.SIGINT)
    wait_for(lambda: "draining" in swarm.told(), "the interrupt to be heard")
    gate(swarm).touch()

    assert run.wait(30) == 130
    assert states(swarm)["first"] in {"merging", "done"}
    resumed = swarm.call("run", "--resume", "latest", "--workers", "1")
    assert resumed.returncode == 0
    assert "second taken by" in resumed.stderr
    assert "first taken by" not in resumed.stderr, "what happened before is not told as if it were now"
    assert swarm.json("report")["attempts"] == 2


def test_an_interrupt_ends_the_wait_for_the_verdict_on_the_base(swarm: Swarm) -> None:
    """The run has ended, and only its base's gate is still being heard out: nobody has to wait for that."""
    slow_there = "import os, sys, time; time.sleep(0 if os.path.exists('out') else 600); sys.exit(1)"
    config = f'[gate.slow]\ncommand = ["python3", "-c", "{slow_there}"]\n'
    (swarm.root / "swarm.toml").write_text(config, encoding="utf-8")
    swarm.git("commit", "-qam", "add a slow gate")
    run = swarm.start("run", swarm.plan([write_task("a") | {"max_attempts": 1}]), "-y", "--workers", "1")
    wait_for(lambda: "the run ended: failed" in swarm.told(), "the run to fail")
    is_waiting = run.poll() is None

    run.send_signal(signal.SIGINT)

    assert is_waiting
    assert run.wait(30) == 1


def test_two_interrupts_stop_at_once_without_charging_the_task(swarm: Swarm) -> None:
    """The task at work goes back to the queue, as if it had never been claimed."""
    run = swarm.start("run", swarm.plan([held(swarm, "long")]), "-y", "--workers", "1")
    wait_for(lambda: states(swarm).get("long") == "running", "the task to run")

    interrupt_twice(swarm, run)

    assert run.wait(30) == 130
    assert states(swarm)["long"] == "queued"
    assert swarm.json("why", "long")["task"] == "long"


def with_password(swarm: Swarm) -> dict[str, str]:
    """The environment in which redis-cli is let in, as `swarm queue --explain` says."""
    password = (swarm.root / ".swarm" / "server" / "password").read_text(encoding="ascii").strip()
    return {**os.environ, "REDISCLI_AUTH": password}


def test_redis_cli_gives_the_numbers_that_queue_shows(swarm: Swarm) -> None:
    """Each figure of `swarm queue` is one line of redis-cli away, while a run is going."""
    plan = [
        held(swarm, "holder"),
        write_task("waiter", files=("out/holder.txt",)),
        held(swarm, "free"),
    ]
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
        answer = subprocess.run(
            argv, env=with_password(swarm), capture_output=True, text=True, check=True
        ).stdout
        assert int(answer) == int(figure.split()[-1]), line
    assert shown["queues"] == [{"type": "general", "ready": 0, "parked": 1}]
    assert shown["leased"] == 2
    interrupt_twice(swarm, run)
    run.wait(30)


def test_a_terminated_run_says_so_and_how_to_go_on(swarm: Swarm) -> None:
    """SIGTERM drains like Ctrl-C, the note is written once, and the exit code is 143."""
    plan = swarm.plan([held(swarm, "first"), write_task("second", "first")])
    run = swarm.start("run", plan, "-y", "--workers", "1")
    wait_for(lambda: states(swarm).get("first") == "running", "the first task to run")

    run.terminate()
    wait_for(lambda: "draining" in swarm.told(), "the signal to be heard")
    gate(swarm).touch()

    assert run.wait(30) == 143
    assert swarm.told().count("draining") == 1
    assert "swarm run --resume" in swarm.told()


def test_a_run_that_redis_has_lost_is_refused_loudly(swarm: Swarm) -> None:
    """FLUSHALL under a run: exit 6 with the way back, and running the plan again ends in the same history."""
    plan = swarm.plan([held(swarm, "first"), write_task("second", "first")])
    run = swarm.start("run", plan, "-y", "--workers", "1")
    wait_for(lambda: states(swarm).get("first") == "running", "the first task to run")
    note = json.loads((swarm.root / ".swarm" / "server" / "server.json").read_text(encoding="utf-8"))

    subprocess.run(["redis-cli", "-s", note["socket"], "flushall"], env=with_password(swarm), check=True)

    assert run.wait(30) == 6
    gate(swarm).touch()
    report = swarm.json("run", plan, "-y", "--workers", "1")
    assert report["state"] == "done"
    assert len(swarm.trailers(str(report["branch"]))) == 2


def test_cancel_ends_a_run_and_its_agents(swarm: Swarm) -> None:
    """Workers learn of it with their next renewal, and the run's exit code is 1."""
    run = swarm.start("run", swarm.plan([held(swarm, "long"), *DIAMOND]), "-y", "--workers", "1")
    wait_for(lambda: "running" in states(swarm).values(), "a task to run")

    swarm.json("cancel")

    assert run.wait(30) == 1
    assert set(states(swarm).values()) <= {"cancelled", "done"}


def test_looking_at_a_stopped_project_leaves_its_server_stopped(swarm: Swarm) -> None:
    """Whoever looks is told what is stored; a run starts the server to stay."""
    run = swarm.json("run", swarm.plan([write_task("only")]), "-y")["run"]
    home = swarm.root / ".swarm"
    assert swarm.json("down")["stopped"] is True

    looked = [swarm.json("status"), swarm.json("doctor"), swarm.json("cancel", "latest")]

    assert looked[0]["run"]["run"] == run  # type: ignore[index]  # JSON
    assert running_url(home) is None
    assert swarm.json("down")["stopped"] is False
    assert swarm.call("run", "--resume", "latest").returncode == 0
    assert swarm.call("status").returncode == 0
    assert running_url(home) is not None


def test_the_socket_of_a_stopped_server_is_shown_with_what_starts_it(swarm: Swarm) -> None:
    """It is there only while somebody looks, and whoever reads of it comes later."""
    swarm.json("run", swarm.plan([write_task("only")]), "-y")
    socket = urlsplit(running_url(swarm.root / ".swarm") or "").path
    words = "stopped by `swarm down`: `swarm run`, `submit`, `worker` or `supervisor` starts it"

    running = [swarm.call("doctor").stdout, swarm.call("queue", "--explain").stdout]
    swarm.json("down")
    stopped = [swarm.call("doctor").stdout, swarm.call("queue", "--explain").stdout]

    assert [(socket in shown, words in shown) for shown in running] == [(True, False)] * 2
    assert [(socket in shown, words in shown) for shown in stopped] == [(True, True)] * 2
    assert swarm.json("queue", "--explain")["stopped"] is True


def test_a_server_that_is_put_down_ends_the_run_that_used_it(swarm: Swarm) -> None:
    """A run does not start again what a person has stopped; it says how to go on."""
    run = swarm.start("run", swarm.plan([held(swarm, "first")]), "-y", "--workers", "1")
    wait_for(lambda: states(swarm).get("first") == "running", "the first task to run")

    swarm.call("down")

    assert run.wait(PROMPTLY_S) == 3
    assert "error[SW014]: the embedded server was stopped by `swarm down`" in swarm.told()
    assert running_url(swarm.root / ".swarm") is None
    gate(swarm).touch()
    assert swarm.call("run", "--resume", "latest", "--workers", "1").returncode == 0


def test_whoever_follows_a_run_ends_with_the_server_that_is_put_down(swarm: Swarm) -> None:
    """Nothing more will come, and waiting for it is no use."""
    swarm.json("submit", swarm.plan([write_task("only")]))
    store = open_store(running_url(swarm.root / ".swarm") or "")
    words = (["watch"], ["wait"], ["events", "-f"], ["logs", "only", "-f"])
    started = [swarm.start(*command) for command in words]
    wait_for(lambda: text_of(store.call("CLIENT", "LIST")).count("addr=") > len(words), "all to look")
    store.close()

    swarm.call("down")

    assert [process.wait(PROMPTLY_S) for process in started] == [3] * len(words)
    assert swarm.told().count("error[SW014]") == len(words)
    assert running_url(swarm.root / ".swarm") is None


def test_workers_and_supervisors_end_with_the_server_that_is_put_down(swarm: Swarm) -> None:
    """Idle or at work: they would wait for it, and work whenever somebody looks."""
    swarm.json("submit", swarm.plan([write_task("first"), held(swarm, "second")]))
    started = [swarm.start("supervisor"), swarm.start("worker"), swarm.start("worker")]
    wait_for(lambda: states(swarm) == {"first": "done", "second": "running"}, "one worker to be at work")

    swarm.call("down")

    assert [process.wait(PROMPTLY_S) for process in started] == [0, 0, 0]
    assert (swarm.told().count("supervisor ended"), swarm.told().count("worker ended")) == (1, 2)
