"""`status`, `runs`, `tasks`, `agents`, `queue`, `locks`: where things stand, for people and programs."""

import shlex
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from swarm.engine.claims import Failure, WorkerProfile
from swarm.engine.connect import open_store
from swarm.fleet.process_id import ProcessId
from swarm.plan.model import Plan, TaskSpec
from swarm.states import FailureKind

# Any: these are the fixtures' own types, and a test cannot import from its conftest.
Swarm = Callable[..., Any]
Bench = Any
Task = Callable[..., TaskSpec]


@pytest.fixture
def run(bench: Bench, task: Task) -> str:
    """A run with a task running, one behind its lock, one waiting for it, one of another type ready."""
    submitted = bench.submit(
        task("build"), task("test", "build"), task("shared", files=("build.py",)), task("guide", kind="docs")
    )
    bench.engine.heartbeat(bench.worker, kind="worker", state="busy", task=f"{submitted}/build")
    assert bench.claim().task.id == "build"
    # Somebody who can do nothing else tries the blocked task, which parks it.
    narrow = WorkerProfile("w-2", types=("general",))
    assert bench.engine.claim(narrow, "w-2-claim-1") is None
    return str(submitted)


def test_status_says_where_the_run_stands(swarm: Swarm, run: str) -> None:
    """A person sees the run, its progress, and each task that is moving or held up."""
    shown = swarm("status")

    assert shown.code == 0
    lines = [" ".join(line.split()) for line in shown.out.splitlines()]
    assert f"run {run} active" in lines
    assert "goal Open the shop" in lines
    assert any(line.startswith("tasks 0/4 done") for line in lines)
    assert any(line.startswith("build general ◐ running 1") for line in lines)
    assert any(line.startswith("shared general ◎ queued") and "waits for build.py" in line for line in lines)


def test_status_as_json_has_its_documented_shape(swarm: Swarm, run: str) -> None:
    """Scripts find the same keys in every version."""
    data = swarm("status", run[:4], "--json").json()

    assert set(data) == {
        *("run", "elapsed_s", "tasks", "agents", "queues", "taken_ms"),
        *("paused", "limits", "unserved", "unserved_executors", "missing_tags", "forecast_s", "eta_ms"),
    }
    assert data["run"]["counts"]["running"] == 1
    assert data["tasks"][0] == {"id": "build", "state": "running", "attempt": 1, "worker": "w-1"}
    assert data["queues"] == [
        {"type": "docs", "ready": 1, "parked": 0},
        {"type": "general", "ready": 0, "parked": 1},
    ]


def test_without_a_live_worker_status_says_how_to_go_on(swarm: Swarm, bench: Bench, task: Task) -> None:
    """A run that nobody works on does not look like one that is slow."""
    submitted = bench.submit(task("a"))

    assert f"no worker is alive: `swarm run --resume {submitted}` goes on" in swarm("status").out


def test_runs_are_listed_oldest_first(swarm: Swarm, bench: Bench, task: Task) -> None:
    """The newest run is where the eye rests, and is what `latest` means."""
    first = bench.submit(task("a"), key="1")
    second = bench.submit(task("a"), key="2")

    assert [row["run"] for row in swarm("runs", "--json").json()] == [first, second]
    assert swarm("status", "--json").json()["run"]["run"] == second
    assert swarm("status", first, "--json").json()["run"]["run"] == first


def test_tasks_can_be_filtered_by_state(swarm: Swarm, run: str) -> None:
    """One state, or several."""
    picked = swarm("tasks", run, "--state", "running", "--state", "pending", "--json").json()

    assert [(row["id"], row["state"]) for row in picked] == [("build", "running"), ("test", "pending")]
    assert picked[1]["waiting_for"] == ["build"]
    assert picked[0]["spec"]["files"] == ["build.py"]


def test_what_a_person_decided_about_is_not_told_by_its_former_end(
    swarm: Swarm, bench: Bench, task: Task
) -> None:
    """Neither the note nor the time is of the attempt that failed before."""
    run = bench.submit(task("gone"), task("skipped"))
    for _ in range(2):
        bench.engine.fail(bench.claim(), Failure(FailureKind.TASK_ERROR, "exit code 7"))

    swarm("skip", run, "skipped")
    swarm("cancel", run, "--task", "gone")

    rows = {line.split()[0]: line.split() for line in swarm("tasks").out.splitlines()[1:]}
    assert rows["skipped"][3:] == ["skipped", "1", "-"]
    assert rows["gone"][3:] == ["cancelled", "1", "-"]
    assert "cancelled" in swarm("why", "gone").out
    assert "exit code 7" not in swarm("why", "gone").out + swarm("report").out


@pytest.mark.parametrize("end", ["done", "cancelled"])
def test_an_expanded_task_took_what_its_worker_held_it_for(
    swarm: Swarm, bench: Bench, task: Task, redis_url: str, end: str
) -> None:
    """In `tasks` as in the report: nobody held it while it waited for its parts."""
    run = bench.submit(task("exp", files=()))
    bench.engine.expand(bench.claim(), Plan((task("x", files=()),)))
    if end == "done":
        bench.engine.finish(bench.claim())
    else:
        bench.engine.cancel(run)
    held = bench.engine.task(run, "exp")
    store = open_store(redis_url)
    key = bench.engine.keys.of("task", f"{run}/exp")
    claim = f"{held.token} {held.attempt} {held.claimed_ms - 60_000} {held.base} {held.worker_id}"
    store.call("HSET", key, "claim", claim, "took", f"600 {held.ended_ms}")
    store.close()

    rows = {line.split()[0]: line.split() for line in swarm("tasks").out.splitlines()[1:]}
    report = swarm("report", "--json").json()

    assert rows["exp"][3:6] == [end, "1", "0.6s"]
    assert report["tasks"][0]["duration_s"] == 0.6


def test_what_is_handed_in_again_is_not_told_by_what_failed_before(
    swarm: Swarm, bench: Bench, task: Task
) -> None:
    """Whoever waits to be merged has done better since."""
    run = bench.submit(task("build"))
    bench.engine.fail(bench.claim(), Failure(FailureKind.TASK_ERROR, "exit code 7", retryable=False))
    bench.engine.retry(run)
    bench.engine.fail(bench.claim(), Failure(FailureKind.CONFLICT, "exit code 7"))

    bench.engine.hand_in(bench.claim(), commit="a" * 40)

    assert swarm("tasks", "--json").json()[0]["state"] == "merging"
    assert "exit code 7" not in swarm("tasks").out


def test_an_unknown_state_names_the_known_ones(swarm: Swarm, run: str) -> None:
    """The next step is in the error."""
    refused = swarm("tasks", run, "--state", "runing")

    assert refused.code == 2
    assert "'runing'" in refused.err
    assert "running" in refused.err.splitlines()[1]


def test_agents_show_what_each_is_doing(swarm: Swarm, run: str) -> None:
    """Who is alive, and on which task."""
    rows = swarm("agents", "--json").json()

    assert [(row["worker_id"], row["task"], row["alive"]) for row in rows] == [("w-1", f"{run}/build", True)]


def test_a_worker_of_this_host_that_was_killed_is_dead_at_once(
    swarm: Swarm, bench: Bench, task: Task
) -> None:
    """Its heartbeat is fresh for another twenty seconds, but here its process can be looked for."""
    run = bench.submit(task("build"))
    process = subprocess.Popen(["sleep", "60"])
    bench.engine.heartbeat(WorkerProfile(str(ProcessId.running(process.pid))), kind="worker", state="busy")
    before = (swarm("agents", "--json").json()[0]["alive"], " 1 worker," in swarm("status").out)

    process.kill()
    process.wait()

    assert before == (True, True)
    assert swarm("agents", "--json").json()[0]["alive"] is False
    assert "dead" in swarm("agents").out
    assert " 0 workers," in swarm("status").out
    assert swarm("why", "build", "--json").json()["next"] == [f"swarm run --resume {run}"]
    bench.engine.cancel(run)
    assert "no worker is alive" in swarm("retry", run).err


@pytest.mark.usefixtures("run")
def test_each_number_of_queue_is_what_its_redis_cli_line_prints(swarm: Swarm) -> None:
    """redis-cli is a user interface: the screen can be checked against the server."""
    data = swarm("queue", "--explain", "--json").json()

    printed = {
        name: int(subprocess.run(shlex.split(line), capture_output=True, text=True, check=True).stdout)
        for name, line in data["redis_cli"].items()
    }

    assert printed == {
        "ready docs": 1,
        "parked docs": 0,
        "ready general": 0,
        "parked general": 1,
        "delayed": data["delayed"],
        "leases": data["leased"],
        "merging": data["merging"],
        "dead": data["dead"],
    }
    assert data["leased"] == 1


def test_what_failed_for_good_is_listed_with_its_reason(swarm: Swarm, bench: Bench, task: Task) -> None:
    """The dead letters of all runs, the newest first, for people and for programs."""
    runs = [bench.submit(task(name), key=name) for name in ("a", "b")]
    for reason in ("wrote a secret", "took the CI apart"):
        bench.engine.fail(bench.claim(), Failure(FailureKind.POLICY, reason))

    data, text = swarm("queue", "--json").json(), swarm("queue").out

    letters = [(one["run"], one["task"], one["kind"], one["reason"]) for one in data["dead_letters"]]
    assert letters == [
        (runs[1], "b", "policy", "took the CI apart"),
        (runs[0], "a", "policy", "wrote a secret"),
    ]
    assert data["dead"] == 2
    assert "took the CI apart" in text
    assert f"`swarm why b --run {runs[1]}` says more" in text


def test_what_was_tried_is_told_with_the_task(swarm: Swarm, bench: Bench, task: Task) -> None:
    """In `tasks --json`, in the report and in `why`: by whom, when, and what went wrong."""
    run = bench.submit(task("a"))
    bench.engine.fail(bench.claim(), Failure(FailureKind.TASK_ERROR, "no way", retryable=False))
    bench.engine.retry(run)
    bench.engine.fail(bench.claim(), Failure(FailureKind.POLICY, "wrote a secret"))

    (row,) = swarm("tasks", "--state", "failed", "--json").json()
    report, markdown = swarm("report", "--format", "json"), swarm("report", "--format", "md").out
    chain = [link["text"] for link in swarm("why", "a", "--json").json()["chain"]]

    tried = [(one["attempt"], one["kind"], one["message"], one["worker"]) for one in row["history"]]
    assert tried == [(1, "task_error", "no way", "w-1"), (2, "policy", "wrote a secret", "w-1")]
    assert report.json()["tasks"][0]["history"] == row["history"]
    assert "  - attempt 1, " in markdown
    assert any(text.startswith("attempt 1, ") and text.endswith("no way") for text in chain)


def test_locks_show_holder_and_waiters(swarm: Swarm, run: str) -> None:
    """Who is in the way, of whom, on what."""
    (lock,) = swarm("locks", "--json").json()

    assert lock | {"since_ms": 0} == {
        "path": "build.py",
        "mode": "exclusive",
        "run": run,
        "task": "build",
        "worker_id": "w-1",
        "since_ms": 0,
        "waiters": [f"{run}/shared"],
        "state": "running",
        "widened": [],
    }
    head, row = (line.split() for line in swarm("locks").out.splitlines())
    assert head == ["PATH", "MODE", "TASK", "WORKER", "FOR", "WAITING"]
    assert row[:4] == ["build.py", "exclusive", f"{run}/build", "w-1"]
    assert row[4].endswith("s")
    assert row[5] == "shared"


def test_a_run_may_be_named_by_a_unique_beginning_only(swarm: Swarm, run: str) -> None:
    """A short id works; a wrong one is answered with the next step."""
    unknown = swarm("status", "zzz")

    assert swarm("status", run[:3]).code == 0
    assert (unknown.code, unknown.err.splitlines()[0]) == (2, "error[SW005]: no run 'zzz'")


def test_before_the_first_run_every_question_says_so(swarm: Swarm) -> None:
    """An empty project is not an internal error."""
    answers = {name: swarm(name) for name in ("status", "tasks", "report", "cost", "events", "watch")}

    assert {name: (one.code, one.err.splitlines()[0]) for name, one in answers.items()} == dict.fromkeys(
        answers, (2, "error[SW005]: there is no run yet")
    )
