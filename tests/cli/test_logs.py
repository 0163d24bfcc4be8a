"""`logs`, `events`, `diff`: what attempts wrote, what happened, what changed."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from swarm.engine.claims import Failure, WorkerProfile
from swarm.plan.model import Plan, TaskSpec
from swarm.repo.git.command import Git
from swarm.states import FailureKind

# Any: these are the fixtures' own types, and a test cannot import from its conftest.
Swarm = Callable[..., Any]
Bench = Any
Task = Callable[..., TaskSpec]
WriteLog = Callable[..., Path]


@pytest.fixture
def write_log(folder: Path) -> WriteLog:
    """Writes what an attempt printed, as its worker does."""

    def write(run: str, task: str, attempt: int | str, text: str) -> Path:
        path = folder / ".swarm" / "logs" / run / f"{task}.{attempt}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
        return path

    return write


def test_logs_leave_out_what_would_steer_the_terminal(
    swarm: Swarm, bench: Bench, task: Task, write_log: WriteLog
) -> None:
    """An agent's output is shown, not obeyed."""
    run = bench.submit(task("a"))
    bench.claim()
    path = write_log(run, "a", 1, "\x1b[2Jhello\x1b]0;owned\x07\nbye\n")

    assert swarm("logs", "a").out == "hello\nbye\n"
    assert swarm("logs", "a", "--json").json() == {
        "run": run,
        "task": "a",
        "attempt": 1,
        "path": str(path),
        "text": "hello\nbye\n",
    }


def test_a_log_that_another_host_has_is_said_to_be_there(swarm: Swarm, bench: Bench, task: Task) -> None:
    """Not that nothing was written."""
    run = bench.submit(task("a"))
    bench.worker = WorkerProfile("box-2-77-0011aabb")
    bench.claim()

    told = swarm("logs", "a").err

    assert "on host box-2, where worker box-2-77-0011aabb ran" in told
    assert f".swarm/logs/{run}/a.1.log" in told


def test_what_the_gate_wrote_is_a_log_of_its_own(
    swarm: Swarm, bench: Bench, task: Task, write_log: WriteLog
) -> None:
    """A red gate is explained by its own words."""
    run = bench.submit(task("a"))
    bench.claim()
    write_log(run, "a", 1, "agent\n")
    write_log(run, "a", "1.gate", "3 failed\n")

    assert (swarm("logs", "a").out, swarm("logs", "a", "--gate").out) == ("agent\n", "3 failed\n")


def test_a_gate_that_was_never_reached_says_where_the_output_is(
    swarm: Swarm, bench: Bench, task: Task, write_log: WriteLog
) -> None:
    """The attempt's own acceptance failed in its workspace; the one after it came to the merged tree."""
    run = bench.submit(task("a"))
    red = Failure(FailureKind.GATE_FAILED, "acceptance ['false']: 'false' exited with 1")
    bench.engine.fail(bench.claim(), red)
    write_log(run, "a", 1, "1 failed\n")

    early = swarm("logs", "a", "--gate")

    where = f"`swarm logs a --run {run} --attempt 1` has what it printed"
    said = f"attempt 1 of a never reached a gate: its acceptance failed in its workspace; {where}\n"
    assert (early.code, early.out.strip(), early.err) == (0, "", said)


def test_a_gate_that_wrote_nothing_is_not_looked_for_elsewhere(
    swarm: Swarm, bench: Bench, task: Task
) -> None:
    """It was red on the merged tree: what there is would be in its log."""
    bench.submit(task("a"))
    bench.engine.hand_in(bench.claim(), commit="a" * 40)
    [ticket] = bench.engine.begin_merge("supervisor-1")
    bench.engine.send_back(ticket, Failure(FailureKind.GATE_FAILED, "tests: exit code 1"))

    assert "attempt 1 of a has written nothing to " in swarm("logs", "a", "--gate").err


def test_logs_of_a_task_that_was_not_tried_name_the_next_step(swarm: Swarm, bench: Bench, task: Task) -> None:
    """No file is no internal error."""
    bench.submit(task("a"))

    early = swarm("logs", "a")

    assert (early.code, early.err.splitlines()[0]) == (2, "error[SW001]: task 'a' has not been tried yet")


def test_an_attempt_that_does_not_exist_is_a_usage_error(swarm: Swarm, bench: Bench, task: Task) -> None:
    """An empty log would look like an agent that said nothing."""
    bench.submit(task("a"))
    bench.claim()

    wrong = swarm("logs", "a", "--attempt", "9")

    assert (wrong.code, wrong.out) == (2, "")
    assert "task 'a' has no attempt 9: there is 1" in wrong.err


def test_following_prints_whole_lines_until_the_task_ends(
    swarm: Swarm, bench: Bench, task: Task, write_log: WriteLog
) -> None:
    """What is written while we look comes too, and an unfinished last line is not lost."""
    run = bench.submit(task("a"))
    claim = bench.claim()
    write_log(run, "a", 1, "one\ntw")

    def finish() -> None:
        write_log(run, "a", 1, "o\nthree")
        bench.engine.finish(claim)

    later = threading.Timer(0.3, finish)
    later.start()

    followed = swarm("logs", "a", "-f", "--json")

    later.join()
    assert [json.loads(line) for line in followed.out.splitlines()] == [
        {"attempt": 1, "line": "one"},
        {"attempt": 1, "line": "two"},
        {"attempt": 1, "line": "three"},
    ]


def test_events_are_one_json_object_a_line(swarm: Swarm, bench: Bench, task: Task) -> None:
    """Of one run, in order, each with what happened to which task."""
    run = bench.submit(task("a"), key="1")
    bench.land()
    bench.submit(task("a"), key="2")

    rows = [json.loads(line) for line in swarm("events", run).out.splitlines()]

    assert {row["run"] for row in rows} == {run}
    assert swarm("events", "--run", run).out == swarm("events", run).out
    assert all(set(row) == {"id", "at_ms", "kind", "run", "task", "fields"} for row in rows)
    moved = [row["fields"]["state"] for row in rows if row["task"] == "a"]
    assert moved == ["acked", "running", "merging", "merging", "done"]
    assert any(row["kind"] == "tasks_queued" and row["fields"]["ids"] == "a" for row in rows)


def test_events_of_two_runs_at_once_are_refused(swarm: Swarm, bench: Bench, task: Task) -> None:
    """A RUN and another --RUN: neither wins in silence."""
    run = bench.submit(task("a"))

    both = swarm("events", run, "--run", "other")

    assert (both.code, f"two runs are named: '{run}' and 'other'" in both.err) == (2, True)


def test_events_after_an_entry_leave_out_what_was_seen(swarm: Swarm, bench: Bench, task: Task) -> None:
    """A reader that was away goes on where it stopped."""
    bench.submit(task("a"))
    seen = json.loads(swarm("events").out.splitlines()[-1])["id"]
    bench.claim()

    kinds = [json.loads(line)["kind"] for line in swarm("events", "--after", seen).out.splitlines()]

    assert kinds == ["task_claimed", "task_started"]


def test_following_events_ends_with_the_run(swarm: Swarm, bench: Bench, task: Task) -> None:
    """The last line is the end of the run, whoever ended it."""
    run = bench.submit(task("a"))
    later = threading.Timer(0.3, lambda: bench.engine.cancel(run))
    later.start()

    followed = swarm("events", "-f")

    later.join()
    last = json.loads(followed.out.splitlines()[-1])
    assert (last["kind"], last["fields"]["state"]) == ("run_ended", "cancelled")


@pytest.fixture
def hub(folder: Path) -> Git:
    """A hub with two commits: `base`, and one that adds a line, tagged `landed`."""
    path = folder / ".swarm" / "repo.git"
    path.parent.mkdir()
    Git().run("init", "--quiet", "--bare", "--initial-branch=main", str(path))
    git = Git.at(path)
    author = {
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@example.org",
    }
    parent: tuple[str, ...] = ()
    for name, text in (("base", b"one\n"), ("landed", b"one\n\x1b[31mtwo\n")):
        blob = git.run("hash-object", "-w", "--stdin", stdin=text).decode().strip()
        tree = git.run("mktree", stdin=f"100644 blob {blob}\tfile.txt\n".encode()).decode().strip()
        commit = git.run("commit-tree", tree, *parent, "-m", name, env=author).decode().strip()
        git.run("update-ref", f"refs/tags/{name}", commit)
        parent = ("-p", commit)
    return git


@pytest.mark.unsound("it landed by hand, without a trailer")
def test_diff_prints_what_the_landing_changed(swarm: Swarm, bench: Bench, task: Task, hub: Git) -> None:
    """The commit that is on the branch, against the one before it."""
    run = bench.submit(task("a"))
    landed = hub.one_line("rev-parse", "landed")
    bench.land(commit=landed)
    hub.run("update-ref", f"refs/heads/swarm/{run}", landed)

    data = swarm("diff", "a", "--json").json()

    assert (data["landed"], data["commit"]) == (True, landed)
    assert "+\x1b[31mtwo" in data["patch"]
    assert swarm("diff", "a").out.splitlines()[-1] == "+two"


def test_diff_before_anything_changed_names_the_next_step(swarm: Swarm, bench: Bench, task: Task) -> None:
    """Nothing to show is said, not shown as nothing."""
    bench.submit(task("a"))

    early = swarm("diff", "a")

    assert early.code == 2
    assert early.err.splitlines() == [
        "error[SW001]: task 'a' (queued) has changed nothing yet",
        "help: `swarm why a` says what it waits for",
    ]


def test_diff_of_a_task_that_was_expanded_names_what_it_became(
    swarm: Swarm, bench: Bench, task: Task
) -> None:
    """It has no change of its own, and others have."""
    bench.submit(task("exp", files=()))
    bench.engine.expand(bench.claim(), Plan((task("x", files=()),)))
    bench.engine.finish(bench.claim())

    assert swarm("diff", "exp").err.splitlines() == [
        "error[SW001]: task 'exp' (done) was expanded into 1 task",
        "help: `swarm diff exp.x` shows the first",
    ]


def test_diff_of_a_task_that_ended_without_landing_says_so(swarm: Swarm, bench: Bench, task: Task) -> None:
    """It waits for nothing any more, so nobody is told to wait."""
    bench.submit(task("a"), task("b", "a"))
    bench.engine.fail(bench.claim(), Failure(FailureKind.TASK_ERROR, "no", retryable=False))

    failed, never_tried = swarm("diff", "a"), swarm("diff", "b")

    assert failed.err.splitlines() == [
        "error[SW001]: nothing of task 'a' (failed) landed, and its last attempt was not kept",
        "help: `swarm why a` says why",
    ]
    assert "(upstream_failed) landed, and it was never tried" in never_tried.err


def test_events_after_what_is_no_entry_are_refused(swarm: Swarm, bench: Bench, task: Task) -> None:
    """A wrong word is a usage error, and shows what it should look like."""
    bench.submit(task("a"))

    done = swarm("events", "--after", "yesterday")

    assert done.code == 2
    assert "--after: 'yesterday' is no entry of the events" in done.err
