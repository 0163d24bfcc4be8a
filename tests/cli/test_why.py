"""`why`: the chain of causes, from a task to what it all waits for."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any  # the fields of a task

import pytest
from why_chain import Bench, Swarm, Task, alive, chain, starts

from swarm.engine.claims import Failure, WorkerProfile
from swarm.observe.left_out import LeftOut
from swarm.observe.wording import time_of_day
from swarm.repo.merging.gate_notes import GateNotes, keep_notes
from swarm.settings import attempt_log
from swarm.states import FailureKind


def test_a_pending_task_leads_to_the_worker_that_runs_its_dependency(
    swarm: Swarm, bench: Bench, task: Task
) -> None:
    """Pending on X, which runs on worker Y, whose heartbeat is fresh."""
    bench.submit(task("build"), task("test", "build"))
    bench.engine.heartbeat(bench.worker, kind="worker", state="busy")
    bench.claim()

    assert starts(
        chain(swarm, "test"),
        ("test", "pending: waits for 1 dependency: build"),
        ("build", "running on worker w-1 for "),
        ("build", "heartbeat "),
    )


def test_a_worker_that_was_never_seen_again_is_named(swarm: Swarm, bench: Bench, task: Task) -> None:
    """A wedged task is told from a working one."""
    bench.submit(task("build"))
    bench.claim()

    alone = chain(swarm, "build")
    alive(bench, "supervisor")

    assert starts(
        alone,
        ("build", "running on worker w-1 for "),
        ("build", "worker w-1 is not among the living; its lease ends in "),
    )
    assert alone[-1][1].endswith(", and nobody is alive to take it back")
    assert chain(swarm, "build")[-1][1].endswith(", then the task is queued again")


def test_a_parked_task_leads_to_the_holder_of_the_lock(swarm: Swarm, bench: Bench, task: Task) -> None:
    """Parked on path P, which Z holds."""
    bench.submit(task("build"), task("shared", files=("build.py",)))
    bench.engine.heartbeat(bench.worker, kind="worker", state="busy")
    bench.claim()
    assert bench.engine.claim(WorkerProfile("w-2"), "w-2-1") is None

    assert starts(
        chain(swarm, "shared"),
        ("shared", "queued: parked on build.py"),
        ("shared", "build.py is locked (exclusive) by build"),
        ("build", "running on worker w-1 for "),
        ("build", "heartbeat "),
    )


def test_a_parked_task_says_since_when_it_waits_and_the_lock_is_held(
    swarm: Swarm, bench: Bench, task: Task
) -> None:
    """A lock that is held for long is told from one that was just taken."""
    run = bench.submit(task("build"), task("shared", files=("build.py",)))
    bench.claim()
    assert bench.engine.claim(WorkerProfile("w-2"), "w-2-1") is None

    links = chain(swarm, "shared")

    waits = time_of_day(bench.engine.task(run, "shared").parked_ms)
    held = time_of_day(bench.engine.task(run, "build").claimed_ms)
    assert links[0][1].startswith(f"queued: parked on build.py since {waits}, 0.")
    assert links[1][1].startswith(f"build.py is locked (exclusive) by build since {held}, 0.")


def test_a_ready_task_without_workers_says_so(swarm: Swarm, bench: Bench, task: Task) -> None:
    """The next step is to start some."""
    run = bench.submit(task("build"))

    assert chain(swarm, "build") == [
        ("build", "queued: ready in queue 'general'"),
        ("build", "no worker is alive"),
    ]
    assert swarm("why", "build", "--json").json()["next"] == [f"swarm run --resume {run}"]


def test_a_type_that_nobody_serves_is_named(swarm: Swarm, bench: Bench, task: Task) -> None:
    """A task of a wrong type is not a slow task."""
    bench.submit(task("guide", kind="docs"))
    alive(bench, types=("backend",))

    assert chain(swarm, "guide")[-2:] == [
        ("guide", "no worker serves type 'docs'; 1 worker alive: backend"),
        ("guide", "`swarm worker --types docs` starts one"),
    ]


def test_an_executor_that_nobody_serves_is_named(swarm: Swarm, bench: Bench, task: Task) -> None:
    """Idle workers without a model cannot take a model's task, and a model of another type cannot either."""
    bench.submit(replace(task("guide", kind="docs"), executor="messages", command=None))
    alive(bench, executors=("command",))
    alone = chain(swarm, "guide")[1:]
    alive(bench, types=("backend",), executors=("messages",), number=2)
    beside_another_type = chain(swarm, "guide")[1:]
    alive(bench, types=("docs",), number=3)

    next_step = ("guide", "set ANTHROPIC_API_KEY where workers start")
    assert alone == [("guide", "no worker runs executor 'messages'; 1 worker alive: command"), next_step]
    assert beside_another_type == [
        ("guide", "no worker runs executor 'messages'; 1 worker of type 'docs': command"),
        next_step,
    ]
    assert chain(swarm, "guide")[-1] == ("guide", "1 idle worker can take it now")


def test_what_a_reviewer_found_is_told_of_an_approved_attempt(swarm: Swarm, bench: Bench, task: Task) -> None:
    """Below what became of it: the verdict, the first findings, and where the others are."""
    run = bench.submit(task("guide"))
    said = ["approved: fine", *(f"minor: f:{line}: long" for line in range(7))]
    bench.engine.hand_in(bench.claim(), commit="a" * 40, review="\n".join(said))
    [ticket] = bench.engine.begin_merge("supervisor-1")
    bench.engine.complete(ticket, commit="c" * 40)

    links = [text for _, text in chain(swarm, "guide")]

    assert links[1] == "looked at before it was handed in: approved: fine"
    assert links[2:7] == [f"| {finding}" for finding in said[1:6]]
    assert links[7] == f"| and 2 more: `swarm report {run} --format md`"


@pytest.mark.parametrize(
    ("looked_at", "what_for"),
    [({"review": True}, "its review"), ({"best_of": 2}, "the judge of `best_of` 2")],
)
def test_a_model_that_nobody_has_is_named_with_what_it_is_for(
    swarm: Swarm, bench: Bench, task: Task, looked_at: dict[str, Any], what_for: str
) -> None:
    """The workers run commands, and idle all the same: none of them could have the result looked at."""
    bench.submit(replace(task("guide"), **looked_at))
    alive(bench, executors=("command",))

    alone = chain(swarm, "guide")[1:]
    alive(bench, number=2)

    lacking = f"no worker runs executor 'command+model' that {what_for} needs; 1 worker alive: command"
    assert alone == [("guide", lacking), ("guide", "set ANTHROPIC_API_KEY where workers start")]
    assert chain(swarm, "guide")[-1] == ("guide", "1 idle worker can take it now")


def test_a_task_in_backoff_says_for_how_long_and_why(swarm: Swarm, bench: Bench, task: Task) -> None:
    """Queued is not ready."""
    bench.submit(task("build"))
    bench.engine.fail(bench.claim(), Failure(FailureKind.TASK_ERROR, "exit code 1"))

    ((_, text),) = chain(swarm, "build")

    assert text.startswith("queued: in backoff until ")
    assert text.endswith("after attempt 1 failed: its agent or command said no: exit code 1")


def test_a_failed_task_shows_its_reason_and_the_end_of_its_evidence(
    swarm: Swarm, bench: Bench, task: Task
) -> None:
    """What went wrong, whether it is final, and what to type."""
    run = bench.submit(task("build"), task("test", "build"))
    failure = Failure(
        FailureKind.POLICY, "wrote a secret", evidence="one\ntwo\n\nthree\nfour\n", retryable=False
    )
    bench.engine.fail(bench.claim(), failure)

    assert starts(
        chain(swarm, "test"),
        ("test", "upstream_failed: never started, because of build"),
        ("build", "failed "),
        ("build", "| two"),
        ("build", "| three"),
        ("build", "| four"),
    )
    assert swarm("why", "build", "--json").json()["next"] == [
        f"swarm logs build --run {run}",
        f"swarm retry {run} --task build",
        f"swarm skip {run} build",
    ]


def test_a_done_task_names_its_commit(swarm: Swarm, bench: Bench, task: Task) -> None:
    """Where the work went."""
    run = bench.submit(task("build"))
    bench.land(commit="f" * 40)

    ((_, text),) = chain(swarm, "build")

    assert text.endswith(f"landed as {'f' * 12}")
    assert swarm("why", "build", "--json").json()["next"] == [f"swarm diff build --run {run}"]


def test_a_done_task_without_a_commit_names_what_was_left_out(
    swarm: Swarm, bench: Bench, task: Task, folder: Path
) -> None:
    """Work that was ignored is told from no work."""
    run = bench.submit(task("a"))
    bench.engine.finish(bench.claim())
    LeftOut(folder / ".swarm" / "logs" / run, "a").note("1", "docs/w/")

    links = chain(swarm, "a")

    assert starts(links, ("a", "done "), ("a", "left out as ignored: docs/w/"))


def test_what_its_gates_said_beside_green_is_told_of_a_landed_task(
    swarm: Swarm, bench: Bench, task: Task, folder: Path
) -> None:
    """What was left out, and what was green without a comparison, is no plain green."""
    run = bench.submit(task("a"))
    bench.land()
    log = attempt_log(folder / ".swarm", run, "a", 1, gate=True)
    log.parent.mkdir(parents=True)
    keep_notes(log, GateNotes({}, ("slow",), ("bench: compared nothing: on the base: exit code 1",)))

    assert [text for _, text in chain(swarm, "a")][1:] == [
        "gates that their sample left out: slow",
        "gates that were green without a comparison: bench: compared nothing: on the base: exit code 1",
    ]


def test_a_cancelled_task_says_who(swarm: Swarm, bench: Bench, task: Task) -> None:
    """Cancelling is a person's act, and can be taken back."""
    run = bench.submit(task("build"))
    bench.engine.cancel(run)

    ((_, text),) = chain(swarm, "build")

    assert text.startswith("cancelled ")
    assert swarm("why", "build", "--json").json()["next"] == [f"swarm retry {run}"]


def test_a_long_chain_of_waiting_is_cut(swarm: Swarm, bench: Bench, task: Task) -> None:
    """Thousands of tasks deep, it still answers in a screen."""
    names = [f"t{number}" for number in range(1200)]
    bench.submit(task("t0"), *(task(name, before) for before, name in itertools.pairwise(names)))

    links = chain(swarm, "t1199")

    assert len(links) == 24
    assert links[0] == ("t1199", "pending: waits for 1 dependency: t1198")
    assert links[21:] == [
        ("t1179", "and so on, 1178 tasks in between, to the end:"),
        ("t0", "queued: ready in queue 'general'"),
        ("t0", "no worker is alive"),
    ]


def test_a_long_chain_of_the_doomed_ends_with_what_failed(swarm: Swarm, bench: Bench, task: Task) -> None:
    """However far up: the reason is the last of its links."""
    names = [f"t{number}" for number in range(100)]
    bench.submit(task("t0"), *(task(name, before) for before, name in itertools.pairwise(names)))
    bench.engine.fail(bench.claim(), Failure(FailureKind.POLICY, "wrote a secret"))

    links = chain(swarm, "t99")

    assert links[0] == ("t99", "upstream_failed: never started, because of t98")
    assert links[-1][0] == "t0"
    assert links[-1][1].endswith("it was refused by policy: wrote a secret")


def test_an_unknown_task_names_the_nearest(swarm: Swarm, bench: Bench, task: Task) -> None:
    """A slip of the finger costs one line of reading."""
    bench.submit(task("build-api"), task("build-ui"))

    misspelt, ambiguous = swarm("why", "biuld-api"), swarm("why", "build")

    assert misspelt.err.splitlines()[1] == "help: did you mean 'build-api', 'build-ui'?"
    assert ambiguous.err.splitlines()[0] == "error[SW006]: 'build' begins 2 tasks: 'build-api', 'build-ui'"
    assert (misspelt.code, ambiguous.code) == (2, 2)


def test_without_workers_a_task_with_tags_asks_for_one_that_has_them(
    swarm: Swarm, bench: Bench, task: Task
) -> None:
    """The workers of `swarm run --resume` would have none."""
    run = bench.submit(replace(task("train"), needs=("gpu", "big")), task("after", "train"))

    train, after = (swarm("why", name, "--json").json() for name in ("train", "after"))

    start = "swarm worker --types general --tags big,gpu"
    assert train["next"] == [start, f"swarm run --resume {run}"]
    assert after["next"] == [f"swarm run --resume {run}"]
    for one in (train, after):
        assert [link["text"] for link in one["chain"]][-2:] == [
            "no worker is alive",
            f"`{start}` starts one with the tags it needs",
        ]


def test_a_task_whose_tags_nobody_has_says_which(swarm: Swarm, bench: Bench, task: Task) -> None:
    """What it needs, and what there is."""
    bench.submit(replace(task("train"), needs=("gpu", "big")))
    worker = WorkerProfile("w", tags=("gpu",), host="box", pid=1)
    bench.engine.heartbeat(worker, kind="worker", state="idle")

    links = chain(swarm, "train")

    assert [text for _, text in links[-2:]] == [
        "no worker has all of the tags it needs (gpu, big); tags alive: gpu",
        "`swarm worker --types general --tags big,gpu` starts one that does",
    ]
    assert swarm("why", "train", "--json").json()["next"] == ["swarm worker --types general --tags big,gpu"]


def test_a_task_that_a_worker_can_take_needs_no_other(swarm: Swarm, bench: Bench, task: Task) -> None:
    """It has the tags; and a type that nobody serves names what serves it."""
    bench.submit(replace(task("train"), needs=("gpu",)), task("write", kind="docs"))
    worker = WorkerProfile("w", types=("general",), tags=("gpu",), host="box", pid=1)
    bench.engine.heartbeat(worker, kind="worker", state="idle")

    assert swarm("why", "train", "--json").json()["next"] == []
    assert swarm("why", "write", "--json").json()["next"] == ["swarm worker --types docs"]
