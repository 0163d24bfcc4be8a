"""`python -m workers` as a process: signals, kills, and a whole plan."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from watching import DAEMON, dies_soon, wait_for_text
from worker_rig import Rig, sh

from swarm.fleet.process import ProcessLauncher
from swarm.plan.model import TaskSpec
from swarm.repo.merging.merge_queue import MergeQueue
from swarm.states import RunState, TaskState
from swarm.testing.repository import make_repository
from swarm.testing.script import saying, using
from swarm.testing.scripted_model import ScriptedModel
from swarm.testing.server import RedisServer


def wait_for(condition: Callable[[], bool], what: str, *, within_s: float = 60) -> None:
    """Poll until it holds; fail saying what did not happen."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"within {within_s} s: {what}"
        time.sleep(0.02)


def marker(rig: Rig, name: str) -> Path:
    """A file outside every workspace, by which a task shows that it runs."""
    return rig.shared / name


def endless(rig: Rig) -> str:
    """A script that shows its pid and never ends."""
    return f"echo $$ > {marker(rig, 'pid')}; exec sleep 600"


def test_a_plan_runs_to_its_end(rig: Rig) -> None:
    """One worker process, and the merge queue here: three tasks become three commits on the branch."""
    run = rig.submit(
        sh("a", "echo a > a.txt", files=("a.txt",), acceptance=(("test", "-f", "a.txt"),)),
        sh("b", "cat a.txt > b.txt; echo b >> b.txt", files=("b.txt",), dependencies=("a",)),
        sh("check", "grep -q b b.txt", dependencies=("b",)),
    )
    engine = rig.make_engine()
    merge_queue = MergeQueue(engine, rig.hub, ProcessLauncher(), merger_id="merger", home=rig.home)
    worker = rig.start_worker("--lifeline")

    def is_over() -> bool:
        merge_queue.land_train()
        return engine.run(run).state.is_terminal

    wait_for(is_over, "the run ends")

    assert engine.run(run).state is RunState.DONE
    tip = rig.hub.tip(engine.run(run).branch)
    assert tip is not None
    assert rig.hub.read_blob(tip, "b.txt") == b"a\nb\n"
    worker.terminate()
    assert worker.wait(60) == 0
    assert rig.workspaces() == []
    assert engine.agents() == []
    engine.close()


def test_an_idle_worker_ends_at_once(rig: Rig) -> None:
    """SIGTERM without a task: exit 0, signed off."""
    worker = rig.start_worker()
    wait_for(lambda: len(rig.engine.agents()) == 1, "the worker shows up")

    worker.terminate()

    assert worker.wait(60) == 0
    assert rig.engine.agents() == []


def test_draining_finishes_the_task_at_work_and_takes_no_other(rig: Rig) -> None:
    """One SIGTERM: the task is handed in, the next one stays queued."""
    script = f"echo x > f; touch {marker(rig, 'on')}; while [ ! -e {marker(rig, 'go')} ]; do sleep 0.05; done"
    run = rig.submit(sh("first", script, files=("f",), priority=1), sh("second", "true"))
    worker = rig.start_worker()
    wait_for(marker(rig, "on").exists, "the first task runs")

    worker.send_signal(signal.SIGTERM)
    wait_for(lambda: "draining" in rig.worker_log(), "the worker drains")
    marker(rig, "go").touch()

    assert worker.wait(60) == 0
    assert rig.task(run, "first").state is TaskState.MERGING
    assert rig.task(run, "second").state is TaskState.QUEUED


@pytest.mark.parametrize("way", ["drain time over", "second signal", "lifeline"])
def test_stopping_now_gives_the_task_back_and_leaves_no_process(rig: Rig, way: str) -> None:
    """The task is queued again, uncharged, and what worked on it is dead."""
    if way == "drain time over":
        rig.drain_s = 0.3
    run = rig.submit(sh("t", endless(rig)))
    worker = rig.start_worker("--lifeline")
    agent = int(wait_for_text(marker(rig, "pid")))

    if way == "lifeline":
        assert worker.stdin is not None
        worker.stdin.close()
    else:
        worker.send_signal(signal.SIGINT)
        wait_for(lambda: "draining" in rig.worker_log(), "the worker drains")
    if way == "second signal":
        worker.send_signal(signal.SIGINT)

    assert worker.wait(60) == 0
    assert dies_soon(agent)
    record = rig.task(run, "t")
    assert (record.state, record.failures, record.crashes) == (TaskState.QUEUED, 0, 0)
    assert rig.workspaces() == []


def test_a_killed_worker_leaves_no_agent_and_the_next_one_tidies_up(rig: Rig) -> None:
    """SIGKILL: the agent and a daemon of it die by themselves; the workspace is swept at the next start."""
    script = f"cat > daemon.py <<'END'\n{DAEMON}\nEND\nexec {sys.executable} daemon.py 600"
    rig.submit(sh("t", script))
    worker = rig.start_worker()
    folder = rig.home / "workspaces"
    wait_for(lambda: bool(list(folder.glob("*/*/pid"))), "the daemon runs")
    daemon = int(wait_for_text(next(iter(folder.glob("*/*/pid")))))
    family = [process.pid for process in psutil.Process(worker.pid).children(recursive=True)]

    worker.kill()
    worker.wait()

    for pid in (daemon, *family):
        assert dies_soon(pid)
    left = rig.workspaces()
    successor = rig.start_worker()
    assert len(left) == 1
    wait_for(lambda: not set(left) & set(rig.workspaces()), "the leftovers are swept")
    successor.kill()


def test_no_credential_of_the_worker_reaches_its_agent(rig: Rig) -> None:
    """API key and Redis URL are in the worker's environment, and not in the agent's."""
    run = rig.submit(sh("t", "env; cat /proc/$PPID/environ | tr '\\0' '\\n'"))
    rig.start_worker("--lifeline", ANTHROPIC_API_KEY="sk-ant-canary", AWS_SECRET_ACCESS_KEY="sk-ant-canary")

    wait_for(lambda: rig.task(run, "t").state is TaskState.DONE, "the task is done")

    log = (rig.home / f"logs/{run}/t.1.log").read_text()
    assert "SWARM_ATTEMPT=" in log
    assert "sk-ant-canary" not in log
    assert "REDIS_URL" not in log
    assert rig.url not in log


def test_a_frozen_worker_hands_nothing_in_when_it_wakes(rig: Rig) -> None:
    """Its lease ended while it slept, and somebody else finished the task: the late attempt is dropped."""
    rig.lease_s = 2.0
    script = (
        f"echo $$ > {marker(rig, 'pid')}; while [ ! -e {marker(rig, 'go')} ]; do sleep 0.05; done; echo x > f"
    )
    run = rig.submit(sh("t", script, files=("f",)))
    zombie = rig.start_worker()
    wait_for_text(marker(rig, "pid"))

    zombie.send_signal(signal.SIGSTOP)
    wait_for(
        lambda: bool(rig.engine.reclaim_expired()) or rig.task(run, "t").state is TaskState.QUEUED,
        "the lease ends",
    )
    marker(rig, "go").touch()
    assert rig.worker().work_once()
    handed_in = rig.task(run, "t")
    zombie.send_signal(signal.SIGCONT)
    wait_for(lambda: "lost" in rig.worker_log(), "the zombie notices")
    zombie.terminate()
    zombie.wait(20)

    assert handed_in.state is TaskState.MERGING
    assert rig.task(run, "t") == handed_in


def test_a_model_works_on_a_task_in_a_real_worker(rig: Rig) -> None:
    """Through the SDK and HTTP: its tools change the workspace, and the result is handed in with its cost."""
    replies = [using("write_file", {"path": "hello.txt", "content": "hello\n"}), saying("Wrote hello.txt.")]
    run = rig.submit(TaskSpec("t", "Write hello.txt", files=("hello.txt",)))

    with ScriptedModel(replies) as model:
        rig.start_worker("--lifeline", ANTHROPIC_API_KEY="scripted", ANTHROPIC_BASE_URL=model.url)
        wait_for(lambda: rig.task(run, "t").state is TaskState.MERGING, "the attempt is handed in")

    commit = rig.task(run, "t").attempt_commit
    assert rig.hub.read_blob(commit, "hello.txt") == b"hello\n"
    MergeQueue(rig.engine, rig.hub, ProcessLauncher(), merger_id="merger", home=rig.home).land_train()
    assert rig.task(run, "t").usage.cost_microusd > 0
    assert (rig.home / f"logs/{run}/t.1.jsonl").read_text().count("\n") == 4


def test_a_worker_that_waits_for_a_model_can_be_stopped(rig: Rig) -> None:
    """The call cannot be interrupted, so after a grace the task is given back without it."""
    run = rig.submit(TaskSpec("t", "Think", files=("f",)))

    with ScriptedModel([saying("hm", delay_s=120)]) as model:
        worker = rig.start_worker("--lifeline", ANTHROPIC_API_KEY="scripted", ANTHROPIC_BASE_URL=model.url)
        wait_for(lambda: bool(model.requests), "the model is asked")
        assert worker.stdin is not None
        worker.stdin.close()
        assert worker.wait(60) == 143

    assert (rig.task(run, "t").state, rig.task(run, "t").failures) == (TaskState.QUEUED, 0)
    assert rig.engine.agents() == []


def test_a_worker_without_a_credential_leaves_model_tasks_alone(rig: Rig) -> None:
    """It takes the command task behind it instead."""
    model = TaskSpec("model", "Think", files=("f",), priority=9)
    run = rig.submit(model, sh("reviewed", "true", priority=9, review=True), sh("command", "true"))
    rig.start_worker("--lifeline")

    wait_for(lambda: rig.task(run, "command").state is TaskState.DONE, "the command task is done")

    assert [rig.task(run, name).attempt for name in ("model", "reviewed")] == [0, 0]


def test_a_worker_outlives_its_redis(tmp_path: Path, own_server: RedisServer) -> None:
    """Redis goes away and comes back empty: the worker waits, shows up again, and works on."""
    rig = Rig(make_repository(tmp_path / "repo", {"README.md": "hello\n"}), own_server.url)
    worker = rig.start_worker()
    wait_for(lambda: len(rig.engine.agents()) == 1, "the worker shows up")

    own_server.stop()
    own_server.start()
    run = rig.submit(sh("t", "true"))

    wait_for(lambda: rig.task(run, "t").state is TaskState.DONE, "the worker works on")
    worker.terminate()
    assert worker.wait(60) == 0
    rig.close()


def test_a_bad_setting_is_named_and_exits_with_2(rig: Rig) -> None:
    """No traceback reaches a person."""
    worker = rig.start_worker(SWARM_LEASE_S="soon")

    assert worker.wait(60) == 2
    assert "error[SW002]" in rig.worker_log()
    assert "'soon'" in rig.worker_log()
    assert "Traceback" not in rig.worker_log()


def test_an_unreachable_redis_exits_with_3(rig: Rig) -> None:
    """The address is named."""
    worker = rig.start_worker(REDIS_URL="unix:///nowhere/redis.sock")

    assert worker.wait(30) == 3
    assert "/nowhere/redis.sock" in rig.worker_log()


def test_help_names_every_option() -> None:
    """A person can find out without reading the source."""
    shown = subprocess.run(
        [sys.executable, "-m", "workers", "--help"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        env={"PATH": os.defpath},
    ).stdout

    assert all(option in shown for option in ("-C", "--types", "--lifeline"))
